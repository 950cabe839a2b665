"""The pure parts: what evaluations mean, and how much memory a run takes."""

from pathlib import Path

import pytest

from tests.training import toy
from training.judge import Judge, evaluation_steps
from training.memory import ModelShape, adapter_parameters, estimate, model_shape
from training.presets import PRESETS
from training.spec import TrainingSpec


def judged(*losses: float, training: tuple[float, ...] = (), **settings: float) -> Judge:
    judge = Judge(**settings)
    for step, loss in enumerate(losses):
        judge.note(step * 10, loss, training[step] if training else 1.0)
    return judge


def test_it_never_calls_the_base_model_the_best_step():
    judge = judged(1.0, 1.5, 1.4, 1.6)
    assert (judge.best_step, judge.best_loss, judge.base_loss) == (20, 1.4, 1.0)


def test_it_stops_after_so_many_evaluations_without_gain():
    assert not judged(2.0, 1.9, 1.95, patience=2).wants_stop()
    assert judged(2.0, 1.9, 1.95, 1.9, patience=2).wants_stop()
    assert not judged(2.0, 1.9, 1.95, 1.9, 2.5).wants_stop()


def test_it_keeps_small_steps_as_best_but_not_as_a_gain():
    judge = judged(2.0, 1.99, 1.98, patience=2, min_gain=0.05)
    assert judge.wants_stop()
    assert judge.best_step == 20


def test_it_adds_small_gains_up():
    assert not judged(2.0, 1.97, 1.94, 1.91, patience=2, min_gain=0.05).wants_stop()


def test_it_warns_of_overfitting_once_and_only_while_training_falls():
    judge = judged(3.0, 2.0, 2.1, 2.2, training=(3.0, 2.0, 1.5, 1.0))
    assert "since step 10" in judge.warning()
    assert judge.warning() == ""
    assert judged(3.0, 2.0, 2.1, 2.2, training=(3.0, 2.0, 2.5, 3.0)).warning() == ""
    assert judged(3.0, 2.0, 2.1, 2.0, training=(3.0, 2.0, 1.5, 1.0)).warning() == ""


def test_it_comes_back_from_a_checkpoint_as_it_was():
    judge = judged(2.0, 1.9, 1.95, patience=2)
    assert Judge.from_dict(judge.to_dict()) == judge


@pytest.mark.parametrize(("total", "evaluations", "steps"), [(12, 3, {4, 8, 12}), (2, 6, {1, 2}), (7, 2, {4, 7})])
def test_it_evaluates_evenly_and_at_the_end(total: int, evaluations: int, steps: set[int]):
    assert evaluation_steps(total, evaluations) == steps


def test_it_reads_a_models_shape_without_loading_it(base: Path):
    shape = model_shape(base)
    assert shape
    assert shape.parameters == toy.model().num_parameters()
    assert (shape.hidden, shape.layers, shape.key_value_share) == (64, 2, 0.5)
    assert model_shape(base / "nowhere") is None


def test_it_estimates_each_part_of_the_memory():
    """Llama 3.1 8B: 8.03 billion parameters, and 41,943,040 trained ones at rank 16 on all linear layers."""
    shape = ModelShape(
        parameters=8_030_261_248, hidden=4096, layers=32, feed_forward=14336, vocabulary=128_256, key_value_share=0.25
    )
    wide = TrainingSpec.from_dict({"base_model": "any", **PRESETS["recommended"]})
    assert adapter_parameters(shape, wide) == 41_943_040
    half, slim = estimate(shape, wide, half=True), estimate(shape, wide, half=True, labelled_tokens=400)
    assert half.weights == 2 * shape.parameters
    assert half.logits == 4 * 1024 * 128_256 * 10
    assert slim.logits < half.logits / 10
    low = estimate(shape, TrainingSpec.from_dict({"base_model": "any", **PRESETS["low-memory"]}), half=True)
    assert low.total < 8e9 < half.weights
    assert "GB of memory: weights 16.1 GB" in half.sentence()
