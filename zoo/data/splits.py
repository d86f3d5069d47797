"""How a missing validation or test split is held out from the training data.

    rest, held_out = hold_out(train, splits.by_group("film"), fraction=0.1, seed=0)

Reviews of one film, sentences of one speaker and neighbouring days resemble each other. If they are on both sides, a
model can recognise them instead of solving the task, and its score says too much. Such data is split by group or time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from zoo.data.examples import Examples
from zoo.errors import InputError, did_you_mean

How = Literal["random", "stratified", "group", "time", "contiguous"]


@dataclass(frozen=True)
class Split:
    """How examples are divided; see `random`, `stratified`, `by_group`, `by_time` and `contiguous`.

    Attributes:
        key: the key of an example that all but "random" look at.
    """

    how: How
    key: str | None = None

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            guess = did_you_mean(self.how, get_args(How))
            raise ValueError(f"how is {self.how!r}: expected one of {', '.join(get_args(How))}{guess}")
        if (self.how == "random") != (self.key is None):
            expected = "no key" if self.how == "random" else "a key"
            raise ValueError(f"a {self.how} split takes {expected}; got {self.key!r}")

    def __str__(self) -> str:
        """As the end of "held out from train …"."""
        words = {
            "random": "at random",
            "stratified": "stratified by",
            "group": "by",
            "time": "by the latest",
            "contiguous": "from its end, by the length of",
        }
        return " ".join(filter(None, [words[self.how], self.key]))


def random() -> Split:
    """Examples are drawn at random."""
    return Split("random")


def stratified(key: str) -> Split:
    """Examples are drawn at random; the values of `key` have the same proportions on both sides."""
    return Split("stratified", key)


def by_group(key: str) -> Split:
    """Groups are drawn at random; all examples with the same value of `key` are on the same side."""
    return Split("group", key)


def by_time(key: str) -> Split:
    """The last examples in the order of `key` are held out; examples with the same value are on the same side.

    Values are numbers, or texts that sort like their times, such as ISO dates: "2026-03-01".
    """
    return Split("time", key)


def contiguous(key: str) -> Split:
    """The end of the source is held out: running text stays in order, and no sentence of it is on both sides.

    The share is one of all characters under `key`, because lines differ in length.
    """
    return Split("contiguous", key)


def hold_out(examples: Examples, split: Split, *, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Divides `examples` in two: (the rest, the held-out part). Both keep the order of the source.

    Args:
        fraction: the share of examples to hold out, between 0 and 1. Whole groups and equal times come as near to it
            as they can. At least one example is held out.
        seed: of the random draw; "time" and "contiguous" do not depend on it.
    Raises:
        InputError: all examples are of one group or of one time, or an example lacks the key.
    """
    if split.how == "contiguous":
        lengths = np.fromiter((len(_value(example, split.key)) + 1 for example in examples), np.int64)
        rest = _first(lengths, fraction)
        return examples.select(np.arange(rest)), examples.select(np.arange(rest, len(lengths)))
    values = [_value(example, split.key) for example in examples]
    rng = np.random.default_rng((seed, 1))
    if split.how == "group":
        rows = _groups(values, split.key, fraction, rng)
    elif split.how == "time":
        rows = _latest(values, split.key, fraction)
    else:
        rows = _proportional(values, fraction, rng)
    return examples.select(np.setdiff1d(np.arange(len(values)), rows)), examples.select(rows)


def _value(example: dict, key: str | None) -> Any:
    if key is not None and key not in example:
        raise InputError(f"an example has no {key!r} to split by; it has {', '.join(map(repr, example))}")
    return "" if key is None else example[key]


def _first(lengths: np.ndarray, fraction: float) -> int:
    """The number of examples to keep, so that those behind them come nearest to `fraction` of the total length."""
    if len(lengths) < 2:
        raise InputError(
            "there is one text only, and it cannot be divided: supply more texts, such as one per line, "
            "or a file for the split"
        )
    held = lengths.sum() - np.cumsum(lengths)[:-1]  # behind each example but the last
    return int(np.argmin(abs(held - lengths.sum() * fraction))) + 1


def _proportional(values: Sequence[Any], fraction: float, rng: np.random.Generator) -> np.ndarray:
    """int[H]: rows drawn at random, the same share of each value."""
    names = np.array([str(value) for value in values])
    held = []
    for name in np.unique(names):
        rows = rng.permutation(np.flatnonzero(names == name))
        held.append(rows[: round(len(rows) * fraction)])
    return np.concatenate(held) if sum(map(len, held)) else rng.permutation(len(names))[:1]


def _groups(values: Sequence[Any], key: str | None, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """int[H]: the rows of groups drawn at random. A group is taken if that brings their number nearer to the target."""
    groups, group, sizes = np.unique([str(value) for value in values], return_inverse=True, return_counts=True)
    if len(groups) < 2:
        raise InputError(
            f"all {len(values):,} examples have the same {key!r}, {str(groups[0])!r}: holding out needs two groups at "
            "least; name another column with --group-column, or supply a file for the split"
        )
    target, taken, total = len(values) * fraction, np.zeros(len(groups), bool), 0
    order = rng.permutation(len(groups))
    for one in order:
        if abs(total + sizes[one] - target) < abs(total - target) and taken.sum() < len(groups) - 1:
            taken[one] = True
            total += sizes[one]
    if not taken.any():  # every group is larger than twice the target
        taken[order[np.argmin(sizes[order])]] = True
    return np.flatnonzero(taken[group])


def _latest(values: Sequence[Any], key: str | None, fraction: float) -> np.ndarray:
    """int[H]: the rows from some time on. Of all times, the one is chosen that comes nearest to the target."""
    kinds = {type(value) for value in values}
    if not (kinds == {str} or kinds <= {int, float, np.int64, np.float64}) or any(value != value for value in values):
        raise InputError(
            f"the values of {key!r} cannot be put in order: expected numbers or texts such as 2026-03-01; "
            f"found {', '.join(sorted(kind.__name__ for kind in kinds))}, NaN or a mixture"
        )
    times, time, sizes = np.unique(np.array(values), return_inverse=True, return_counts=True)
    if len(times) < 2:
        raise InputError(
            f"all {len(values):,} examples have the same {key!r}, {values[0]!r}: it takes two times to hold out "
            "the latest; split by another key, or supply a file for the split"
        )
    held = len(values) - np.cumsum(sizes)[:-1]  # examples later than each time but the last
    last_kept = np.argmin(abs(held - len(values) * fraction))
    return np.flatnonzero(time > last_kept)
