"""Sentences with spans, such as names: files with one tag column, and JSON lines of texts with spans of characters."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import tensorflow as tf

from zoo.data import spans, words
from zoo.data.examples import Examples
from zoo.data.formats import conll, files
from zoo.errors import InputError

BATCH = 256  # texts that are split into words at a time
COLUMNS = (".conll", ".tsv", ".txt", ".bio")


def marked_texts(path: Path) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]} in BIO for every line of a `.jsonl` file, plain or gzipped.

    A line is {"text": "Ann left", "entities": [{"start": 0, "end": 3, "type": "PER"}]}: code points of the text, the
    end exclusive. Tokens are those of `zoo.data.words.split`; a span is widened to whole tokens. A text without a
    token is left out.

    Raises:
        InputError: names the file and the line that is wrong, or the file that is empty.
    """
    empty = True
    lines = files.json_lines(path)
    while batch := list(islice(lines, BATCH)):
        found = [(number, *_read(path, number, record)) for number, record in batch]
        texts = tf.constant([text for _, text, _ in found])
        tokens = words.split(texts)
        starts, ends = words.offsets(texts, tokens)
        rows = zip(found, tokens.to_list(), starts.to_list(), ends.to_list(), strict=True)
        for (number, _, characters), row, first, after in rows:
            try:
                inside = spans.widened(characters, first, after)
            except ValueError as error:
                raise InputError(f"{path} line {number}: {error}") from None
            if row:
                empty = False
                yield {"tokens": [token.decode() for token in row], "tags": spans.write(inside, len(row))}
    if empty:
        raise InputError(
            f'{path} has no text: a line is {{"text": …, "entities": [{{"start": …, "end": …, "type": …}}]}}'
        )


def _read(path: Path, number: int, record: dict) -> tuple[str, list[spans.Span]]:
    """The text and the spans of a line."""
    text, entities = record.get("text"), record.get("entities")
    if not isinstance(text, str) or not isinstance(entities, list):
        raise InputError(
            f'{path} line {number}: expected "text", a string, and "entities", a list; it has '
            f"{', '.join(map(repr, record)) or 'nothing'}"
        )
    return text, [_span(path, number, entity, len(text)) for entity in entities]


def _span(path: Path, number: int, entity: Any, length: int) -> spans.Span:
    start, end, kind = (entity.get(name) if isinstance(entity, dict) else None for name in ("start", "end", "type"))
    kind = " ".join(kind.split()) if isinstance(kind, str) and kind.isprintable() else ""
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length or not kind:
        raise InputError(
            f"{path} line {number}: the entity is {str(entity)[:80]}; expected start and end with 0 <= start < end <= "
            f'{length}, the length of the text, and a "type" with a name'
        )
    return spans.Span(start, end, kind)


def examples(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], invalid_tags: str = "repair"
) -> Examples | None:
    """{"tokens": [str, ...], "tags": [str, ...]} in BIO; None if the source has no such split.

    Args:
        data: "sample", or a directory of .conll, .tsv, .txt or .bio files with a word and its tag in each line, or of
            .jsonl files, plain or gzipped.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
        invalid_tags: "repair" or "refuse" tags that break the scheme of their file.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    directory = Path(data)
    path = files.find_file(directory, split, (*COLUMNS, ".jsonl")) if directory.is_dir() else None
    if path:
        if path.name.removesuffix(".gz").endswith(".jsonl"):
            return Examples(lambda: marked_texts(path))
        return Examples(lambda: _tagged(path, refuse=invalid_tags == "refuse"))
    if split == "train" or not directory.is_dir():
        raise files.missing_split(directory, split, "train.conll, .tsv, .txt, .bio or .jsonl (.gz too)")
    return None


def _tagged(path: Path, *, refuse: bool) -> Iterator[dict]:
    for sentence in conll.bio(path, refuse=refuse):
        yield {"tokens": sentence.tokens, "tags": sentence.tags}
