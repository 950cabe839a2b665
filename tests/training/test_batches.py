"""Three layouts of a batch, one gradient: that of each example alone."""

import pytest
import torch
from torch.nn import functional

from tests.training import toy
from training.batches import IGNORED, Collator, packed, padded, plain
from training.data import Example
from training.measure import validation_loss

LAYOUTS = pytest.mark.parametrize("collate", [packed, padded, plain])


def gradient_one_by_one(examples: list[Example]) -> tuple[float, torch.Tensor]:
    """The plain way: each example alone, no mask, no positions, cross-entropy on its answer, mean over all tokens."""
    model = toy.model()
    count = sum(len(example.answer) for example in examples)
    total = torch.zeros(())
    for example in examples:
        logits = model(input_ids=torch.tensor([[*example.prompt, *example.answer]])).logits[0]
        first = len(example.prompt) - 1
        total = total + functional.cross_entropy(logits[first:-1], torch.tensor(list(example.answer)), reduction="sum")
    (total / count).backward()
    return float(total.detach() / count), flat(model)


def flat(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@LAYOUTS
@pytest.mark.parametrize("size", [8, 4, 3, 1])
def test_it_has_the_gradient_of_each_example_alone_at_any_accumulation(collate: Collator, size: int):
    examples = toy.examples(8)
    loss, expected = gradient_one_by_one(examples)
    model = toy.model()
    count = torch.tensor(sum(len(example.answer) for example in examples))
    total = 0.0
    for start in range(0, 8, size):
        part = model(**collate(examples[start : start + size]), num_items_in_batch=count).loss
        part.backward()
        total += float(part.detach())
    assert total == pytest.approx(loss, abs=1e-5)
    assert torch.allclose(flat(model), expected, atol=2e-6)


@LAYOUTS
def test_it_labels_exactly_the_answers(collate: Collator):
    examples = toy.examples(5)
    labels = collate(examples)["shift_labels"]
    assert sorted(labels[labels != IGNORED].tolist()) == sorted(token for one in examples for token in one.answer)


def test_it_computes_logits_for_answers_only():
    examples = toy.examples(5)
    batch = packed(examples)
    assert toy.model()(**batch).logits.shape[1] == sum(len(example.answer) for example in examples)


@LAYOUTS
def test_it_keeps_examples_from_seeing_each_other(collate: Collator):
    first, second, other = toy.examples(3)
    model = toy.model()

    def losses_of_second(neighbour: Example) -> torch.Tensor:
        batch = collate([neighbour, second])
        labels = batch.pop("shift_labels").flatten()
        batch.pop("labels")
        losses = functional.cross_entropy(model(**batch).logits.flatten(0, 1), labels, reduction="none")
        return losses[labels != IGNORED][-len(second.answer) :]

    assert torch.allclose(losses_of_second(first), losses_of_second(other), atol=1e-6)


@LAYOUTS
@pytest.mark.parametrize("tokens", [1, 64, 150, 10_000])
def test_it_measures_the_same_validation_loss_at_any_batch_size(collate: Collator, tokens: int):
    examples = toy.examples(8)
    expected, _ = gradient_one_by_one(examples)
    assert validation_loss(toy.model(), examples, collate, tokens=tokens) == pytest.approx(expected, abs=1e-5)
