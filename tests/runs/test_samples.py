"""Samples of a training run: a long prompt is shortened for the eye, and all of it is there to be opened."""

import pytest

from evalhub.runs.models import Journal
from tests.conftest import logged_in
from tests.runs.test_pages import url

pytestmark = pytest.mark.django_db


def test_it_shortens_a_long_prompt_with_an_ellipsis_and_keeps_all_of_it(trained, pm):
    entry = trained.training.version.entries.filter(split="validation").get()
    entry.delete()  # and put in anew: a frozen row cannot be changed
    entry.values = {**entry.values, "instruction": "Write a headline.", "input": "Word " * 200 + "and the end."}
    entry.save(force_insert=True)
    samples = [{"step": 1, "id": str(entry.pk), "text": "A headline"}]
    Journal.objects.update_or_create(run=trained, defaults={"samples": samples})
    page = logged_in(pm).get(url("detail", trained.pk)).content.decode()
    summary = page.partition('<span class="start" dir="auto">')[2].partition("</span>")[0]
    assert summary.startswith("Write a headline.")
    assert summary.endswith("…")
    assert "and the end.</p></details>" in page
