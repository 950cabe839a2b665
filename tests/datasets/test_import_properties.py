"""Whatever rows a file holds: none is lost, doubled or changed between the file and the dataset, on either database."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalhub.datasets import actions, storing
from evalhub.datasets.importing import fingerprint
from evalhub.datasets.inserting import REVISED
from evalhub.datasets.models import Dataset
from tests.datasets.test_import_file import imported

ODD = st.sampled_from(
    ["\\N", "\\.", "\\", "a\\tb", "a\tb\nc", "\\\\N\n", "{}", "[]", "%s", "'", '"', "\u2028", "=1", "😀"]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30) | ODD
SAID = TEXT.filter(str.strip)
ANY_ROWS = st.lists(
    st.fixed_dictionaries({"instruction": SAID, "input": TEXT, "output": SAID, "note": SAID}), min_size=1, max_size=12
)
WRITERS = {
    "json": json.dumps,
    "jsonl": lambda rows: "\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
    "nested.json": lambda rows: json.dumps({"about": "x", "data": rows}, indent=1),
}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ANY_ROWS, chunk=st.integers(1, 5), doubled=st.booleans(), ending=st.sampled_from(sorted(WRITERS)))
def test_no_row_is_lost_doubled_or_changed_between_file_and_dataset(
    project, admin, tmp_path, monkeypatch, rows, chunk, doubled, ending
):
    monkeypatch.setattr(storing, "CHUNK", chunk)
    dataset = actions.create_dataset(project, name=f"Any {Dataset.objects.count()}", by=admin)
    path = tmp_path / f"rows.{ending}"
    path.write_text(WRITERS[ending](rows * 2 if doubled else rows), encoding="utf-8")
    batch = imported(dataset, path, admin)
    different: dict[str, dict[str, str]] = {}
    for item in rows:
        different.setdefault(fingerprint(item), item)  # of equal rows the first one is kept
    wanted = [(r["instruction"], r["input"], r["output"], {"note": r["note"]}) for r in different.values()]
    stored = dataset.examples.order_by("id")
    assert list(stored.values_list("instruction", "input", "output", "metadata")) == wanted
    assert batch.imported + batch.unchanged == batch.total == len(rows) * (1 + doubled)
    for example in stored.prefetch_related("revisions"):
        (first,) = example.revisions.all()
        assert (first.values, first.fingerprint, first.number, first.author) == (None, "", 1, admin)
        now = {name: getattr(example, name) for name in REVISED}
        edited = actions.edit_example(example, by=admin, values={"output": f"{example.output} and more"})
        first.refresh_from_db()
        assert (first.values, first.fingerprint) == (now, example.fingerprint)
        assert edited.revisions.last().values["output"] == edited.output
