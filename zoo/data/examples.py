"""A split of a data set: raw, readable dicts, read again from their source at every pass."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np


class Examples:
    """Raw dicts that can be iterated any number of times. Each pass reads the source again, so memory stays flat.

    Args:
        read: starts one pass over the source.
        rows: the rows of the source to give, ascending; None gives all.
        count: the number of examples of the source, if it is known; else a pass counts them when it is asked for.
    """

    def __init__(self, read: Callable[[], Iterator[dict]], rows: np.ndarray | None = None, *, count: int | None = None):
        self._read, self._rows = read, rows
        self._count = count if rows is None else len(rows)

    def __iter__(self) -> Iterator[dict]:
        if self._rows is None:
            yield from self._read()
            return
        wanted = iter(self._rows)
        row = next(wanted, None)
        for index, example in enumerate(self._read()):
            if row is None:
                return
            if index == row:
                yield example
                row = next(wanted, None)

    def __len__(self) -> int:
        if self._count is None:
            self._count = sum(1 for _ in self._read())
        return self._count

    def __add__(self, other: "Examples") -> "Examples":
        return Examples(lambda: chain(self, other))

    def select(self, rows: np.ndarray) -> "Examples":
        """The given rows only, in the order of the source."""
        rows = np.sort(rows)
        return Examples(self._read, rows if self._rows is None else self._rows[rows])


def limit(examples: Examples, count: int | None, *, seed: int) -> Examples:
    """At most `count` examples, drawn at random because a file may be sorted by label."""
    if count is None or len(examples) <= count:
        return examples
    return examples.select(np.random.default_rng((seed, 2)).permutation(len(examples))[:count])


def limit_characters(examples: Examples, characters: int, *, seed: int) -> Examples:
    """About `characters` of "text" at most, as whole examples drawn at random."""
    length = sum(len(example["text"]) for example in examples)
    if length <= characters:
        return examples
    return limit(examples, max(len(examples) * characters // length, 1), seed=seed)


def unseen(splits: dict[str, Examples], key: str) -> tuple[str, Any] | None:
    """The first split and value of `key` that do not occur in splits["train"]; None if all values do.

    The value under `key` may be a list, such as the tags of a sentence; its items are compared then. "" is no label.
    """
    values = {
        name: {value for example in examples for value in _as_list(example[key]) if value != ""}
        for name, examples in splits.items()
    }
    new = ((name, value) for name in values for value in sorted(values[name] - values["train"]))
    return next(new, None)


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def repeated(train: Iterable[dict], other: Iterable[dict], keys: Sequence[str]) -> list[int]:
    """The rows of `other` that have the same values under `keys` as some example of `train`.

    Reads each split once and keeps eight bytes per example. With 10 million examples, one run in 10⁵ takes two
    different examples for the same.
    """

    def hashes(examples: Iterable[dict]) -> Iterator[int]:
        for example in examples:
            yield int.from_bytes(hashlib.blake2b(_bytes([example[key] for key in keys]), digest_size=8).digest())

    known = np.unique(np.fromiter(hashes(train), np.uint64))
    rows = np.flatnonzero(np.isin(np.fromiter(hashes(other), np.uint64), known))
    return rows.tolist()


def _bytes(values: list) -> bytes:
    """Different values give different bytes; the text of an array would be abbreviated."""
    arrays = [value.tobytes() for value in values if isinstance(value, np.ndarray)]
    others = [value.shape if isinstance(value, np.ndarray) else value for value in values]
    return b"".join([repr(others).encode("utf-8", errors="replace"), *arrays])
