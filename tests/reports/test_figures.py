"""Figures as files: drawn offline, in both themes, with their words in them; and the command that writes them all."""

import io
import json
from pathlib import Path

import pytest
import vl_convert
from django.core.management import CommandError, call_command

from evalhub.reports.aggregates import build_report
from evalhub.reports.charts import CHARTS, drawable
from evalhub.reports.figures import colours, picture, resolved, theme_config
from evalhub.reports.statistics.result import Settings
from tests.reports.ground import rated_study

QUICK = Settings(resamples=200, seed=7)


@pytest.fixture
def study(project, admin):
    return rated_study(project, admin, items=10)


def test_every_figure_compiles_without_a_warning(study):
    report = build_report(study, settings=QUICK)
    assert drawable(report) == list(CHARTS)
    for name in CHARTS:
        spec = {**CHARTS[name](report), "width": 600}
        assert vl_convert.vegalite_to_vega(resolved(spec, colours("light")), vl_version="6.4")["marks"], name


def test_a_figure_is_drawn_in_both_themes_with_its_words(study):
    spec = CHARTS["criteria"](build_report(study, settings=QUICK))
    light, dark = (picture(spec, theme=theme).decode() for theme in ("light", "dark"))
    for drawn, theme in ((light, "light"), (dark, "dark")):
        assert "Accuracy" in drawn
        assert "Editors" in drawn
        assert colours(theme)["--arm-2"] in drawn
        assert "--" not in drawn.replace("-->", "")
    assert light != dark


def test_the_names_of_a_pair_stand_on_two_lines(project, admin):
    names = ("Demo base", "Demo tuned", "Editors' own texts")
    study = rated_study(project, admin, items=10, names=names)
    drawn = picture(CHARTS["wins"](build_report(study, settings=QUICK))).decode()
    for name in names[:2]:
        assert f">vs {name}<" in drawn


def test_a_figure_is_drawn_as_png_too(study):
    assert picture(CHARTS["agreement"](build_report(study, settings=QUICK)), form="png").startswith(b"\x89PNG")


def test_every_token_of_the_theme_has_a_colour():
    names = {part for part in json.dumps(theme_config()).replace('"', " ").split() if part.startswith("--")}
    tokens = {name.rstrip(",]") for name in names} - {"--sans"}
    assert tokens <= set(colours("light"))
    assert set(colours("light")) == set(colours("dark"))


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("report", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_command_prints_one_json_object(study, project):
    found = json.loads(command("Headlines", "--project", project.slug, "--json"))
    score = found["scores"][0]
    assert score["low"] < score["mean"] < score["high"]
    assert (score["n_items"], score["n_raters"], score["n_ratings"]) == (10, 3, 20)
    assert score["estimate"]["point"] == score["mean"]
    assert score["estimate"]["method"]
    assert {"adjusted", "two_way"} <= set(score)
    assert found["differences"]
    assert found["agreement"]
    assert found["metrics"]


def test_the_command_prints_words_for_people(study, project):
    text = command("headlines", "--project", project.slug)
    assert "superior to Base" in text
    assert "exploratory" in text
    assert "ROUGE-L" in text


@pytest.mark.slow
def test_the_command_writes_the_same_bytes_twice(study, project, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        command("Headlines", "--project", project.slug, "--json", "--out", str(folder))
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(["ratings.csv", "report.json", *(f"{name}.svg" for name in CHARTS)])
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_the_command_refuses_what_it_cannot_find_or_write(study, project, pm, tmp_path):
    with pytest.raises(CommandError, match="no study"):
        command("Nothing", "--project", project.slug)
    with pytest.raises(CommandError, match="no project"):
        command("Headlines", "--project", "nowhere")
    blocked = Path(tmp_path / "file")
    blocked.write_text("in the way")
    with pytest.raises(CommandError, match="cannot be written"):
        command("Headlines", "--project", project.slug, "--out", str(blocked))
