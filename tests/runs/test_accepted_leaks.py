"""A version that was frozen in spite of leaks says so where one trains on it, and on what was trained."""

import pytest

from evalhub.runs.models import Run
from tests.conftest import logged_in
from tests.runs.conftest import freeze
from tests.runs.test_pages import url

pytestmark = pytest.mark.django_db
LEAKS = {"leaks": {"count": 2, "reason": "Two agencies published the same notice", "pairs": []}}


@pytest.fixture
def version(dataset, admin):
    return freeze(dataset, admin, settings=LEAKS)


def test_the_training_form_says_so(version, base, admin):
    page = logged_in(admin).get(url("train")).content.decode()
    assert f"{version}, frozen in spite of 2 leaks</option>" in page


def test_the_run_tells_the_reason_among_its_guards(trained: Run, pm):
    page = logged_in(pm).get(url("detail", trained.pk)).content.decode()
    assert "Near duplicates of the test" in page
    assert "Two agencies published the same notice" in page
