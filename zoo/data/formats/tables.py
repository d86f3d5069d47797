"""Labelled texts from tables: `.jsonl`, `.csv` and `.tsv` files, folders as in aclImdb, and TFDS."""

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from zoo.data.examples import Examples
from zoo.data.formats import files, tfds
from zoo.errors import InputError


def labelled_texts(path: Path, *, text_column: str, label_column: str) -> Iterator[dict]:
    """{"text": str, "label": str} for every line of a `.jsonl` or row of a `.csv` or `.tsv`, plain or gzipped.

    Raises:
        InputError: names the file and the line that is wrong.
    """
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    empty = True
    for number, record in (files.json_lines if kind == "jsonl" else _table)(path):
        empty = False
        for column in (text_column, label_column):
            if record.get(column) is None:
                option = "--text-column" if column == text_column else "--label-column"
                raise InputError(
                    f'{path} line {number}: no "{column}"; it has {", ".join(map(repr, record)) or "nothing"}. '
                    f'Each line needs "{text_column}" and "{label_column}"; {option} names another column'
                )
        text = record[text_column]
        if not isinstance(text, str):
            raise InputError(f'{path} line {number}: "{text_column}" is {text!r}, not text')
        yield {"text": text, "label": _name(record[label_column], path, number, "label")}
    if empty:
        raise InputError(f"{path} is empty: each line needs a text and a label")


def _name(value: Any, path: Path, number: int, kind: str) -> str:
    """A label or a group as text: 2.0 and " 2 " are "2"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    name = " ".join(str(value).split())
    if isinstance(value, (dict, list)) or not name or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{path} line {number}: {value!r} is not a valid {kind}; a {kind} is a name or a number")
    return name


def _table(path: Path) -> Iterator[tuple[int, dict]]:
    csv.field_size_limit(2**30)  # the default refuses a text of 128 KiB
    delimiter = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    reader = csv.DictReader((line + "\n" for line in files.lines(path)), delimiter=delimiter)
    try:
        for record in reader:
            yield reader.line_num, {name: value for name, value in record.items() if name is not None}
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: {error}") from error


def labelled_folders(directory: Path) -> Iterator[dict]:
    """{"text": str, "label": str} from `LABEL/*.txt` as in aclImdb. Skips the folder `unsup`, which has no labels."""
    for folder in sorted(directory.iterdir()):
        if folder.is_dir() and folder.name != "unsup":
            for path in sorted(folder.glob("*.txt")):
                yield {"text": "\n".join(files.lines(path)), "label": folder.name}


def classification(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], text_column: str, label_column: str
) -> Examples | None:
    """Labelled texts as {"text": str, "label": str}; None if the source has no such split.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" or a directory of .jsonl, .csv or .tsv files or of aclImdb folders.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split, text_column, label_column)
    directory = Path(data)
    expected = "train.jsonl, train.csv, train.tsv (.gz too) or aclImdb folders"
    if not directory.is_dir():
        raise files.missing_split(directory, split, expected)
    path = files.find_file(directory, split, (".jsonl", ".csv", ".tsv"))
    if path:
        return Examples(lambda: labelled_texts(path, text_column=text_column, label_column=label_column))
    folder = next((directory / name for name in files.SPLIT_NAMES[split] if (directory / name).is_dir()), None)
    if folder:
        return Examples(lambda: labelled_folders(folder))
    if split == "train":
        raise files.missing_split(directory, split, expected)
    return None


def _tfds(data: str, split: str, text_column: str, label_column: str) -> Examples | None:
    builder = tfds.builder(data)
    features = builder.info.features
    for column, option in ((text_column, "--text-column"), (label_column, "--label-column")):
        if column not in features:
            raise InputError(f"--data {data} has no {column!r}; {option} is one of {', '.join(features)}")
    name = features[label_column].int2str if hasattr(features[label_column], "int2str") else str

    def to_example(row: dict) -> dict:
        return {"text": row[text_column].decode("utf-8", errors="replace"), "label": name(row[label_column])}

    return tfds.rows(builder, split, to_example)
