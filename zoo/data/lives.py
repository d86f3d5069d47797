"""Windows into the records of units that wear out: the rows so far in, the remaining life out."""

from collections.abc import Iterator, Sequence

import numpy as np

from zoo.data.examples import Examples
from zoo.data.formats.failures import Unit


def windows(units: Sequence[Unit], *, lookback: int, shortest: int = 1, stride: int = 1) -> Examples:
    """One window for each cycle of each unit, as dicts.

    unit, its name; cycle, that of the window's last row; history float32[T, C], T ≤ lookback; life, the cycles that
    remain after the last row.

    Args:
        lookback: the most rows of a window.
        shortest: rows that a window has at least; the whole unit, if it has fewer.
        stride: cycles from one window to the next. The last row of a unit is always used.
    """
    ends = [np.arange(len(unit.cycles), min(shortest, len(unit.cycles)) - 1, -stride)[::-1] for unit in units]

    def read() -> Iterator[dict]:
        for unit, places in zip(units, ends, strict=True):
            for end in places:
                yield _window(unit, int(end), lookback)

    return Examples(read, count=sum(map(len, ends)))


def last(units: Sequence[Unit]) -> Examples:
    """One window for each unit, which ends at its last row and begins at its first."""
    return Examples(lambda: (_window(unit, len(unit.cycles), len(unit.cycles)) for unit in units), count=len(units))


def _window(unit: Unit, end: int, lookback: int) -> dict:
    found = {"unit": unit.name, "cycle": float(unit.cycles[end - 1])}
    found["history"] = unit.values[max(end - lookback, 0) : end]
    life = float(unit.life[end - 1])
    return found | ({"life": life} if np.isfinite(life) else {})
