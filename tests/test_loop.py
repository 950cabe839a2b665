"""The whole story through HTTP, with real workers: from a file of examples to the report.

What people would do by hand is done by hand here too: the scores that the two experts give are a rule of this test,
so every mean of the report can be computed without the product.
"""

import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from tests.browser import story
from tests.browser.stack import PROJECT, Api, Stack, running_stack

pytestmark = pytest.mark.slow

HOME = f"/projects/{PROJECT}"
CRITERIA = ("accuracy", "relevance", "quality", "style")
EXPERTS = ("noor", "olu")
TINY = {"epochs": 1, "batch_size": 8, "accumulation": 1, "max_length": 192, "evaluations": 1, "learning_rate": 0.005}
SAMPLING = {"temperature": 0, "max_tokens": 16}
BASE, TUNED, EDITORS = "Base", "Tuned", "Editors"
RUN_SECONDS = 240

Texts = Mapping[str, Mapping[str, str]]  # arm → key of the item → the answer's text


@pytest.fixture(scope="module")
def stack(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An evalhub of its own on a database of the suite's kind (hence the fixture of the suite's database)."""
    with running_stack(tmp_path_factory.mktemp("evalhub")) as running:
        yield running


@pytest.mark.timeout(900)
def test_it_goes_from_a_file_of_examples_to_the_numbers_of_a_report(stack: Stack, tmp_path: Path) -> None:
    ines = stack.api("ines")
    version = bring_in_and_freeze(ines, tmp_path)
    runs = train_and_answer(ines, version, tmp_path)
    texts = {arm: answers_of(ines, run) for arm, run in runs.items()}
    study = design_and_open(ines, runs)
    for name in EXPERTS:
        rate_everything(stack.api(name), study, name, texts)
    report = close_and_read(stack, study)
    check_means(report, texts)
    check_differences(report, texts)
    check_metrics(report, texts)


# --- import, freeze -----------------------------------------------------------------------------


def bring_in_and_freeze(ines: Api, folder: Path) -> int:
    """The id of a version of the story's rows, split as the file says."""
    ines.post(f"{HOME}/datasets/", {"name": "Notices"}, expected=201)
    with story.write_examples(folder).open("rb") as file:
        batch = ines.post(f"{HOME}/datasets/notices/imports/", {}, files={"file": file}, expected=201)
    assert (batch["imported"], batch["set_aside"]) == (24, 0)
    version = ines.post(f"{HOME}/datasets/notices/versions/", expected=201)
    assert [version["counts"][side] for side in ("train", "validation", "test")] == [15, 3, 6]
    return int(version["id"])


# --- train, generate, score ---------------------------------------------------------------------


def train_and_answer(ines: Api, version: int, folder: Path) -> dict[str, int]:
    """Generation runs by arm: base and tuned by the workers, the editors' from a file; all scored."""
    reference = {"name": "Demo base", "reference": "demo/base_model"}
    base = ines.post(f"{HOME}/models/", reference, expected=201)["id"]
    asked = {"base": base, "version": version, "settings": TINY}
    training = ines.post(f"{HOME}/trainings/", asked, expected=201)["id"]
    with story.write_answers(folder).open("rb") as file:
        told = {"name": EDITORS, "version": version}
        stored = ines.post(f"{HOME}/answers/", told, files={"file": file}, expected=201)
    assert (stored["answers"], stored["left_out"]) == (6, [])
    adapter = finished(ines, training)["model"]
    runs = {BASE: generate(ines, base, version), TUNED: generate(ines, adapter, version), EDITORS: stored["run"]}
    scorings = [score(ines, run) for run in runs.values() if finished(ines, run)]
    assert all(finished(ines, run)["result"]["pairs"] == 6 for run in scorings)
    return runs


def generate(ines: Api, model: int, version: int) -> int:
    asked = {"model": model, "version": version, "sampling": SAMPLING}
    return int(ines.post(f"{HOME}/generations/", asked, expected=201)["id"])


def score(ines: Api, run: int) -> int:
    return int(ines.post(f"{HOME}/scorings/", {"run": run, "metrics": ["rouge1", "rougeL"]}, expected=201)["id"])


def finished(ines: Api, run: int) -> Any:
    """The run once it has succeeded."""
    until = time.monotonic() + RUN_SECONDS
    while (now := ines.get(f"{HOME}/runs/{run}/"))["state"] in ("queued", "running"):
        assert time.monotonic() < until, f"run {run} is still {now['state']}: {now}"
        time.sleep(0.5)
    assert now["state"] == "succeeded", now
    return now


def answers_of(ines: Api, run: int) -> dict[str, str]:
    return {answer["key"]: answer["text"] for answer in ines.get(f"{HOME}/runs/{run}/answers/")["results"]}


# --- rate ---------------------------------------------------------------------------------------


def design_and_open(ines: Api, runs: Mapping[str, int]) -> str:
    """The address of an open study of the three arms, two raters per item."""
    arms = [{"name": name, "run": run, "baseline": name == BASE} for name, run in runs.items()]
    design = {"name": "Notices, round 1", "arms": arms, "raters": EXPERTS, "overlap": 2}
    slug = ines.post(f"{HOME}/studies/", design, expected=201)["slug"]
    ines.post(f"{HOME}/studies/{slug}/open/", {"accept_warnings": True})
    return f"{HOME}/studies/{slug}"


def given(text: str, criterion: str, rater: str) -> int:
    """The score that this test's experts give: a rule over what they read, blind to whose text it is."""
    return 1 + zlib.crc32(f"{text}|{criterion}|{rater}".encode()) % 10


def rate_everything(expert: Api, study: str, name: str, texts: Texts) -> None:
    """Rate until nothing is left; what an expert receives names neither an arm nor a run."""
    seen = []
    while item := expert.post(f"{study}/next/")["item"]:
        assert not any(word in str(item) for word in (BASE, TUNED, EDITORS, "Demo base", "generation", "latency"))
        read = {answer["letter"]: answer["text"] for answer in item["answers"]}
        assert sorted(read.values()) in [sorted(arm[key] for arm in texts.values()) for key in texts[BASE]]
        scores = {f"{c}-{letter}": given(text, c, name) for letter, text in read.items() for c in CRITERIA}
        rating = {"scores": scores, "key": str(uuid.uuid4()), "seconds": 12}
        for _ in range(2):  # a doubled click stores once
            stored = expert.post(f"{study}/items/{item['token']}/submit/", rating, expected=201)
        assert (stored["revision"], stored["scores"]) == (1, scores)
        seen.append(item["token"])
    assert len(set(seen)) == len(seen) == 6


# --- decide -------------------------------------------------------------------------------------


def close_and_read(stack: Stack, study: str) -> Any:
    """The report as the PM reads it, after the admin has closed and revealed the study."""
    ines, mara = stack.api("ines"), stack.api("mara")
    mara.get(f"{study}/report/", expected=409)
    ines.post(f"{study}/close/")
    ines.post(f"{study}/reveal/")
    stack.api("noor").get(f"{study}/report/", expected=403)
    report = mara.get(f"{study}/report/")
    assert report["raters"] == []  # a PM sees no rater
    assert (report["facts"]["items_rated"], report["facts"]["ratings"]) == (6, 12)
    return report


def by_hand(texts: Texts, arm: str, criterion: str) -> dict[str, float]:
    """Mean score by item of an arm, over the raters."""
    return {key: mean(given(text, criterion, rater) for rater in EXPERTS) for key, text in texts[arm].items()}


def overall_by_hand(texts: Texts, arm: str) -> dict[str, float]:
    return {key: mean(by_hand(texts, arm, criterion)[key] for criterion in CRITERIA) for key in texts[arm]}


def numbers(report: Any) -> dict[str, int]:
    return {arm["name"]: arm["number"] for arm in report["arms"]}


def check_means(report: Any, texts: Texts) -> None:
    """Every mean of every arm, and its own interval around it."""
    found = {(score["arm"], score["criterion"]): score for score in report["scores"]}
    for arm, number in numbers(report).items():
        wanted = {criterion: by_hand(texts, arm, criterion) for criterion in CRITERIA}
        for criterion, by_item in {**wanted, "overall": overall_by_hand(texts, arm)}.items():
            score = found[number, criterion]
            assert score["mean"] == pytest.approx(mean(by_item.values()))
            assert score["low"] <= score["mean"] <= score["high"]
            assert (score["n_items"], score["n_raters"]) == (6, 2)


def check_differences(report: Any, texts: Texts) -> None:
    """Tuned against base, item by item, on the criterion that decides."""
    number, leads = numbers(report), leads_by_hand(texts)
    difference = next(d for d in report["differences"] if d["in_family"] and number[TUNED] in (d["a"], d["b"]))
    sign = 1 if difference["a"] == number[TUNED] else -1
    assert difference["criterion"] == "overall"
    assert difference["difference"]["point"] == pytest.approx(sign * mean(leads))
    assert difference["verdict"]
    outcome = next(w for w in report["wins"] if {w["a"], w["b"]} == {number[TUNED], number[BASE]})
    won = [sum(lead > 0 for lead in leads), sum(lead == 0 for lead in leads), sum(lead < 0 for lead in leads)]
    assert [outcome["wins"], outcome["ties"], outcome["losses"]] == (won if sign == 1 else won[::-1])


def leads_by_hand(texts: Texts) -> list[float]:
    base, tuned = overall_by_hand(texts, BASE), overall_by_hand(texts, TUNED)
    return [tuned[key] - base[key] for key in base]


def check_metrics(report: Any, texts: Texts) -> None:
    """ROUGE beside the people's scores, against the reference implementation."""
    outputs = {row["id"]: row["output"] for row in story.rated_rows()}
    scorer = RougeScorer(["rouge1", "rougeL"])
    found = {(metric["arm"], metric["metric"]): metric["mean"]["point"] for metric in report["metrics"]}
    for arm, number in numbers(report).items():
        for metric in ("rouge1", "rougeL"):
            wanted = mean(scorer.score(outputs[key], text)[metric].fmeasure for key, text in texts[arm].items())
            assert found[number, metric] == pytest.approx(wanted, abs=1e-6)
