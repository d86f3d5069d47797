"""Parallel text: line n of one file is the translation of line n of the other."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path

from zoo.data import sources
from zoo.data.sources import Examples
from zoo.errors import InputError


def pairs(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], source: str, target: str
) -> Examples | None:
    """{"source": str, "target": str} from anywhere; None where the source has no such split.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" of a translation set, or a directory with files like train.en and train.de.
        sample: makes the bundled sample's examples of a split, with a text for each of its languages.
        source, target: codes of languages: the ends of the files' names.
    """
    if data == "sample":
        known = next(iter(sample("test")))
        _check(data, source, target, known)
        return None if split == "validation" else Examples(lambda: (_pair(e, source, target) for e in sample(split)))
    if data.startswith("tfds:"):
        builder = sources.tfds_builder(data)
        _check(data, source, target, builder.info.features)
        return sources.tfds_rows(builder, split, partial(_pair, source=source, target=target))
    directory = Path(data)
    expected = f"train.{source} and train.{target} (.gz too; --source and --target name other languages)"
    if not directory.is_dir():
        raise sources.missing_split(directory, split, expected)
    read_from, written_to = (sources.find_file(directory, split, (f".{language}",)) for language in (source, target))
    if read_from and written_to:
        return Examples(partial(read, read_from, written_to))
    if read_from or written_to or split == "train":
        raise sources.missing_split(directory, split, expected.replace("train.", f"{split}."))
    return None


def read(source: Path, target: Path) -> Iterator[dict]:
    """The pairs of two files, plain or gzipped.

    Raises:
        InputError: one of them has more lines.
    """
    for pair in zip_longest(sources.lines(source), sources.lines(target)):
        if None in pair:
            counts = [sum(1 for _ in sources.lines(path)) for path in (source, target)]
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
