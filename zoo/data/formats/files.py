"""Files by split, and their lines."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from zoo.data import remarks
from zoo.errors import InputError

SPLIT_NAMES = {"train": ("train",), "validation": ("val", "dev", "valid", "validation"), "test": ("test",)}


def find_file(directory: Path, split: str, suffixes: tuple[str, ...]) -> Path | None:
    """The file of `split` in `directory`: train, val/dev/valid or test is a part of its name between `.`, `_` and `-`.

    Args:
        suffixes: such as ".jsonl"; the same with ".gz" is found too.
    Raises:
        InputError: two files qualify.
    """
    endings = tuple(suffix + gz for suffix in suffixes for gz in ("", ".gz"))
    found = []
    for path in sorted(directory.iterdir()):
        if path.name.endswith(endings) and split in splits_of(path):
            found.append(path)
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(f"two files for the {split} split in {directory}: {names}; keep one of them there")
    return found[0] if found else None


def splits_of(path: Path) -> list[str]:
    """The splits that the name of a file says it belongs to; see `find_file`."""
    parts = set(path.name.lower().replace("_", ".").replace("-", ".").split("."))
    return [split for split, names in SPLIT_NAMES.items() if not parts.isdisjoint(names)]


def missing_split(directory: Path, split: str, expected: str) -> InputError:
    """The error for a split that is not there: says what was expected and what was found."""
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "does not exist"
        return InputError(f"--data {directory} {what}; it takes sample, tfds:NAME or a directory with {expected}")
    names = sorted(path.name for path in directory.iterdir())
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "nothing"
    return InputError(f"no {split} split in {directory}/: expected {expected}; found {shown}")


def lines(path: Path) -> Iterator[str]:
    """The lines of a plain or gzipped text file. Only "\\n" ends a line; bytes that are not UTF-8 become U+FFFD."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            for line in file:
                try:
                    read = line.decode("utf-8")
                except UnicodeDecodeError:
                    read = line.decode("utf-8", errors="replace")
                    remarks.note("lines that are not UTF-8 (invalid bytes become U+FFFD)", 1)
                yield read.rstrip("\n").removesuffix("\r")
    except (OSError, EOFError, zlib.error) as error:  # the last two: a gzip file that ends too early, or is damaged
        raise InputError(f"{path} cannot be read: {error}") from error


def json_lines(path: Path) -> Iterator[tuple[int, dict]]:
    """Line number and object of every line of a `.jsonl` file; blank lines are skipped, all strings are valid UTF-8.

    Raises:
        InputError: names the file and the line that is not a JSON object.
    """
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
