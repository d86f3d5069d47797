"""Events in series from a JSON file, in the form of the Numenta Anomaly Benchmark: name → pairs of first and last time.

    {"pump 1": [["2026-03-01 15:44:06", "2026-03-01 15:52:00"]], "pump 2": []}

A series is found by its name, with or without the suffix of its file. Times without dates are numbers of steps.
"""

import json
from datetime import datetime
from pathlib import Path

import numpy as np

from zoo.data.formats import series
from zoo.data.formats.series import Series
from zoo.errors import InputError


def read(path: Path) -> dict[str, list[tuple[int, int]]]:
    """The events of each series as times, in seconds since 1970 UTC or as numbers.

    Raises:
        InputError: the file cannot be read, or an event is not a pair of times in their order.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"--events {path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f'--events {path}: expected an object like {{"pump 1": [["2026-03-01", "2026-03-02"]]}}')
    known: dict[str, list[tuple[int, int]]] = {}
    for name, pairs in found.items():
        if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            raise InputError(f"--events {path}: the events of {name!r} are not a list of pairs [first, last]")
        key = name.removesuffix(".gz").removesuffix(".csv").removesuffix(".tsv")
        known[key] = [(_time(path, name, first), _time(path, name, last)) for first, last in pairs]
        for first, last in known[key]:
            if last < first:
                raise InputError(f"--events {path}: an event of {name!r} ends before it begins")
    return known


def marked(one: Series, events: dict[str, list[tuple[int, int]]]) -> np.ndarray:
    """float32[T]: 1 from the first to the last time of each event of a series, else 0; NaN if it is not in `events`."""
    if one.name not in events:
        return np.full(len(one.values), np.nan, np.float32)
    flags = np.zeros(len(one.values), np.float32)
    for first, last in events[one.name]:
        inside = np.flatnonzero((one.times >= first) & (one.times <= last))
        if len(inside):
            flags[inside[0] : inside[-1] + 1] = 1
    return flags


def _time(path: Path, name: str, value: object) -> int:
    if isinstance(value, int):
        return value
    try:
        return series.seconds(datetime.fromisoformat(str(value)))
    except ValueError:
        raise InputError(f"--events {path}: {value!r} of {name!r} is not a time such as 2026-03-01 15:44:06") from None
