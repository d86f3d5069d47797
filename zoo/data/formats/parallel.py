"""Parallel text: line n of one file is the translation of line n of the other."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path

from zoo.data.examples import Examples
from zoo.data.formats import files, tfds
from zoo.errors import InputError


def pairs(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], source: str, target: str
) -> Examples | None:
    """Sentence pairs as {"source": str, "target": str}; None if the source has no such split.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" of a translation set, or a directory with files like train.en and train.de.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split, with a text for each of its languages.
        source, target: language codes: the endings of the file names.
    """
    if data == "sample":
        known = next(iter(sample("test")))
        _check(data, source, target, known)
        return None if split == "validation" else Examples(lambda: (_pair(e, source, target) for e in sample(split)))
    if data.startswith("tfds:"):
        builder = tfds.builder(data)
        _check(data, source, target, builder.info.features)
        return tfds.rows(builder, split, partial(_pair, source=source, target=target))
    directory = Path(data)
    expected = f"train.{source} and train.{target} (.gz too; --source and --target name other languages)"
    if not directory.is_dir():
        raise files.missing_split(directory, split, expected)
    source_file, target_file = (files.find_file(directory, split, (f".{code}",)) for code in (source, target))
    if source_file and target_file:
        return Examples(partial(read, source_file, target_file))
    if source_file or target_file or split == "train":
        raise files.missing_split(directory, split, expected.replace("train.", f"{split}."))
    return None


def read(source: Path, target: Path) -> Iterator[dict]:
    """The pairs of two files, plain or gzipped.

    Raises:
        InputError: the files have different numbers of lines.
    """
    for pair in zip_longest(files.lines(source), files.lines(target)):
        if None in pair:
            counts = [sum(1 for _ in files.lines(path)) for path in (source, target)]
            raise InputError(
                f"{source} has {counts[0]:,} lines and {target.name} {counts[1]:,}: "
                "line n of one must be the translation of line n of the other"
            )
        yield {"source": pair[0], "target": pair[1]}


def _check(data: str, source: str, target: str, known: Iterable[str]) -> None:
    for language, option in ((source, "--source"), (target, "--target")):
        if language not in known:
            raise InputError(f"--data {data} has no {language!r}; {option} is one of {', '.join(known)}")


def _pair(row: dict, source: str, target: str) -> dict:
    def text(value: str | bytes) -> str:
        return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value

    return {"source": text(row[source]), "target": text(row[target])}
