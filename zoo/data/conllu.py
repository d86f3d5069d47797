"""Tagged sentences from treebanks of Universal Dependencies: CoNLL-U files, TFDS and the bundled sample.

A word is a line of ten columns between tabs; a blank line ends a sentence; lines with "#" are comments. A line for a
multiword token (id `3-4`) or for an empty node (id `8.1`) is no word: what it stands for has lines of its own, or none.
Format: https://universaldependencies.org/format.html
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from zoo.data import sources
from zoo.errors import InputError

Column = Literal["upos", "xpos"]
COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
NO_WORD = re.compile(r"\d+-\d+|\d+\.\d+")


def sentences(path: Path, *, column: Column) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]} for every sentence of a `.conllu` file, plain or gzipped.

    Raises:
        InputError: names the file and the line that is wrong, or the file without a sentence.
    """
    tokens: list[str] = []
    tags: list[str] = []
    empty = True
    for number, line in enumerate(sources.lines(path), 1):
        if number == 1:
            line = line.removeprefix("\ufeff")
        if line.startswith("#"):
            continue
        if line.strip():
            values = line.split("\t")
            if len(values) != len(COLUMNS):
                raise InputError(
                    f"{path} line {number}: {len(values)} column{'s' * (len(values) != 1)}, not {len(COLUMNS)}: "
                    f"a word is a line of {', '.join(COLUMNS)}, with tabs between; a blank line ends a sentence"
                )
            word = dict(zip(COLUMNS, values, strict=True))
            if NO_WORD.fullmatch(word["id"]):
                continue
            if word["id"] != str(len(tokens) + 1):
                raise InputError(
                    f"{path} line {number}: the id is {word['id']!r}, expected {len(tokens) + 1}: words of a sentence "
                    "are counted from 1, and a blank line ends it"
                )
            for name in ("form", column):
                if not word[name].strip():
                    raise InputError(f"{path} line {number}: no {name}; where there is none the column holds _")
            tokens.append(word["form"])
            tags.append(word[column])
        elif tokens:
            empty = False
            yield {"tokens": tokens, "tags": tags}
            tokens, tags = [], []
    if tokens:  # a last sentence without a blank line
        yield {"tokens": tokens, "tags": tags}
    elif empty:
        raise InputError(f"{path} has no sentence: a word is a line of {', '.join(COLUMNS)}, with tabs between")


def tagged(
    data: str, split: str, *, sample: Callable[[str], Iterable[dict]], column: Column
) -> sources.Examples | None:
    """Tagged sentences from any source, in the form of `sentences`; None where the source has no such split.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" or a directory of .conllu files, plain or gzipped.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
    """
    if data == "sample":
        return None if split == "validation" else sources.Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split, column)
    directory = Path(data)
    path = sources.find_file(directory, split, (".conllu",)) if directory.is_dir() else None
    if path:
        return sources.Examples(lambda: sentences(path, column=column))
    if split == "train" or not directory.is_dir():
        raise sources.missing_split(directory, split, "train.conllu (.gz too, such as en_ewt-ud-train.conllu.gz)")
    return None


def _tfds(data: str, split: str, column: Column) -> sources.Examples | None:
    builder = sources.tfds_builder(data)
    features = builder.info.features
    for name in ("tokens", column):
        if name not in features:
            raise InputError(f"--data {data} has no {name!r}, it has {', '.join(features)}; --column names another")
    feature = features[column].feature
    tag_name = feature.int2str if hasattr(feature, "int2str") else _tag

    def to_example(row: dict) -> dict:
        # TFDS keeps the rows that are no words: they have no head (CoNLL-U's _, which it writes as None), words have.
        heads = row["head"] if "head" in row else [b"0"] * len(row["tokens"])
        words = [
            (form.decode("utf-8", errors="replace"), tag_name(tag))
            for form, tag, head in zip(row["tokens"], row[column], heads, strict=True)
            if head not in (b"None", b"_")
        ]
        return {"tokens": [form for form, _ in words], "tags": [tag for _, tag in words]}

    rows = sources.tfds_rows(builder, split, to_example)
    return rows and sources.Examples(lambda: (example for example in rows if example["tokens"]))


def _tag(tag: bytes) -> str:
    return "_" if tag == b"None" else tag.decode("utf-8", errors="replace")
