"""How a missing validation or test split is held out from the training data.

train → hold_out(train, splits.stratified("label"), fraction=0.1, seed=0) → (rest, held out)
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo.data.examples import Examples


@dataclass(frozen=True)
class Split:
    """How examples are divided; made by `random`, `stratified`, `by_group` and `by_time`.

    Attributes:
        how: "random", "stratified", "group" or "time".
        key: the key of an example that "stratified", "group" and "time" look at.
    """

    how: Literal["random", "stratified", "group", "time"]
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.how == "random") != (self.key is None):
            raise ValueError(
                f"a {self.how!r} split takes {'no' if self.how == 'random' else 'a'} key; got {self.key!r}"
            )


def random() -> Split:
    """Every example is held out with the same probability."""
    return Split("random")


def stratified(key: str) -> Split:
    """At random, with the same proportions of the values of `key` on both sides."""
    return Split("stratified", key)


def by_group(key: str) -> Split:
    """All examples that share a value of `key` stay on one side: reviews of one film, sentences of one speaker."""
    return Split("group", key)


def by_time(key: str) -> Split:
    """The last examples in the order of `key` are held out, so that nothing is learned from the future."""
    return Split("time", key)


def hold_out(examples: Examples, split: Split, *, fraction: float, seed: int) -> tuple[Examples, Examples]:
    """Divides `examples` in two: (the rest, the held-out part). Both keep the order of the source.

    Args:
        fraction: the share of examples to hold out; at least one example is held out.
        seed: of the random draw.
    """
    values = np.array([str(example[split.key]) if split.key else "" for example in examples])
    random = np.random.default_rng((seed, 1))
    held = []
    for value in np.unique(values):
        rows = random.permutation(np.flatnonzero(values == value))
        held.append(rows[: round(len(rows) * fraction)])
    out = np.concatenate(held) if sum(map(len, held)) else random.permutation(len(values))[:1]
    return examples.select(np.setdiff1d(np.arange(len(values)), out)), examples.select(out)
