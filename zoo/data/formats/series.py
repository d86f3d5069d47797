"""Time series from files: a table with one row per time step, or JSON lines with one series per line.

    time,temperature,wind                      {"id": "H1", "start": "2015-07-01 12:00", "value": [605, 586, null]}
    2016-07-01 00:00,21.4,3.1                  {"id": "H2", "start": "2015-07-01 12:00", "value": [3124, 2990, 2862]}

A missing value is an empty cell, NA, NaN or null. A missing row is a gap, whose values are missing too. Files in
folders below the directory are read too; without a column for it, the path of a file is the name of its series.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.data import remarks
from zoo.data.formats import files, tables
from zoo.errors import InputError, did_you_mean

SUFFIXES = (".csv", ".tsv", ".jsonl")
EXPECTED = "files .csv, .tsv or .jsonl (.gz too)"
LONGEST_GAP = 50  # more filled steps per row than this are a mistake in a time stamp


@dataclass(frozen=True)
class Series:
    """One series on an even grid of steps.

    Attributes:
        name: unique in its data set.
        columns: the names of the C columns.
        values: float32[T, C]; NaN where a value is missing.
        times: int64[T], the time of each step in seconds since 1970-01-01 UTC, or its number.
        dated: whether the times are dates.
        step: from one time to the next; 0 if the distances differ, as between trading days.
        validation, test: the first step of these splits; earlier steps belong to train.
    """

    name: str
    columns: tuple[str, ...]
    values: np.ndarray
    times: np.ndarray
    dated: bool
    step: int
    validation: int = 0
    test: int = 0

    def when(self, position: int) -> str:
        """The time of a step as text, also of one after the end."""
        inside = min(position, len(self.times) - 1)
        time = int(self.times[inside]) + (position - inside) * self.step
        after = f" + {position - inside}" if position > inside and not self.step else ""
        return _text(time, self.dated) + after

    def divided(self, share: float, validation: str | None, test: str | None, end: str | None) -> "Series":
        """The same series with other splits; see `read`.

        Raises:
            InputError: the splits do not follow one another.
        """
        last = len(self.values) if end is None else self._place(end)
        first_test = self._place(test) if test else self.test or round(last * (1 - share))
        wanted = max(round(last * share), 1)
        first_validation = self._place(validation) if validation else self.validation or max(first_test - wanted, 0)
        if not first_validation <= first_test <= last:
            raise InputError(
                f"series {self.name!r}: validation begins at step {first_validation:,}, test at {first_test:,}, and "
                f"the data ends at {last:,}; expected this order: --validation-from, --test-from and --end set them"
            )
        return dataclasses.replace(
            self, values=self.values[:last], times=self.times[:last], validation=first_validation, test=first_test
        )

    def _place(self, option: str) -> int:
        """The step that an option names; of several, joined by commas, the first one."""
        return min(self._step(part.strip()) for part in option.split(","))

    def _step(self, option: str) -> int:
        length = len(self.values)
        if option.endswith("%") and option[:-1].replace(".", "", 1).isdecimal():
            return min(int(length * float(option[:-1]) / 100), length)
        if option.lstrip("-").isdecimal():
            number = int(option)
            return min(max(number + length if number < 0 else number, 0), length)
        try:
            moment = datetime.fromisoformat(option)
        except ValueError:
            raise InputError(
                f"{option!r} is not a time such as 2016-07-01, a number of steps such as 8640 or -48, or a share such "
                "as 15%"
            ) from None
        if not self.dated:
            raise InputError(f"{option!r} is a time, and the data has none; give a number of steps")
        return int(np.searchsorted(self.times, seconds(moment)))


@dataclass(frozen=True)
class Columns:
    """The columns to read, and how.

    Attributes:
        values: the columns of numbers.
        time: the column with the time; several are the year, month, day, hour, minute and second.
        series: the column with the name of the series; None: each file or line is one.
        gaps: "fill" puts missing steps where times are missing; "ignore" takes every row as one step, in the order of
            the file.
        returns: columns that become log returns in percent, 100 · log(v_t / v_{t−1}).
    """

    values: tuple[str, ...]
    time: tuple[str, ...] = ("time",)
    series: str | None = None
    gaps: Literal["fill", "ignore"] = "fill"
    returns: tuple[str, ...] = ()


def read(
    data: str,
    columns: Columns,
    *,
    share: float = 0.1,
    validation: str | None = None,
    test: str | None = None,
    end: str | None = None,
) -> Sequence[Series]:
    """All series of a data set, with the beginnings of their splits.

    Files of the splits (train.csv, test.csv) are put together, and a split begins where its file does. Without such
    files, the last `share` of a series is the test split and the `share` before it is validation.

    Args:
        data: a file, or a directory of files.
        validation, test, end: where the splits begin and the data ends: a time such as 2016-07-01, a number of steps
            from the beginning, or with a minus sign from the end, or a share such as 15%. Of several, joined by commas,
            the first one counts.
    Raises:
        InputError: names the file and the line that is wrong.
    """
    path, found = Path(data), _files(data)
    stamps = tuple((str(part), os.stat(part).st_mtime_ns) for part in found)
    return _read(path if path.is_dir() else path.parent, stamps, columns, share, validation, test, end)


def columns_of(data: str) -> list[str]:
    """The names of the columns in the first row of the first file, or of the lists in its first line.

    Raises:
        InputError: there is no file, or it is empty.
    """
    path = _files(data)[0]
    if path.name.removesuffix(".gz").endswith(".jsonl"):
        record = next((record for _, record in files.json_lines(path)), {})
        return [name for name, value in record.items() if isinstance(value, list)]
    return list(next((record for _, record in tables.rows(path)), {}))


def _files(data: str) -> list[Path]:
    path = Path(data)
    if data.startswith("tfds:"):
        raise InputError(f"--data {data}: series are read from {EXPECTED}, not from TFDS")
    if not path.exists():
        raise files.missing_split(path, "train", EXPECTED)
    found = [path] if path.is_file() else sorted(part for part in path.rglob("*") if _is_table(part))
    if not all(map(_is_table, found)) or not found:
        raise InputError(f"--data {data} has no series: expected {EXPECTED}")
    return found


def _is_table(path: Path) -> bool:
    return path.is_file() and path.name.removesuffix(".gz").endswith(SUFFIXES)


@dataclass
class _Rows:
    """The rows of one series in the order of their files."""

    times: list[int]
    values: list[list[float]]
    places: list[tuple[Path, int]]  # file and line of each row
    begins: dict[str, int]  # the first row of each split that has a file


@lru_cache(maxsize=4)  # a run reads its splits several times; a changed file is read again
def _read(folder: Path, stamps: tuple, columns: Columns, share: float, *borders: str | None) -> Sequence[Series]:
    paths = [Path(name) for name, _ in stamps]
    order = {"train": 0, "validation": 1, "test": 2}
    split_of = {path: (files.splits_of(path) or ["train"])[0] for path in paths}
    rows: dict[str, _Rows] = {}
    dated: set[bool] = set()
    for path in sorted(paths, key=lambda path: order[split_of[path]]):
        kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
        several = sum(split_of[other] == split_of[path] for other in paths) > 1
        one = str(path.relative_to(folder).with_name(path.name.split(".")[0])) if several else "series"
        for name, record in (_lines if kind == "jsonl" else _table)(path, columns, one):
            mine = rows.setdefault(name, _Rows([], [], [], {}))
            mine.begins.setdefault(split_of[path], len(mine.times))
            time, is_date, values, number = record
            mine.times.append(len(mine.times) if time is None else time)
            mine.values.append(values)
            mine.places.append((path, number))
            dated.add(is_date)
    if not rows:
        raise InputError(f"{paths[0]} is empty: expected a header and one row per step")
    if len(dated) > 1:
        raise InputError(f"{paths[0]}: some rows have a date and others have none; expected the same in all files")
    return [_series(name, part, columns, dated == {True}, share, *borders) for name, part in rows.items()]


def _table(path: Path, columns: Columns, one: str) -> Iterator[tuple[str, tuple]]:
    """The name of the series, and (time, is it a date, values, line) of every row."""
    timed = None
    for number, record in tables.rows(path):
        if timed is None:
            timed = _check_columns(path, number, record, columns)
        name = one if columns.series is None else " ".join(str(record[columns.series] or "").split())
        if not name:
            raise InputError(f"{path} line {number}: no name of the series in {columns.series!r}")
        time, is_date = _time(path, number, [record[part] for part in columns.time]) if timed else (None, False)
        values = [tables.number(path, number, column, record[column]) for column in columns.values]
        yield name, (time, is_date, values, number)
    if timed is None:
        raise InputError(f"{path} has no rows: expected a header and one row per step")


def _check_columns(path: Path, number: int, record: dict, columns: Columns) -> bool:
    """Whether there is a time; the default column may be absent."""
    wanted = [*columns.values, *([columns.series] if columns.series else [])]
    timed = all(part in record for part in columns.time)
    if not timed and columns.time != ("time",):
        wanted += columns.time
    for column in wanted:
        if column not in record:
            raise InputError(
                f"{path} line {number}: no column {column!r}{did_you_mean(column, record)}; "
                f"it has {', '.join(map(repr, record))}; --targets, --past, --known, --time-column and "
                "--series-column name the columns"
            )
    if not timed:
        remarks.note("files without a column 'time', in which every row is one step (--time-column names it)", 1)
    return timed


def _lines(path: Path, columns: Columns, one: str) -> Iterator[tuple[str, tuple]]:
    """The same from JSON lines: a list of numbers under each column, and the `start` and the `step` of the series.

    The step is in seconds, 3,600 if there is none.
    """
    for number, record in files.json_lines(path):
        name = str(record.get(columns.series or "id", f"{one} {number}"))
        lists = []
        for column in columns.values:
            values = record.get(column)
            if not isinstance(values, list) or not values:
                raise InputError(
                    f"{path} line {number}: {column!r} is not a list of numbers{did_you_mean(column, record)}; "
                    f"it has {', '.join(map(repr, record))}; --targets, --past and --known name the lists"
                )
            lists.append([tables.number(path, number, column, value) for value in values])
        if len({len(values) for values in lists}) > 1:
            raise InputError(f"{path} line {number}: lists of different lengths; expected one value for every step")
        start = _time(path, number, [record["start"]]) if "start" in record else (None, False)
        step = record.get("step", 3600)
        if type(step) is not int or step < 1:
            raise InputError(f"{path} line {number}: step is {step!r}; expected whole seconds")
        for i, row in enumerate(zip(*lists, strict=True)):
            time = None if start[0] is None else start[0] + i * (step if start[1] else 1)
            yield name, (time, start[1], list(row), number)


def _time(path: Path, line: int, parts: list) -> tuple[int, bool]:
    """The time of a row in seconds since 1970 UTC, or as a number; and whether it is a date."""
    written = " ".join(str(part) for part in parts)[:40]
    try:
        if len(parts) > 1:
            return seconds(datetime(*map(int, map(float, parts)))), True  # type: ignore[arg-type]
        if isinstance(parts[0], int) or str(parts[0]).strip().lstrip("-").isdecimal():
            number = int(parts[0])
            if abs(number) > 2**53:
                raise ValueError
            return number, False
        return seconds(datetime.fromisoformat(str(parts[0]).strip())), True
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{path} line {line}: the time is {written!r}; expected a date such as 2016-07-01 14:00, or a whole number"
        ) from None


def seconds(moment: datetime) -> int:
    """Since 1970; a time without a zone is in UTC."""
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def _series(
    name: str,
    rows: _Rows,
    columns: Columns,
    dated: bool,
    share: float,
    validation: str | None,
    test: str | None,
    end: str | None,
) -> Series:
    times, values = np.array(rows.times, np.int64), np.array(rows.values, np.float32)
    disordered = np.flatnonzero(np.diff(times) <= 0) + 1
    if columns.gaps == "ignore" and len(disordered):
        remarks.note("rows that are not later than the row before (--gaps ignore keeps their order)", len(disordered))
        disordered = disordered[:0]
    for i in disordered[:1]:
        path, line = rows.places[i]
        how = "is there twice" if times[i] == times[i - 1] else "comes after a later one"
        raise InputError(
            f"{path} line {line}: the time {_text(times[i], dated)} of {name!r} {how}; sort the rows of a series by "
            "time, one for each; --series-column names the column that tells series apart, and --gaps ignore takes "
            "the rows as they are"
        )
    for column in columns.returns:
        values[:, columns.values.index(column)] = _returns(values[:, columns.values.index(column)])
    places = np.arange(len(times))
    step = 0
    if columns.gaps == "fill" and len(times) > 1:
        steps, counts = np.unique(np.diff(times), return_counts=True)
        step = int(steps[np.argmax(counts)])
        for i in np.flatnonzero(np.diff(times) % step)[:1] + 1:
            path, line = rows.places[i]
            raise InputError(
                f"{path} line {line}: the time {_text(times[i], dated)} of {name!r} is not a multiple of {step:,} "
                f"{'seconds' if dated else 'steps'} after the row before it; --gaps ignore takes every row as a step"
            )
        places = (times - times[0]) // step
        if places[-1] > LONGEST_GAP * len(times):
            i = int(np.argmax(np.diff(places))) + 1
            path, line = rows.places[i]
            raise InputError(f"{path} line {line}: a gap of {np.diff(places)[i - 1]:,} steps before this row")
    filled = np.full((int(places[-1]) + 1, values.shape[1]), np.nan, np.float32)
    filled[places] = values
    grid = times[0] + step * np.arange(len(filled)) if step else times
    begins = {split: int(places[row]) for split, row in rows.begins.items()}
    found = Series(name, columns.values, filled, grid, dated, step, begins.get("validation", 0), begins.get("test", 0))
    return found.divided(share, validation, test, end)


def _returns(prices: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        logs = np.log(prices.astype(np.float64))
        found = 100 * np.diff(logs, prepend=np.nan)
    return np.where(np.isfinite(found), found, np.nan).astype(np.float32)


def _text(time: int, dated: bool) -> str:
    if not dated:
        return str(time)
    moment = datetime.fromtimestamp(int(time), UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S" if time % 60 else "%Y-%m-%d %H:%M")
