"""Held-out examples: nothing is lost, nothing is on both sides."""

from collections import Counter

from zoo.data import splits
from zoo.data.examples import Examples
from zoo.data.splits import hold_out


def labelled(count: int, *labels: str) -> Examples:
    return Examples(lambda: ({"id": i, "label": labels[i * len(labels) // count]} for i in range(count)))


def test_hold_out_is_stratified_seeded_and_loses_nothing():
    rest, held = hold_out(labelled(100, "a", "a", "a", "b"), splits.stratified("label"), fraction=0.2, seed=1)
    assert Counter(example["label"] for example in held) == {"a": 15, "b": 5}
    ids = sorted(example["id"] for part in (rest, held) for example in part)
    assert ids == list(range(100))
    again = hold_out(labelled(100, "a", "a", "a", "b"), splits.stratified("label"), fraction=0.2, seed=1)[1]
    assert list(again) == list(held)
    other = hold_out(labelled(100, "a", "a", "a", "b"), splits.stratified("label"), fraction=0.2, seed=2)[1]
    assert list(other) != list(held)


def test_hold_out_holds_out_something():
    rest, held = hold_out(labelled(4, "a", "b"), splits.stratified("label"), fraction=0.1, seed=0)
    assert (len(rest), len(held)) == (3, 1)
