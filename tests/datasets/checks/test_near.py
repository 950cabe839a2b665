"""near and nearest: clusters of near duplicates over whole examples, and how close the nearest other is."""

import random

import numpy as np
import pytest

from evalhub.datasets.checks.near import percent
from evalhub.datasets.checks.nearest import nearest_similarities, similarity_histogram
from evalhub.datasets.checks.neighbours import Runs, Sketches
from evalhub.datasets.checks.thresholds import Thresholds
from tests.datasets.checks.given import checked, found, text
from tests.datasets.checks.test_neighbours import VOCABULARY, index, planted


def written(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(VOCABULARY, k=count))


def rows(seed: int = 1, count: int = 30):
    chance = random.Random(seed)
    return [
        text(number, instruction=written(chance, 20), input=written(chance, 60), output=written(chance, 80))
        for number in range(1, count + 1)
    ]


def changed(whole: str, at: int = 5) -> str:
    words = whole.split()
    words[at] = "another"
    return " ".join(words)


def test_it_finds_an_example_that_differs_by_a_word_and_says_how_much_is_alike():
    given = rows()
    twin = text(99, instruction=given[0].instruction, input=given[0].input, output=changed(given[0].output))
    near = found("near", *given, twin)
    alike = percent(index(given[0].whole, twin.whole))
    assert near[1].reason == f"Nearly repeats example 99 ({alike} alike)."
    assert near[99].reason == f"Nearly repeats example 1 ({alike} alike)."
    assert near[1].group == near[99].group == 1
    assert len(near) == 2


def test_copies_alone_are_no_near_duplicates():
    given = rows()
    copy = text(99, instruction=given[0].instruction, input=given[0].input, output=given[0].output.upper())
    assert found("near", *given, copy) == {}
    assert set(found("copies", *given, copy)) == {1, 99}


def test_two_tasks_over_one_input_are_no_near_duplicates():
    long = " ".join(VOCABULARY[:300])
    one = text(1, input=long, category="headline")
    assert found("near", one, text(2, input=long, category="summary")) == {}
    assert set(found("near", one, text(2, input=long, category="headline"))) == {1, 2}


def test_the_clusters_are_counted_by_size():
    given = rows()
    twins = [text(90 + at, instruction=given[0].instruction, input=given[0].input, output=changed(given[0].output, at))
             for at in range(2)]  # fmt: skip
    clusters = checked(*given, *twins).diversity.clusters
    assert (clusters.count, clusters.examples, clusters.sizes) == (1, 3, ((3, 1),))
    counted, said = clusters.sentence.split(". ", 1)
    assert counted == "3 of 32 examples stand in 1 cluster of near duplicates; the largest has 3"
    assert "different categories are different tasks" in said
    assert "a freeze keeps them on one side all the same" in said


def test_the_threshold_decides():
    one, other = "a b c d e f g h i j k l", "a b c d e f g h i j k z"
    pair = [text(1, instruction=one, input="", output=""), text(2, instruction=other, input="", output="")]
    assert set(found("near", *pair, settings=Thresholds(near_duplicate=0.6))) == {1, 2}
    assert found("near", *pair, settings=Thresholds(near_duplicate=0.95)) == {}


def test_the_nearest_neighbour_is_that_of_comparing_all_with_all():
    texts, _ = planted(40, seed=9)
    runs = Runs()
    runs.add(texts)
    expected = [max(index(one, other) for other in texts if other is not one) for one in texts]
    assert np.sort(nearest_similarities(Sketches(runs))) == pytest.approx(sorted(expected))


def test_a_copy_is_its_own_nearest_neighbour():
    runs = Runs()
    runs.add(["the same words here", "the same words here", "quite other words there"])
    assert sorted(nearest_similarities(Sketches(runs))) == [0, 1, 1]


def test_the_histogram_counts_every_similarity_once():
    histogram = similarity_histogram(np.array([0.0, 0.04, 0.5, 0.999, 1.0]))
    assert sum(count for _, count in histogram.bins) == 5
    assert (histogram.bins[0], histogram.bins[-1]) == ((0.0, 2), (0.95, 2))


def test_one_example_has_no_neighbour():
    nearest = checked(text()).diversity.nearest
    assert (nearest.bins, nearest.sentence) == ((), "There are too few examples to compare.")


def test_less_than_all_is_never_shown_as_all():
    assert (percent(0.9999), percent(1.0), percent(0.804)) == ("99%", "100%", "80%")
