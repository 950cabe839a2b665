"""Rows become ids with labels on the answer only, and an order that is the same whenever it is asked for."""

from collections import Counter

import pytest

from runkit.folder import RunRefused
from tests.training import toy
from training.data import by_length, encode_rows, training_order


def test_it_labels_the_answer_and_its_end_and_nothing_else():
    [example] = encode_rows(toy.tokenizer(), [toy.row("1", "Name it", "A bridge")], 64).examples
    assert toy.tokenizer().decode(example.prompt) == "<s>Name it>"
    assert toy.tokenizer().decode(example.answer) == "A bridge</s>"


def test_it_learns_the_end_of_turn_also_where_padding_is_the_same_token():
    [example] = encode_rows(toy.tokenizer(pad="</s>"), [toy.row("1", "Name it", "A bridge")], 64).examples
    assert example.answer[-1] == toy.tokenizer().eos_token_id


def test_it_cuts_the_prompt_and_never_the_answer():
    encoded = encode_rows(toy.tokenizer(), [toy.row("1", "word " * 40, "the whole answer")], 40)
    assert encoded.truncated == 1
    [example] = encoded.examples
    assert example.length <= 40
    assert toy.tokenizer().decode(example.answer) == "the whole answer</s>"


def test_it_leaves_out_and_counts_examples_without_a_label():
    some = [toy.row("1", "Name it", "  "), toy.row("2", "Name it", "long " * 20), toy.row("3", "Name it", "fine")]
    encoded = encode_rows(toy.tokenizer(), some, 40)
    assert [example.id for example in encoded.examples] == ["3"]
    assert encoded.without_label == 2


def test_it_refuses_a_row_that_is_no_example():
    with pytest.raises(RunRefused, match="Row 7 is no example"):
        encode_rows(toy.tokenizer(), [{"id": 7, "messages": [{"role": "user", "content": "only a question"}]}], 64)


@pytest.mark.parametrize("count", [3, 8, 37])
def test_it_learns_each_example_once_per_epoch(count: int):
    order = training_order(range(count), epochs=3, batch=4, accumulation=2, seed=1)
    assert Counter(order) == dict.fromkeys(range(count), 3)


def test_it_does_not_repeat_an_example_within_an_optimizer_step_where_there_are_enough():
    order = training_order([1] * 40, epochs=3, batch=4, accumulation=2, seed=1)
    for start in range(0, 120, 8):
        assert len(set(order[start : start + 8])) == 8


def test_it_learns_part_of_an_epoch_where_asked():
    assert len(training_order(range(40), epochs=1.5, batch=4, accumulation=2, seed=1)) == 60
    assert len(training_order(range(3), epochs=0.01, batch=4, accumulation=2, seed=1)) == 1


def test_it_orders_alike_for_one_seed_and_otherwise_for_another():
    orders = [training_order(range(50), epochs=1, batch=4, accumulation=2, seed=seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_it_puts_texts_of_similar_length_into_one_micro_batch():
    lengths = [(place * 37) % 100 for place in range(100)]
    order = training_order(lengths, epochs=1, batch=10, accumulation=1, seed=1)
    spreads = [
        max(lengths[i] for i in order[start : start + 10]) - min(lengths[i] for i in order[start : start + 10])
        for start in range(0, 100, 10)
    ]
    assert max(spreads) <= 10


def test_it_fills_evaluation_batches_up_to_their_size_and_loses_nothing():
    some = toy.examples(8)
    batches = by_length(some, 60)
    assert sorted(example.id for batch in batches for example in batch) == sorted(example.id for example in some)
    assert all(len(batch) == 1 or len(batch) * batch[0].length <= 60 for batch in batches)
    assert [len(batch) for batch in by_length(some, 1)] == [1] * 8
