"""Rows, numbers and labelled texts from tables: `.jsonl`, `.csv` and `.tsv` files, folders as in aclImdb, and TFDS."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.examples import Examples
from zoo.data.formats import files, tfds
from zoo.errors import InputError

OPTIONS = {"text": "--text-column", "label": "--label-column", "group": "--group-column"}
MISSING = {"", "na", "n/a", "nan", "null", "none", "-", "?"}  # in any case


def labelled_texts(path: Path, columns: dict[str, str]) -> Iterator[dict]:
    """{"text": str, "label": str} for every line of a `.jsonl` or row of a `.csv` or `.tsv`, plain or gzipped.

    Args:
        columns: the column of "text" and "label", and of "group" if examples are to have one.
    Raises:
        InputError: names the file and the line that is wrong.
    """
    needed = " and ".join(f'"{column}"' for column in columns.values())
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    empty = True
    for number, record in (files.json_lines if kind == "jsonl" else rows)(path):
        empty = False
        example = {}
        for key, column in columns.items():
            value = record.get(column)
            if value is None:
                raise InputError(
                    f'{path} line {number}: no "{column}"; it has {", ".join(map(repr, record)) or "nothing"}. '
                    f"Each line needs {needed}; {OPTIONS[key]} names another column"
                )
            if key == "text" and not isinstance(value, str):
                raise InputError(f'{path} line {number}: "{column}" is {value!r}, not text')
            example[key] = value if key == "text" else _name(value, path, number, key)
        yield example
    if empty:
        raise InputError(f"{path} is empty: each line needs {needed}")


def _name(value: Any, path: Path, number: int, kind: str) -> str:
    """A label or a group as text: 2.0 and " 2 " are "2"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = " ".join(str(value).split())
    if isinstance(value, (dict, list)) or not name or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{path} line {number}: {value!r} is not a valid {kind}; a {kind} is a name or a number")
    return name


def rows(path: Path) -> Iterator[tuple[int, dict]]:
    """Line number and record of every row of a `.csv` or `.tsv` file, plain or gzipped; its first line has the names.

    A `.csv` whose first line has semicolons and no comma is divided by semicolons.

    Raises:
        InputError: names the file and the line that is not a row.
    """
    csv.field_size_limit(2**30)  # the default refuses a text of 128 KiB
    lines = files.lines(path)
    header = next(lines, "")
    delimiter = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    if delimiter == "," and "," not in header and ";" in header:
        delimiter = ";"
    reader = csv.DictReader((line + "\n" for line in chain([header], lines)), delimiter=delimiter)
    try:
        for record in reader:
            yield reader.line_num, {name: value for name, value in record.items() if name is not None}
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: {error}") from error


def number(path: Path, line: int, column: str, value: Any, *, kind: type[np.floating] = np.float32) -> float:
    """A cell as a number in the precision of `kind`; NaN where it is missing or not finite.

    Raises:
        InputError: the cell is text.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return np.nan
    try:
        if isinstance(value, bool):
            raise ValueError
        with np.errstate(over="ignore"):
            found = kind(float(value))
    except (TypeError, ValueError, OverflowError):
        name = " ".join(column.split())  # a header can hold line separators
        raise InputError(f"{path} line {line}: {name} is {str(value)[:40]!r}; expected a number, or NA") from None
    return float(found) if np.isfinite(found) else np.nan


def labelled_folders(directory: Path) -> Iterator[dict]:
    """{"text": str, "label": str} from `LABEL/*.txt` as in aclImdb. Skips the folder `unsup`, which has no labels."""
    for folder in sorted(directory.iterdir()):
        if folder.is_dir() and folder.name != "unsup":
            for path in sorted(folder.glob("*.txt")):
                yield {"text": "\n".join(files.lines(path)), "label": folder.name}


def classification(
    data: str,
    split: str,
    *,
    sample: Callable[[str], Iterable[dict]],
    text_column: str,
    label_column: str,
    group_column: str | None = None,
) -> Examples | None:
    """Labelled texts as {"text": str, "label": str}; None if the source has no such split.

    With a `group_column` examples also have a "group" (str), such as the film of a review, for `splits.by_group`.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" or a directory of .jsonl, .csv or .tsv files or of aclImdb folders.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
    """
    columns = {"text": text_column, "label": label_column} | ({"group": group_column} if group_column else {})
    if group_column and data == "sample":
        raise InputError(f"--data sample has no column {group_column!r}; --group-column needs a data set of your own")
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split, columns)
    directory = Path(data)
    expected = "train.jsonl, train.csv, train.tsv (.gz too) or aclImdb folders"
    if not directory.is_dir():
        raise files.missing_split(directory, split, expected)
    path = files.find_file(directory, split, (".jsonl", ".csv", ".tsv"))
    if path:
        return Examples(lambda: labelled_texts(path, columns))
    folder = next((directory / name for name in files.SPLIT_NAMES[split] if (directory / name).is_dir()), None)
    if folder and group_column:
        raise InputError(
            f"{folder} has no column {group_column!r}: folders of texts have no columns; --group-column "
            "needs .jsonl, .csv or .tsv files"
        )
    if folder:
        return Examples(lambda: labelled_folders(folder))
    if split == "train":
        raise files.missing_split(directory, split, expected)
    return None


def _tfds(data: str, split: str, columns: dict[str, str]) -> Examples | None:
    builder = tfds.builder(data)
    features = builder.info.features
    for key, column in columns.items():
        if column not in features:
            raise InputError(f"--data {data} has no {column!r}; {OPTIONS[key]} is one of {', '.join(features)}")

    def value(row: dict, column: str) -> str:
        found = row[column]
        if isinstance(found, bytes):
            return found.decode("utf-8", errors="replace")
        return features[column].int2str(found) if hasattr(features[column], "int2str") else str(found)

    def to_example(row: dict) -> dict:
        return {key: value(row, column) for key, column in columns.items()}

    return tfds.rows(builder, split, to_example)
