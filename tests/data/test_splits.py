"""Held-out examples: nothing is lost, nothing is on both sides, and groups and the future stay apart."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import splits
from zoo.data.examples import Examples
from zoo.data.splits import Split, hold_out
from zoo.errors import InputError


def labelled(count: int, *labels: str) -> Examples:
    return Examples(lambda: ({"id": i, "label": labels[i * len(labels) // count]} for i in range(count)))


def keyed(values, key: str = "key") -> Examples:
    return Examples(lambda: ({"id": i, key: value} for i, value in enumerate(values)))


def ids(examples: Examples) -> list[int]:
    return [example["id"] for example in examples]


def test_stratified_keeps_proportions_is_seeded_and_loses_nothing():
    rest, held = hold_out(labelled(100, "a", "a", "a", "b"), splits.stratified("label"), fraction=0.2, seed=1)
    assert Counter(example["label"] for example in held) == {"a": 15, "b": 5}
    assert sorted(ids(rest) + ids(held)) == list(range(100))
    again = hold_out(labelled(100, "a", "a", "a", "b"), splits.stratified("label"), fraction=0.2, seed=1)[1]
    assert list(again) == list(held)
    other = hold_out(labelled(100, "a", "a", "a", "b"), splits.stratified("label"), fraction=0.2, seed=2)[1]
    assert list(other) != list(held)


def test_something_is_held_out():
    rest, held = hold_out(labelled(4, "a", "b"), splits.stratified("label"), fraction=0.1, seed=0)
    assert (len(rest), len(held)) == (3, 1)


def test_the_draw_of_a_seed_never_changes():
    """Numbers of runs are compared by seed: the same seed has always held out the same rows."""
    rng = np.random.default_rng((3, 1))
    rest, held = hold_out(labelled(30, "a"), splits.random(), fraction=0.2, seed=3)
    assert ids(held) == sorted(rng.permutation(30)[:6])
    assert len(rest) == 24


def test_groups_stay_whole():
    films = [film for film in "abcdefghij" for _ in range(4)]
    rest, held = hold_out(keyed(films, "film"), splits.by_group("film"), fraction=0.2, seed=0)
    kept, out = ({example["film"] for example in part} for part in (rest, held))
    assert len(out) == 2
    assert kept | out == set("abcdefghij")
    assert not kept & out
    assert (len(rest), len(held)) == (32, 8)
    draws = {tuple(ids(hold_out(keyed(films), splits.by_group("key"), fraction=0.2, seed=s)[1])) for s in range(20)}
    assert len(draws) > 10, "groups are drawn by seed"


def test_the_share_is_one_of_examples_not_of_groups():
    films = ["blockbuster"] * 90 + ["niche"] * 10
    for seed in range(5):
        _, held = hold_out(keyed(films), splits.by_group("key"), fraction=0.1, seed=seed)
        assert ids(held) == list(range(90, 100))


def test_the_smallest_group_is_held_out_if_all_are_large():
    _, held = hold_out(keyed("aaaaaabbbbbbcccc"), splits.by_group("key"), fraction=0.1, seed=0)
    assert ids(held) == [12, 13, 14, 15]


def test_one_group_cannot_be_divided():
    with pytest.raises(InputError, match=r"all 5 examples have the same 'film', 'x'.*--group-column.*supply a file"):
        hold_out(keyed("xxxxx", "film"), splits.by_group("film"), fraction=0.1, seed=0)


def test_time_holds_out_the_future():
    dates = ["2024-05-01", "2023-01-01", "2024-12-31", "2022-07-01", "2024-05-02"]
    for seed in (0, 1):
        rest, held = hold_out(keyed(dates, "date"), splits.by_time("date"), fraction=0.4, seed=seed)
        assert ids(held) == [2, 4]
        assert ids(rest) == [0, 1, 3]


@pytest.mark.parametrize(
    ("times", "held_out"),
    [
        ([1, 2, 3, 3, 3], [2, 3, 4]),  # 20 % are one example, but three have the last time
        ([1, 1, 1, 1, 2], [4]),
        ([9, 10, 11, 2, 100.5], [4]),  # as numbers, not as texts
        ([1, 1, 1, 2, 2, 3, 3, 3, 3, 3], [5, 6, 7, 8, 9]),  # 5 are nearer to 2 than 7
    ],
)
def test_equal_times_are_never_cut_apart(times, held_out):
    assert ids(hold_out(keyed(times), splits.by_time("key"), fraction=0.2, seed=0)[1]) == held_out


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([7, 7, 7], "all 3 examples have the same 'key', 7"),
        ([1, "2", 3], "cannot be put in order.*int, str"),
        ([1.0, float("nan")], "cannot be put in order"),
        ([None, None], "cannot be put in order"),
    ],
)
def test_times_that_cannot_be_divided(times, message):
    with pytest.raises(InputError, match=message):
        hold_out(keyed(times), splits.by_time("key"), fraction=0.2, seed=0)


def test_running_text_is_cut_at_its_end_by_characters():
    """Each text counts one character more than it has, for its end: 100 in all."""
    lines = ["x" * 9] * 5 + ["x" * 39] + ["x" * 4, "x" * 4]
    for seed in (0, 1):
        rest, held = hold_out(keyed(lines), splits.contiguous("key"), fraction=0.1, seed=seed)
        assert (ids(rest), ids(held)) == ([0, 1, 2, 3, 4, 5], [6, 7])
    assert str(splits.contiguous("text")) == "from its end, by the length of text"
    with pytest.raises(InputError, match=r"one text only, .* one per line, or a file for the split"):
        hold_out(keyed(["a"]), splits.contiguous("key"), fraction=0.1, seed=0)


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=40).filter(lambda values: len(set(values)) > 1),
    st.sampled_from(["random", "stratified", "group", "time", "contiguous"]),
    st.floats(0.01, 0.99),
    st.integers(0, 3),
)
@settings(max_examples=200, deadline=None)
def test_laws_of_every_split(values, how, fraction, seed):
    split = Split(how, None if how == "random" else "key")
    if how == "contiguous":
        values = ["x" * value for value in values]
    rest, held = hold_out(keyed(values), split, fraction=fraction, seed=seed)
    assert sorted(ids(rest) + ids(held)) == list(range(len(values)))
    assert len(held) > 0
    if how == "contiguous":
        assert ids(rest) + ids(held) == list(range(len(values)))
        assert len(rest) > 0
    kept, out = ({example["key"] for example in part} for part in (rest, held))
    if how in ("group", "time"):
        assert kept
        assert not kept & out
    if how == "time":
        assert max(kept) < min(out)


def test_a_split_that_cannot_be():
    with pytest.raises(ValueError, match=r"how is 'groups': .*; did you mean 'group'\?"):
        Split("groups", "film")
    with pytest.raises(ValueError, match="a random split takes no key; got 'film'"):
        Split("random", "film")
    with pytest.raises(ValueError, match="a group split takes a key; got None"):
        Split("group")
    with pytest.raises(InputError, match="no 'film' to split by; it has 'id', 'key'"):
        hold_out(keyed("ab"), splits.by_group("film"), fraction=0.1, seed=0)
