"""Where examples come from: files, TFDS and the bundled sample, all as re-iterables of raw dicts."""

import contextlib
import csv
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import remarks
from zoo.errors import InputError, did_you_mean

SPLIT_NAMES = {"train": ("train",), "validation": ("val", "dev", "valid", "validation"), "test": ("test",)}


class Examples:
    """A re-iterable of raw dicts, read anew at every pass, so that memory stays flat.

    Args:
        read: starts one pass.
        rows: which rows of it to give, ascending; None gives all.
    """

    def __init__(self, read: Callable[[], Iterator[dict]], rows: np.ndarray | None = None):
        self._read, self._rows = read, rows
        self._count = None if rows is None else len(rows)

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
        """Only these rows, in file order."""
        rows = np.sort(rows)
        return Examples(self._read, rows if self._rows is None else self._rows[rows])


def hold_out(examples: Examples, *, fraction: float, seed: int, by: str | None) -> tuple[Examples, Examples]:
    """Cuts `examples` in two at random: (the rest, the held-out part).

    Args:
        fraction: the share held out, at least one example.
        by: a key of the examples; the held-out part then has each of its values in proportion (stratified).
    """
    values = np.array([str(example[by]) if by else "" for example in examples])
    random = np.random.default_rng((seed, 1))
    held = []
    for value in np.unique(values):
        rows = random.permutation(np.flatnonzero(values == value))
        held.append(rows[: round(len(rows) * fraction)])
    out = np.concatenate(held) if sum(map(len, held)) else random.permutation(len(values))[:1]
    return examples.select(np.setdiff1d(np.arange(len(values)), out)), examples.select(out)


def limit(examples: Examples, count: int | None, *, seed: int) -> Examples:
    """At most `count` examples, drawn at random because files may be ordered by label."""
    if count is None or len(examples) <= count:
        return examples
    return examples.select(np.random.default_rng((seed, 2)).permutation(len(examples))[:count])


def unseen(splits: dict[str, Examples], key: str) -> tuple[str, Any] | None:
    """The first split and value of `key`, or of the list there, that train does not have; None where train has all."""
    values = {
        name: {value for example in examples for value in _as_list(example[key])} for name, examples in splits.items()
    }
    new = ((name, value) for name in values for value in sorted(values[name] - values["train"]))
    return next(new, None)


def _as_list(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def repeated(train: Examples, other: Examples, keys: Sequence[str]) -> list[int]:
    """Which rows of `other` have the same values of `keys` as some example of `train`.

    Reads both once and keeps eight bytes an example; of 10 million, different ones look equal once in 10⁵ runs.
    """

    def hashes(examples: Examples) -> Iterator[int]:
        for example in examples:
            values = repr([example[key] for key in keys]).encode("utf-8", errors="replace")
            yield int.from_bytes(hashlib.blake2b(values, digest_size=8).digest())

    known = np.unique(np.fromiter(hashes(train), np.uint64))
    rows = np.flatnonzero(np.isin(np.fromiter(hashes(other), np.uint64), known))
    return rows.tolist()


def find_file(directory: Path, split: str, suffixes: tuple[str, ...]) -> Path | None:
    """The file of `split` in `directory`: train, val/dev/valid or test is a part of its name between `.`, `_` and `-`.

    Args:
        suffixes: like ".jsonl"; the same with ".gz" is found too.
    Raises:
        InputError: two files qualify.
    """
    endings = tuple(suffix + gz for suffix in suffixes for gz in ("", ".gz"))
    found = []
    for path in sorted(directory.iterdir()):
        parts = path.name.lower().replace("_", ".").replace("-", ".").split(".")
        if path.name.endswith(endings) and not set(parts).isdisjoint(SPLIT_NAMES[split]):
            found.append(path)
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(f"two files for the {split} split in {directory}: {names}; keep one of them there")
    return found[0] if found else None


def missing_split(directory: Path, split: str, expected: str) -> InputError:
    """The error that names what was looked for and what is there."""
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "does not exist"
        return InputError(f"--data {directory} {what}; it takes sample, tfds:NAME or a directory with {expected}")
    names = sorted(path.name for path in directory.iterdir())
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "nothing"
    return InputError(f"no {split} split in {directory}/: expected {expected}; found {shown}")


def lines(path: Path) -> Iterator[str]:
    """The lines of a plain or gzipped text file; what is not UTF-8 becomes U+FFFD. Only "\\n" ends a line."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for line in file:
                try:
                    read = line.decode("utf-8")
                except UnicodeDecodeError:
                    read = line.decode("utf-8", errors="replace")
                    remarks.note("lines that are not UTF-8, read with U+FFFD for what is not", 1)
                yield read.rstrip("\n").removesuffix("\r")
    except (OSError, EOFError, zlib.error) as error:  # the last two: a gzip file that ends too early, or is damaged
        raise InputError(f"{path} cannot be read: {error}") from error


def labelled_texts(path: Path, *, text_column: str, label_column: str) -> Iterator[dict]:
    """{"text": str, "label": str} for every line of a `.jsonl`, or row of a `.csv` or `.tsv`, plain or gzipped.

    Raises:
        InputError: names the file and the line that is wrong.
    """
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    empty = True
    for number, record in (json_lines if kind == "jsonl" else _table)(path):
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
        yield {"text": text, "label": _label(record[label_column], path, number)}
    if empty:
        raise InputError(f"{path} is empty: each line needs a text and a label")


def _label(value: Any, path: Path, number: int) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    label = " ".join(str(value).split())
    if isinstance(value, (dict, list)) or not label or (isinstance(value, float) and math.isnan(value)):
        raise InputError(f"{path} line {number}: {value!r} is no label; a label is a name or a number")
    return label


def json_lines(path: Path) -> Iterator[tuple[int, dict]]:
    """Line number and object of every line of a `.jsonl` file that is not blank; all strings in it are UTF-8."""
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if "\\ud" in line.lower():  # JSON can hold half of a surrogate pair
                record = json.loads(json.dumps(record, ensure_ascii=False).encode("utf-8", errors="replace"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path} line {number}: not JSON ({error})") from error
        if not isinstance(record, dict):
            raise InputError(f'{path} line {number}: not a JSON object like {{"text": …, "label": …}}')
        yield number, record


def _table(path: Path) -> Iterator[tuple[int, dict]]:
    csv.field_size_limit(2**30)  # the default refuses a text of 128 KiB
    delimiter = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    reader = csv.DictReader((line + "\n" for line in lines(path)), delimiter=delimiter)
    try:
        for record in reader:
            yield reader.line_num, {name: value for name, value in record.items() if name is not None}
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: {error}") from error


def labelled_folders(directory: Path) -> Iterator[dict]:
    """{"text", "label"} from `LABEL/*.txt` as in aclImdb; the folder `unsup` holds no labels and is left out."""
    for folder in sorted(directory.iterdir()):
        if folder.is_dir() and folder.name != "unsup":
            for path in sorted(folder.glob("*.txt")):
                yield {"text": "\n".join(lines(path)), "label": folder.name}


def tfds_builder(data: str) -> Any:
    """The TFDS builder of `tfds:NAME[/CONFIG]`, its data prepared (downloaded if need be)."""
    import tensorflow_datasets as tfds

    name = data.removeprefix("tfds:")
    try:
        builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        raise InputError(f"--data {data}: TFDS has no {name!r}{did_you_mean(name, tfds.list_builders())}") from error
    except (ValueError, TypeError) as error:
        raise InputError(f"--data {data}: {str(error).splitlines()[0]}") from error
    try:
        builder.download_and_prepare()
    except Exception as error:  # whatever the network and the disk can do
        raise InputError(
            f"--data {data}: TFDS could not prepare it ({type(error).__name__}: {str(error).splitlines()[0][:120]}); "
            "own files need no network: --data DIRECTORY"
        ) from error
    return builder


def tfds_rows(builder: Any, split: str, to_example: Callable[[dict], dict], **options: Any) -> Examples | None:
    """The examples of a TFDS split, or None where it has no such split; `options` are those of `as_dataset`."""
    for name in SPLIT_NAMES[split]:
        with contextlib.suppress(ValueError):  # unknown split
            return Examples(partial(_converted, builder.as_dataset(split=name, **options), to_example))
    return None


def _converted(dataset: Any, to_example: Callable[[dict], dict]) -> Iterator[dict]:
    import tensorflow_datasets as tfds

    return map(to_example, tfds.as_numpy(dataset))


def classification(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], text_column: str, label_column: str
) -> Examples | None:
    """Labelled texts from any source, as {"text": str, "label": str}; None where the source has no such split.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" or a directory of .jsonl, .csv or .tsv files or of aclImdb folders.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        builder = tfds_builder(data)
        features = builder.info.features
        for column, option in ((text_column, "--text-column"), (label_column, "--label-column")):
            if column not in features:
                raise InputError(f"--data {data} has no {column!r}; {option} is one of {', '.join(features)}")
        name = features[label_column].int2str if hasattr(features[label_column], "int2str") else str

        def to_example(row: dict) -> dict:
            return {"text": row[text_column].decode("utf-8", errors="replace"), "label": name(row[label_column])}

        return tfds_rows(builder, split, to_example)
    directory = Path(data)
    suffixes = (".jsonl", ".csv", ".tsv")
    expected = "train.jsonl, train.csv, train.tsv (.gz too) or aclImdb folders"
    if not directory.is_dir():
        raise missing_split(directory, split, expected)
    path = find_file(directory, split, suffixes)
    if path:
        return Examples(lambda: labelled_texts(path, text_column=text_column, label_column=label_column))
    folder = next((directory / name for name in SPLIT_NAMES[split] if (directory / name).is_dir()), None)
    if folder:
        return Examples(lambda: labelled_folders(folder))
    if split == "train":
        raise missing_split(directory, split, expected)
    return None
