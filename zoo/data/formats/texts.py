"""Texts without labels: text files, tables with a column of texts, and TFDS.

By split: `train.txt`, `wiki.train.tokens` or `train.jsonl`, or a folder `train/` of such files. Without splits: one
file, or a directory of files whose names have no split in them, read in the order of their names.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from zoo.data.examples import Examples
from zoo.data.formats import files, tables, tfds
from zoo.errors import InputError

PLAIN, TABLES = (".txt", ".tokens"), (".jsonl", ".csv", ".tsv")
EXPECTED = "train.txt, train.tokens, train.jsonl, train.csv or train.tsv (.gz too), or a folder train/ of such files"
NOT_TEXTS = ("readme", "license", "licence")  # the beginning of a file's name


def texts(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], whole: bool = False, text_column: str = "text"
) -> Examples | None:
    """Texts as {"text": str}; None if the source has no such split. They keep the order of the source.

    A single file has "train" only; `splits.contiguous("text")` cuts the other splits from its end.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]", a directory, or one file.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
        whole: a plain file is one text; by default each of its lines is. Blank lines are empty texts.
        text_column: the column or feature with the text, in tables and TFDS.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split, text_column)
    found = _files(Path(data), split)
    if found is None:
        return None
    if whole and found == _undivided(Path(data)) and len(found) == 1 and _is_plain(found[0]):
        raise InputError(
            f"{found[0]} is the only text if files are read whole, so no other split can be cut from it: "
            "read each line as a text, or supply a file for each split"
        )
    return Examples(partial(_read_all, found, whole=whole, text_column=text_column))


def read(path: Path, *, whole: bool = False, text_column: str = "text") -> Iterator[dict]:
    """{"text": str} for every line of a plain text file or row of a table; with `whole` the plain file as one text.

    Raises:
        InputError: names the file that has no text, or the line that is wrong.
    """
    if not _is_plain(path):
        yield from tables.labelled_texts(path, {"text": text_column})
        return
    blank, lines = True, []
    for number, line in enumerate(files.lines(path)):
        line = line.removeprefix("\ufeff") if number == 0 else line
        blank = blank and not line.strip()
        if whole:
            lines.append(line)
        else:
            yield {"text": line}
    if blank:
        raise InputError(f"{path} has no text: expected {'a text' if whole else 'one text per line'}")
    if whole:
        yield {"text": "\n".join(lines)}


def _read_all(paths: list[Path], *, whole: bool, text_column: str) -> Iterator[dict]:
    for path in paths:
        yield from read(path, whole=whole, text_column=text_column)


def _is_plain(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(PLAIN)


def _is_text(path: Path) -> bool:
    return path.is_file() and path.name.removesuffix(".gz").endswith(PLAIN + TABLES)


def _files(data: Path, split: str) -> list[Path] | None:
    """The files of a split in the order of their names, None if there are none.

    Raises:
        InputError: there is nothing to train with, or a split's folder has no texts.
    """
    if data.is_file() and not _is_text(data):
        raise InputError(f"--data {data} is not a text file: expected {', '.join(PLAIN + TABLES)} (.gz too)")
    undivided = _undivided(data)
    if undivided:
        return undivided if split == "train" else None
    if data.is_dir():
        file, folder = files.find_file(data, split, PLAIN + TABLES), _folder(data, split)
        if file and folder:
            raise InputError(
                f"the {split} split in {data} is both {file.name} and {folder.name}/; keep one of them there"
            )
        if file:
            return [file]
        if folder:
            found = sorted(path for path in folder.iterdir() if _is_text(path))
            if not found:
                raise InputError(f"{folder}/ has no texts: expected files {', '.join(PLAIN + TABLES)} (.gz too)")
            return found
    if split == "train":
        raise files.missing_split(data, split, EXPECTED)
    return None


def _undivided(data: Path) -> list[Path]:
    """The files that are not divided into splits: `data` itself, or all texts in it if none belongs to a split."""
    if data.is_file():
        return [data]
    if not data.is_dir() or any(_folder(data, split) for split in files.SPLIT_NAMES):
        return []
    found = sorted(path for path in data.iterdir() if _is_text(path) and not path.name.lower().startswith(NOT_TEXTS))
    return [] if any(files.splits_of(path) for path in found) else found


def _folder(data: Path, split: str) -> Path | None:
    return next((data / name for name in files.SPLIT_NAMES[split] if (data / name).is_dir()), None)


def _tfds(data: str, split: str, column: str) -> Examples | None:
    builder = tfds.builder(data)
    features = builder.info.features
    if column not in features:
        raise InputError(f"--data {data} has no {column!r}; {tables.OPTIONS['text']} is one of {', '.join(features)}")

    def to_example(row: dict) -> dict:
        text = row[column]
        if not isinstance(text, (bytes, str)):
            raise InputError(f"--data {data}: {column!r} is not text; {tables.OPTIONS['text']} names another feature")
        return {"text": text.decode("utf-8", errors="replace") if isinstance(text, bytes) else text}

    return tfds.rows(builder, split, to_example)
