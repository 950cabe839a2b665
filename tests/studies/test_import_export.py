"""Ratings made elsewhere come in, and ratings made here go out, to the same values."""

import csv
import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from evalhub.accounts.models import Project, User
from evalhub.errors import Refused
from evalhub.studies import actions, export, intake
from evalhub.studies.importing import read_ratings
from evalhub.studies.intake import ImportRefused
from evalhub.studies.models import Correction, Rating, RatingScore, Study
from tests.studies.conftest import Maker, rate, take

DEMO = Path(settings.BASE_DIR) / "demo" / "squality_ratings.csv"
HEAD = "item,arm,rater,criterion,value"
GOOD = [HEAD, "q1,one,r1,style,4", "q1,two,r1,style,5", "q1,one,r2,style,6"]


@pytest.fixture
def bring(project: Project, admin: User, tmp_path: Path):
    def import_lines(lines, *, name="Elsewhere", file_name="ratings.csv", **kwargs) -> Study:
        path = tmp_path / file_name
        path.write_bytes(lines if isinstance(lines, bytes) else ("\n".join(lines) + "\n").encode())
        return actions.import_ratings(project, name=name, path=path, file_name=file_name, by=admin, **kwargs)

    return import_lines


@pytest.fixture
def squality(project: Project, admin: User) -> Study:
    return actions.import_ratings(
        project, name="SQuALITY", path=DEMO, file_name=DEMO.name, by=admin, scale=(0, 100), baseline="bart"
    )


def values(study: Study) -> dict[tuple[str, ...], float]:
    scores = RatingScore.objects.filter(rating__assignment__item__study=study)
    rows = scores.values_list(
        "rating__assignment__item__key", "arm__name", "rating__assignment__rater__pseudonym", "criterion__name",
        "rating__number", "value",
    )  # fmt: skip
    return {row[:5]: row[5] for row in rows}


def test_it_brings_the_real_study_in_value_by_value(squality: Study) -> None:
    assert (squality.state, squality.origin, squality.overlap) == ("closed", "imported", 3)
    assert (squality.items.count(), squality.arms.count(), squality.raters.count()) == (100, 3, 4)
    assert len(values(squality)) == 2700
    assert squality.arms.get(is_baseline=True).name == "bart"
    assert all(a.text for item in squality.items.all() for a in item.answers.all())
    assert Correction.objects.filter(rating__assignment__item__study=squality).count() == 3142
    means = {
        arm.name: sum(v := [s.value for s in arm.scores.filter(criterion__name="coverage")]) / len(v)
        for arm in squality.arms.all()
    }
    assert means == pytest.approx({"bart": 15.616667, "bart-dpr": 24.26, "human": 88.766667}, abs=1e-6)


def test_the_shipped_file_holds_what_the_authors_published(squality: Study) -> None:
    """squality_published.csv: their ratings without texts, flattened apart from our converter (CC BY 4.0)."""
    published = Path(__file__).with_name("squality_published.csv")
    ours = values(squality)
    with published.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            item = f"{row['passage_id']}-{row['question']}"
            for name in ("correctness", "coverage", "overall"):
                assert ours.pop((item, row["system"], row["worker_id"], name, 1)) == float(row[f"{name}_rating"])
    assert not ours


@pytest.mark.parametrize(("write", "file_name"), [(export.as_csv, "back.csv"), (export.as_jsonl, "back.jsonl")])
def test_an_export_comes_back_to_the_same_values(squality: Study, bring, write, file_name: str) -> None:
    lines = "".join(write(squality)).encode()
    again = bring(lines, name="Again", file_name=file_name, scale=(0, 100))
    assert values(again) == values(squality)
    texts = lambda study: {(a.item.key, a.arm.name): a.text for i in study.items.all() for a in i.answers.all()}  # noqa: E731
    assert texts(again) == texts(squality)
    marks = lambda s: sorted(Correction.objects.filter(item_answer__item__study=s).values_list("selection", "note"))  # noqa: E731
    assert marks(again) == marks(squality)


def test_an_edited_rating_comes_back_with_its_blind_value(study: Study, admin: User, expert: User, bring) -> None:
    item = take(study, expert)
    rate(study, expert, item, value=4, comment="=SUM(A1) 'quoted'", seconds=12.5)
    rate(study, expert, item, value=6, revises=1)
    study = actions.reveal(actions.close_study(study, by=admin), by=admin)
    text = "".join(export.as_csv(study))
    assert "'=SUM(A1)" in text
    again = bring(text.encode(), name="Again")
    assert values(again) == values(study)
    blind = Rating.objects.get(number=1, assignment__item__study=again)
    assert (blind.comment, blind.active_seconds, blind.is_current) == ("=SUM(A1) 'quoted'", 12.5, False)
    assert blind.assignment.finished_at is not None
    positions = RatingScore.objects.filter(rating=blind).values_list("arm__name", "position")
    original = RatingScore.objects.filter(rating__number=1, rating__assignment__item__study=study)
    assert set(positions) == set(original.values_list("arm__name", "position"))


def test_formula_cells_are_neutralised_and_restored() -> None:
    for cell in ("=1+1", "+1", "-1", "@x", "\tx", "'x"):
        assert export.plain_cell(cell) == f"'{cell}"
    assert [export.plain_cell(v) for v in (-1, 2.5, "plain", "", None)] == [-1, 2.5, "plain", "", None]


def test_it_finds_the_columns_by_their_common_names_and_by_a_mapping(bring) -> None:
    tabs = [line.replace(",", "\t") for line in ["question,system,worker_id,metric,score", *GOOD[1:]]]
    assert RatingScore.objects.filter(rating__assignment__item__study=bring(tabs)).count() == 3
    odd = ["q,who,by,what,points", *GOOD[1:]]
    mapping = {"item": "q", "arm": "who", "rater": "by", "criterion": "what", "value": "points"}
    assert bring(odd, name="Mapped", mapping=mapping).items.get().key == "q1"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([*GOOD, "q1,one,r1,style,ten"], r"1 of 4 rows cannot be used, and nothing was stored: line 5: “ten” is not"),
        ([*GOOD, "q1,one,r9,style,11"], "line 5: 11 is off the scale of 1 to 10"),
        ([*GOOD, ",one,r9,style,1"], "line 5: item is empty"),
        ([*GOOD, "q1,one,r1,style,5"], "line 5: the same rater, item, arm and criterion as line 2"),
        ([*GOOD, "q1,one,r9,style,nan"], "line 5: “nan” is not a number"),
        (["item,arm,rater,value", "q1,one,r1,4"], "The column criterion is missing; the file has item, arm, rater"),
        ([HEAD], "has a header and no rows"),
        (b"", "ratings.csv is empty"),
        ("\ufeff".encode() + b"  \n", "ratings.csv is empty"),
        (b"item,arm\n\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_a_bad_file_gets_a_sentence_and_stores_nothing(bring, lines, sentence: str) -> None:
    with pytest.raises(ImportRefused, match=sentence):
        bring(lines)
    assert not Study.objects.exists()


def test_every_bad_row_is_named_by_its_line(bring) -> None:
    with pytest.raises(ImportRefused) as refused:
        bring([HEAD, *(f"q{n},one,r1,style,{'x' if n % 2 else 3}" for n in range(8))])
    assert [p.line for p in refused.value.problems] == [3, 5, 7, 9]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    content = f'{HEAD},answer\nq1,one,r1,style,4,"two\nlines"\nq2,one,r1,style,x,\n'.encode()
    rows, problems = read_ratings(content, "r.csv", scale=(1, 10))
    assert (rows[0].texts["answer"], problems[0].line) == ("two\nlines", 4)


def row(**changes: object) -> bytes:
    """A JSONL row as a file would hold it: what no database can keep stands there escaped."""
    return json.dumps({"item": "q1", "arm": "one", "rater": "r1", "criterion": "style", "value": 4} | changes).encode()


@pytest.mark.parametrize("change", [{"answer": "half a pair: \ud800"}, {"comment": "a\0b"}, {"item": "\udfff"}])
def test_a_text_that_no_database_can_hold_is_named_by_its_line_and_field(bring, change: dict) -> None:
    with pytest.raises(ImportRefused, match=r"line 2: .* holds a character that cannot be stored") as refused:
        bring(row(rater="r2") + b"\n" + row(**change), file_name="r.jsonl")
    assert [(p.line, p.field) for p in refused.value.problems] == [(2, next(iter(change)))]
    assert not Study.objects.exists()


LIMITS = {"item": 200, "arm": 120, "rater": 80, "criterion": 80, "category": 120}


@pytest.mark.parametrize(("field", "most"), LIMITS.items())
def test_a_text_longer_than_its_column_is_named_and_not_cut(bring, field: str, most: int) -> None:
    """Two names that were alike in what is kept of them would be one."""
    alike = [row(**{"category": "news", field: "x" * most + end}) for end in "ab"]
    with pytest.raises(ImportRefused, match=f"line 1: {field} has {most + 1} characters, and at most {most}"):
        bring(b"\n".join(alike), file_name="r.jsonl")
    assert not Study.objects.exists()
    bring(row(**{"category": "news", field: "x" * most}), file_name="r.jsonl")


def test_json_nested_too_deeply_gets_a_sentence(bring) -> None:
    deep = b'{"item": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(ImportRefused, match="line 1, is nested too deeply"):
        bring(deep, file_name="r.jsonl")
    with pytest.raises(ImportRefused, match="Line 1: marks must be"):
        bring(row(marks="[" * 200_000 + "]" * 200_000), file_name="r.jsonl")
    with pytest.raises(ImportRefused, match="Line 1: marks holds a character"):
        bring(row(marks='[["\\ud800", ""]]'), file_name="r.jsonl")


@pytest.mark.parametrize("change", [{"position": 10**30}, {"round": 2**40}, {"position": 0}])
def test_a_number_that_no_column_holds_is_named(bring, change: dict) -> None:
    with pytest.raises(ImportRefused, match="is not a number from 1 to 1,000,000"):
        bring(row(**change), file_name="r.jsonl")


def test_a_scale_that_no_column_holds_is_refused(bring) -> None:
    with pytest.raises(Refused, match="points lie within"):
        bring(GOOD, scale=(1, 10**20))


def test_a_file_of_ratings_is_measured_before_it_is_read(
    project: Project, admin: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = SimpleUploadedFile("r.csv", "\n".join(GOOD).encode())
    monkeypatch.setattr(intake, "LARGEST_FILE", 2**20)
    upload.size = 2**20 + 1
    with pytest.raises(ImportRefused, match="at most 1 MiB"):
        intake.import_upload(project, upload=upload, by=admin, name="Large")
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(ImportRefused, match="at most 1 MiB"):
        actions.import_ratings(project, name="Large", path=large, file_name="large.csv", by=admin)


def test_a_second_import_of_the_same_name_is_refused(bring) -> None:
    bring(GOOD)
    with pytest.raises(Refused, match="already has a study named “Elsewhere”; nothing was stored"):
        bring(GOOD)
    assert Study.objects.count() == 1


def test_an_unknown_baseline_is_refused(bring) -> None:
    with pytest.raises(Refused, match="no arm “three” in the file; it has one, two"):
        bring(GOOD, baseline="three")


def test_bad_marks_are_named_by_their_line_and_nothing_stays(bring) -> None:
    with pytest.raises(ImportRefused, match="Line 2: marks must be"):
        bring([f"{HEAD},marks", "q1,one,r1,style,4,{broken"])
    assert not Study.objects.exists()


def test_jsonl_rows_are_read_too(bring) -> None:
    rows = [
        {"item": "q1", "arm": a, "rater": 3, "criterion": "style", "value": v} for a, v in (("one", 4), ("two", 5.5))
    ]
    study = bring([json.dumps(row) for row in rows], file_name="ratings.jsonl")
    assert values(study) == {("q1", "one", "3", "style", 1): 4.0, ("q1", "two", "3", "style", 1): 5.5}
    with pytest.raises(ImportRefused, match="line 2, is not JSON"):
        bring([json.dumps(rows[0]), "{"], name="Other", file_name="broken.jsonl")


def test_the_export_reads_as_a_table(squality: Study) -> None:
    table = list(csv.DictReader(io.StringIO("".join(export.as_csv(squality, texts=False)))))
    assert len(table) == 2700
    assert "answer" not in table[0]
    assert {row["state"] for row in table} == {"current"}


def test_an_export_of_hidden_arms_is_neutral_and_becomes_named_with_the_reveal(
    make_study: Maker, admin: User, expert: User
) -> None:
    study = actions.open_study(make_study(n_arms=4, n_items=2, ask_preference=True), by=admin)
    for _ in range(2):
        item = take(study, expert)
        rate(study, expert, item, preference="A")
    study = actions.close_study(study, by=admin)
    names = set(study.arms.values_list("name", flat=True))
    hidden = [json.loads(line) for line in export.as_jsonl(study)]
    assert {row["arm"] for row in hidden} == {f"Arm {n}" for n in range(1, 5)}
    assert [row["arm"] for row in hidden[:4]] == [f"Arm {n}" for n in range(1, 5)]  # the order tells nothing either
    assert {row["preference"] for row in hidden if row["preference"]} <= {f"Arm {n}" for n in range(1, 5)}
    named = [json.loads(line) for line in export.as_jsonl(actions.reveal(study, by=admin))]
    assert {row["arm"] for row in named} == names
    key = lambda row: (row["item"], row["answer"], row["position"]) if row["answer"] else ()  # noqa: E731
    assert len({key(row) for row in hidden}) == len({key(row) for row in named})
