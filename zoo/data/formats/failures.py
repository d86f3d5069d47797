"""Records of units that wear out, from tables with one row per cycle or in the layout of NASA's C-MAPSS.

    unit,cycle,load,vibration,life        own files train.csv, validation.csv, test.csv (.tsv, .jsonl, .gz too)
    pump 1,1,0.7,0.02,
    pump 1,2,0.7,,117                     a missing value; 117 cycles remain after the last row

Without a column of lives, a unit fails right after its last row. A missing value is an empty cell, NA, NaN or null.
Each row is one step, whatever the distance of its cycle from the one before.
C-MAPSS: train_FD001.txt, test_FD001.txt and RUL_FD001.txt (.gz too), 26 numbers in a row without a header. Saxena et
al. 2008, https://doi.org/10.1109/PHM.2008.4711414
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zoo.data.formats import files, tables
from zoo.errors import InputError, did_you_mean

TABLES = (".csv", ".tsv", ".jsonl")
EXPECTED = "train.csv, train.tsv or train.jsonl (.gz too), or files as train_FD001.txt with --subset FD001"
CMAPSS = (
    *("unit", "cycle"),
    *(f"setting_{i}" for i in range(1, 4)),
    *(f"sensor_{i}" for i in range(1, 22)),
)


@dataclass(frozen=True)
class Unit:
    """One unit and its rows, oldest first.

    Attributes:
        name: unique in its split.
        columns: the names of the C sensors and settings.
        cycles: float64[T], ascending.
        values: float32[T, C]; NaN where a value is missing.
        life: float64[T], the cycles that remain after each row; NaN where they are unknown.
        told: whether the data has a column of lives.
    """

    name: str
    columns: tuple[str, ...]
    cycles: np.ndarray
    values: np.ndarray
    life: np.ndarray
    told: bool = False


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        unit, cycle: the columns with the name of a unit and with its cycle, a number.
        life: the column with the remaining life after a row. Only the last row of a unit needs it.
        sensors: the columns of numbers; empty: all others.
    """

    unit: str = "unit"
    cycle: str = "cycle"
    life: str = "life"
    sensors: tuple[str, ...] = ()


def read(data: str, split: str, columns: Columns, *, subset: str = "") -> Sequence[Unit] | None:
    """The units of a split; None if there is no file for it.

    Args:
        data: a directory.
        split: "train", "validation" or "test".
        subset: such as "FD001", for files in the layout of C-MAPSS; empty: tables.
    Raises:
        InputError: names the file and the line that is wrong.
    """
    directory = Path(data)
    if not directory.is_dir():
        raise files.missing_split(directory, split, EXPECTED)
    if subset:
        return _cmapss(directory, split, subset, columns)
    path = files.find_file(directory, split, TABLES)
    if path is None:
        if split == "train":
            raise files.missing_split(directory, split, EXPECTED)
        return None
    found = [run_to_failure(unit) for unit in question(str(path), columns)]
    for unit in found:
        if not np.isfinite(unit.life[-1]):
            raise InputError(
                f"{path}: the last row of unit {unit.name!r} has no {columns.life!r}; fill it in, or leave out "
                "the whole column if units fail right after their last row; --life-column names it"
            )
    if split == "train":
        return found
    train = read(data, "train", columns) or []
    if both := {unit.name for unit in train} & {unit.name for unit in found}:
        raise InputError(
            f"{path}: unit {min(both)!r} is in the training file too; a unit belongs to one split: give units of "
            "different splits different names"
        )
    return found


def question(path: str, columns: Columns) -> Sequence[Unit]:
    """The units of one file; a .txt file has the layout of C-MAPSS. Without a column of lives they are unknown."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: no such file; expected a table with one row per cycle ({', '.join(TABLES)}, or .txt)"
        )
    return _read((path, os.stat(path).st_mtime_ns), columns)


def run_to_failure(unit: Unit) -> Unit:
    """A unit without a column of lives fails right after its last row."""
    return unit if unit.told else dataclasses.replace(unit, life=unit.cycles[-1] - unit.cycles)


@lru_cache(maxsize=6)  # a run reads its splits several times; a changed file is read again
def _read(stamp: tuple[str, int], columns: Columns) -> Sequence[Unit]:
    path = Path(stamp[0])
    plain = path.name.removesuffix(".gz").endswith(".txt")
    if plain:
        columns = Columns(sensors=columns.sensors)
    rows: dict[str, list[_Row]] = {}
    told = False
    for line, record in _plain(path) if plain else _table(path):
        columns = _checked(path, line, record, columns)
        name = " ".join(str(record[columns.unit] if record[columns.unit] is not None else "").split())
        if not name:
            raise InputError(f"{path} line {line}: no name of the unit in {columns.unit!r}")
        mine = rows.setdefault(name, [])
        mine.append(_row(path, line, record, columns, name, mine[-1].cycle if mine else None))
        told |= columns.life in record
    if not rows:
        raise InputError(f"{path} has no rows: expected a header and one row per cycle")
    return [_unit(name, part, columns.sensors, told) for name, part in rows.items()]


class _Row(NamedTuple):
    cycle: float
    values: list[float]
    life: float


def _row(path: Path, line: int, record: dict, columns: Columns, name: str, before: float | None) -> _Row:
    """The numbers of a row; `before` is the cycle of the unit's row before it."""
    cycle = tables.number(path, line, columns.cycle, record[columns.cycle], kind=np.float64)
    if not np.isfinite(cycle) or (before is not None and cycle <= before):
        after = "" if before is None else f" after {before:.10g}"
        raise InputError(
            f"{path} line {line}: {columns.cycle} of unit {name!r} is {str(record[columns.cycle])[:40]!r}{after}; "
            f"expected ascending numbers; sort the rows; --unit-column (now {columns.unit}) tells units apart"
        )
    life = tables.number(path, line, columns.life, record.get(columns.life), kind=np.float64)
    if life < 0:
        raise InputError(f"{path} line {line}: {columns.life} is {life:g}; expected 0 or more cycles, or NA")
    return _Row(cycle, [tables.number(path, line, column, record[column]) for column in columns.sensors], life)


def _table(path: Path) -> Iterator[tuple[int, dict]]:
    return (files.json_lines if path.name.removesuffix(".gz").endswith(".jsonl") else tables.rows)(path)


def _plain(path: Path) -> Iterator[tuple[int, dict]]:
    for line, text in enumerate(files.lines(path), 1):
        words = text.split()
        if words and len(words) != len(CMAPSS):
            raise InputError(
                f"{path} line {line}: {len(words)} words; expected {len(CMAPSS)} numbers: unit, cycle, 3 settings and "
                "21 sensors"
            )
        if words:
            yield line, dict(zip(CMAPSS, words, strict=True))


def _checked(path: Path, line: int, record: dict, columns: Columns) -> Columns:
    """The columns with the names of the sensors, which the first row tells."""
    if not columns.sensors:
        others = tuple(name for name in record if name not in (columns.unit, columns.cycle, columns.life))
        columns = Columns(columns.unit, columns.cycle, columns.life, others)
    for column in (columns.unit, columns.cycle, *columns.sensors):
        if column not in record:
            raise InputError(
                f"{path} line {line}: no column {column!r}{did_you_mean(column, record)}; "
                f"it has {', '.join(map(repr, record))}; --unit-column, --cycle-column and --sensors name the columns"
            )
    if not columns.sensors:
        raise InputError(f"{path} line {line}: no column of a sensor beside {', '.join(map(repr, record))}")
    return columns


def _unit(name: str, rows: list[_Row], columns: tuple[str, ...], told: bool) -> Unit:
    """A life that is missing follows from the next one that is known."""
    cycles, life = np.array([row.cycle for row in rows]), np.array([row.life for row in rows])
    for i in range(len(life) - 2, -1, -1):
        if np.isnan(life[i]):
            life[i] = life[i + 1] + cycles[i + 1] - cycles[i]
    return Unit(name, columns, cycles, np.array([row.values for row in rows], np.float32), life, told)


def _cmapss(directory: Path, split: str, subset: str, columns: Columns) -> Sequence[Unit] | None:
    """The units of a split; the lives of test units are those of the RUL file."""
    if split == "validation":
        return None
    path, lives = (_place(directory, f"{part}_{subset}.txt") for part in (split, "RUL"))
    found = [run_to_failure(unit) for unit in question(str(path), Columns(sensors=columns.sensors))]
    if split == "train":
        return found
    after = [
        tables.number(lives, line, "the remaining life", text.strip())
        for line, text in enumerate(files.lines(lives), 1)
        if text.strip()
    ]
    if len(after) != len(found) or not np.all(np.array(after) >= 0):
        raise InputError(
            f"{lives} has {len(after):,} lives for the {len(found):,} units of {path.name}; expected one number "
            "of 0 or more for each"
        )
    return [
        dataclasses.replace(unit, life=left + unit.life, told=True) for unit, left in zip(found, after, strict=True)
    ]


def _place(directory: Path, name: str) -> Path:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(
        f"no {name} or {name}.gz in {directory}/; --subset names the part, such as FD001; found "
        + ", ".join(sorted(path.name for path in directory.iterdir())[:5])
    )
