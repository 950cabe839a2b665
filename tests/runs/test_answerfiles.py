"""Files of answers: what cannot be read or kept is one sentence with its row and field."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from evalhub.runs import actions, answerfiles
from evalhub.runs.models import Answer
from tests.conftest import logged_in

ODD = [r"half \ud800 a character", r"a \u0000 in it"]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("field", ["output", "key", "instruction"])
def test_it_leaves_out_a_row_that_cannot_be_kept_and_names_the_field(text, field):
    bad = {"key": "b", "output": "B", field: "TEXT"}
    rows = json.dumps([{"key": "a", "output": "A"}, bad]).replace("TEXT", text)
    prompts = answerfiles.Prompts()
    prompts.add(1, 1, {"key": "a", "instruction": ""})
    prompts.add(2, 2, {"key": "b", "instruction": ""})
    answers, left = answerfiles.matched(answerfiles.read_answers(rows.encode(), "a.json"), prompts)
    assert answers == {1: "A"}
    assert left == [f"Row 2: the field “{field}” holds half a character (a lone surrogate) or a NUL; mend it."]


def test_it_takes_no_list_for_a_text():
    (row,) = answerfiles.read_answers(b'{"key": "a", "output": ["A"]}', "a.jsonl")
    assert row.problem == "Row 1: the field “output” holds a list or an object where a text is needed."


@pytest.mark.parametrize(("name", "place"), [("a.json", "The file"), ("a.jsonl", "Line 1")])
def test_it_says_that_a_file_is_nested_too_deeply(name, place):
    deep = "[" * 100_000 + "]" * 100_000
    content = f"[{deep}]" if name == "a.json" else f'{{"output": {deep}}}'
    with pytest.raises(answerfiles.Unreadable, match=f"{place} is nested too deeply"):
        answerfiles.read_answers(content.encode(), name)


@pytest.mark.parametrize("text", ODD)
def test_the_others_are_stored_and_the_api_says_which_was_not(text, project, version, admin):
    rows = [{"key": "row-5", "output": "Fine"}, {"key": "row-6", "output": "TEXT"}]
    upload = SimpleUploadedFile("a.json", json.dumps(rows).replace("TEXT", text).encode())
    address = reverse("api-runs:import-answers", args=[project.slug])
    told = logged_in(admin).post(address, {"file": upload, "name": "Editors", "version": version.pk})
    assert told.status_code == 201, told.content
    assert "Row 2: the field “output”" in told.content.decode()
    assert list(Answer.objects.values_list("text", flat=True)) == ["Fine"]


def test_nothing_is_stored_of_a_file_with_no_row_that_can_be_kept(version, admin, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(r'[{"key": "row-5", "output": "\ud800"}]')
    with pytest.raises(actions.Refused, match="Row 1: the field “output”"):
        actions.import_answers(version, path=path, file_name=path.name, name="Editors", by=admin)
