"""The commands of the room: the same actions, one JSON object, an exit status that tells the truth."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from evalhub.accounts.models import User
from evalhub.studies import actions
from evalhub.studies.models import RatingScore, Study
from tests.studies.conftest import Maker, rate, take

DEMO = Path(settings.BASE_DIR) / "demo" / "squality_ratings.csv"


def told(*args: str) -> dict:
    out = StringIO()
    call_command(*args, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_it_makes_opens_and_closes_a_study(
    make_study: Maker, project, admin: User, expert: User, second_expert: User
) -> None:
    runs = [arm.generation.run_id for arm in make_study().arms.all()]
    arms = [f"--arm=One={runs[0]}", f"--arm=Two={runs[1]}", "--baseline=Two"]
    made = told("open_study", "--project=content-copy", "--name=By command", *arms, "--items=3", "--raters=noor,olu")
    assert made == {
        "study": "by-command", "name": "By command", "state": "open", "items": 3, "arms": ["Two", "One"], "raters": 2,
        "overlap": 2, "warnings": [],
    }  # fmt: skip
    study = Study.objects.get(name="By command")
    assert study.created_by == admin
    rate(study, expert, take(study, expert))
    closed = told("close_study", "by-command", "--project=content-copy", "--reveal")
    assert closed == {"study": "by-command", "state": "closed", "ratings": 1, "wanted": 6, "revealed": True}
    with pytest.raises(CommandError, match="Only an open or paused study"):
        told("close_study", "By command", "--project=content-copy")


def tried(*args: str) -> tuple[str, str]:
    """(the refusal, what had been said before it) of a command that declines."""
    said = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command(*args, "--project=content-copy", stderr=said)
    return str(refusal.value), said.getvalue()


def test_it_checks_all_it_is_given_before_it_lays_out_anything(
    make_study: Maker, admin: User, expert: User, second_expert: User, pm: User
) -> None:
    runs = [arm.generation.run_id for arm in make_study().arms.all()]
    arms = ["open_study", "--name=New", f"--arm=One={runs[0]}", f"--arm=Two={runs[1]}"]
    for args, sentence in (
        (["--raters=noor,ghost"], "There is no user “ghost”."),
        (["--raters=noor,mara"], "mara is not an expert of this project; invite them first."),
        (["--raters=noor,noor"], "Each item needs 2 ratings by different people, but the study has 1 rater;"),
        (["--overlap=0"], "At least one rating per item is needed."),
        (["--primary=taste"], "“taste” is not a criterion of this study."),
        (["--margin=-1"], "The margin cannot be negative."),
        (["--guidelines=nowhere.txt"], "There is no file nowhere.txt."),
    ):
        refusal, said = tried(*arms, *args)
        assert (refusal.startswith(sentence), said) == (True, ""), refusal
    refusal, said = tried("open_study", "--name=New", f"--arm=One={runs[0]}")
    assert (refusal, said) == ("A study needs at least two arms to compare.", "")
    assert not Study.objects.filter(name="New").exists()


def test_it_says_how_things_stand_with_a_study_of_that_name(make_study: Maker, admin: User) -> None:
    study = make_study(name="Taken")
    arms = [f"--arm={arm.name}={arm.generation.run_id}" for arm in study.arms.all()]
    assert tried("open_study", "--name=Taken", *arms) == (
        "There is a draft “Taken” already; leave --arm out to open it as it is.", "",
    )  # fmt: skip
    out = StringIO()
    call_command("open_study", "--name=Taken", "--project=content-copy", "--accept-warnings", stdout=out)
    assert out.getvalue().startswith("Taken is open: ")
    for more in ([], arms):
        assert tried("open_study", "--name=Taken", *more) == ("The study “Taken” is open already.", "")
    actions.pause_study(Study.objects.get(name="Taken"), by=admin)
    assert tried("open_study", "--name=Taken")[0] == "The study “Taken” is paused; its page lets it go on."
    actions.close_study(Study.objects.get(name="Taken"), by=admin)
    assert tried("open_study", "--name=Taken", *arms)[0] == "The study “Taken” is closed; a new one needs another name."


def test_it_opens_a_draft_that_was_made_on_the_page(make_study: Maker, admin: User) -> None:
    study = make_study()
    assert told("open_study", "--project=content-copy", f"--name={study.name}")["state"] == "open"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--arm=One"], "is not NAME=RUN"),
        (["--arm=One=999"], "Run 999 is no generation run"),
        (["--raters=nobody"], "no user “nobody”"),
        ([], "A study compares 2 to 4 arms; 0 were given"),
    ],
)
def test_it_refuses_with_one_sentence(project, admin: User, args: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("open_study", "--project=content-copy", "--name=New", *args)


def test_the_real_ratings_come_in_and_go_out_the_same(project, admin: User, tmp_path: Path) -> None:
    came = told("import_ratings", str(DEMO), "--project=content-copy", "--study=SQuALITY", "--scale=0-100")
    assert came == {"study": "squality", "imported": 2700, "items": 100, "problems": []}
    out = tmp_path / "out.csv"
    went = told("export_ratings", "SQuALITY", "--project=content-copy", f"--out={out}")
    assert went == {"study": "squality", "values": 2700, "file": str(out)}
    told("import_ratings", str(out), "--project=content-copy", "--study=Again", "--scale=0-100")
    means = [
        sorted(RatingScore.objects.filter(arm__study__name=n).values_list("arm__name", "criterion__name", "value"))
        for n in ("SQuALITY", "Again")
    ]
    assert means[0] == means[1]
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_bad_import_prints_its_problems_and_fails(project, admin: User, tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    file.write_text("item,arm,rater,criterion,value\nq,a,r,s,x\n")
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 rows cannot be used"):
        call_command("import_ratings", str(file), "--project=content-copy", "--study=Bad", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["problems"] == [{"line": 2, "field": "value", "reason": "“x” is not a number"}]
    with pytest.raises(CommandError, match="is not a scale"):
        call_command("import_ratings", str(file), "--project=content-copy", "--study=Bad", "--scale=ten")
    with pytest.raises(CommandError, match="There is no file"):
        call_command("import_ratings", str(tmp_path / "no.csv"), "--project=content-copy", "--study=Bad")
    assert not Study.objects.exists()


def test_an_export_that_cannot_be_written_leaves_nothing(study: Study, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        told("export_ratings", study.slug, "--project=content-copy", f"--out={tmp_path}/no/where.csv")
    with pytest.raises(CommandError, match="There is no study “none”"):
        told("export_ratings", "none", "--project=content-copy", f"--out={tmp_path}/x.csv")


def test_a_person_without_the_study_is_named(study: Study, admin: User) -> None:
    with pytest.raises(CommandError, match="There is no user “ghost”"):
        told("close_study", study.slug, "--project=content-copy", "--as=ghost")
    assert actions.close_study(study, by=admin).state == "closed"


def test_a_study_that_cannot_be_opened_is_not_made_and_the_corrected_command_works(make_study: Maker) -> None:
    runs = [arm.generation.run_id for arm in make_study().arms.all()]
    args = ["--project=content-copy", "--name=New", f"--arm=One={runs[0]}", f"--arm=Two={runs[1]}"]
    with pytest.raises(CommandError):
        told("open_study", *args, "--raters=noor", "--overlap=2")
    assert not Study.objects.filter(name="New").exists()
    assert told("open_study", *args, "--raters=noor", "--overlap=1")["state"] == "open"


def test_guidelines_that_cannot_be_read_are_one_sentence(make_study: Maker, tmp_path: Path) -> None:
    runs = [arm.generation.run_id for arm in make_study().arms.all()]
    args = ["open_study", "--project=content-copy", "--name=New", f"--arm=One={runs[0]}", f"--arm=Two={runs[1]}"]
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Prüfe".encode("latin-1"))
    for path, sentence in ((tmp_path / "nope", "There is no file"), (latin, r"is not UTF-8 text \(byte 2\)\.")):
        with pytest.raises(CommandError, match=sentence):
            told(*args, f"--guidelines={path}")
    assert not Study.objects.filter(name="New").exists()


def test_people_see_on_standard_error_what_is_being_done(
    project, admin: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_ratings", str(DEMO), "--project=content-copy", "--study=S", "--scale=0-100", "--json")
    said = capsys.readouterr()
    assert json.loads(said.out)["imported"] == 2700
    assert "Storing the 2,700 ratings" in said.err
    call_command("export_ratings", "S", "--project=content-copy", f"--out={tmp_path}/r.csv", "--json")
    said = capsys.readouterr()
    assert json.loads(said.out)["values"] == 2700
    assert "1,350 of 2,700" in said.err
    assert "2,700 of 2,700" in said.err
