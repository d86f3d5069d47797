"""The nearest recording by dynamic time warping, and one text for all."""

import numpy as np

from zoo.baselines import transcripts


def spoken(values: list[float], slow: int) -> np.ndarray:
    return np.repeat(np.array(values, np.float32), slow)[:, None] * np.ones([1, 2], np.float32)


def test_a_slower_recording_is_nearest_to_the_same_text():
    known = [spoken([0, 5, 0, 5], 6), spoken([5, 0, 5, 0], 6), spoken([2, 2, 2, 2], 6)]
    asked = [spoken([0, 5, 0, 5], 9), spoken([5, 0, 5, 0], 3)]
    found = transcripts.nearest(known, ["a", "b", "c"], asked, steps=12)
    assert [answer["text"] for answer in found.answers] == ["a", "b"]


def test_the_path_is_the_cheapest_of_all():
    """By the plain recursion over all cells, in Python."""
    random = np.random.default_rng(0)
    known, asked = random.normal(size=(3, 4, 2)), random.normal(size=(4, 2))
    for row, cost in zip(known, transcripts._warped(known, asked), strict=True):
        table = {(-1, -1): 0.0}
        for i in range(4):
            for j in range(4):
                here = float(np.linalg.norm(row[i] - asked[j]))
                before = [((i - 1, j), 1), ((i, j - 1), 1), ((i - 1, j - 1), 2)]
                table[i, j] = min(table.get(place, np.inf) + weight * here for place, weight in before)
        np.testing.assert_allclose(cost, table[3, 3], rtol=1e-6)


def test_a_recording_shorter_than_its_parts():
    assert transcripts._parts(np.ones([3, 2], np.float32), 8).shape == (8, 2)


def test_the_constant_text_makes_the_fewest_errors():
    found = transcripts.constant(["go", "go", "go", "stop it now"], 2)
    assert found.answers == [{"text": "go"}] * 2
