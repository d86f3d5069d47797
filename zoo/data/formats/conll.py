"""Tagged sentences from treebanks of Universal Dependencies: CoNLL-U files and TFDS.

A word is a line of ten columns between tabs; a blank line ends a sentence; lines with "#" are comments. Lines for
multiword tokens (id `3-4`) and for empty nodes (id `8.1`) are skipped: the words of a multiword token have lines of
their own, and an empty node is not in the text. Format: https://universaldependencies.org/format.html
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

from zoo.data.examples import Examples
from zoo.data.formats import files, tfds
from zoo.errors import InputError

Column = Literal["upos", "xpos"]
COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
NOT_A_WORD = re.compile(r"\d+-\d+|\d+\.\d+")  # the id of a multiword token or an empty node


def sentences(path: Path, *, column: Column) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]} for every sentence of a `.conllu` file, plain or gzipped.

    Raises:
        InputError: names the file and the line that is wrong, or the file that has no sentence.
    """
    tokens: list[str] = []
    tags: list[str] = []
    empty = True
    for number, line in enumerate(files.lines(path), 1):
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
            if NOT_A_WORD.fullmatch(word["id"]):
                continue
            if word["id"] != str(len(tokens) + 1):
                raise InputError(
                    f"{path} line {number}: the id is {word['id']!r}, expected {len(tokens) + 1}: the words of a "
                    "sentence are counted from 1, and a blank line ends it"
                )
            for name in ("form", column):
                if not word[name].strip():
                    raise InputError(f"{path} line {number}: the column {name} is empty; write _ for a missing value")
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


def tagged(data: str, split: str, *, sample: Callable[[str], Iterable[dict]], column: Column) -> Examples | None:
    """Tagged sentences in the form of `sentences`; None if the source has no such split.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]" or a directory of .conllu files, plain or gzipped.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
        column: the column that holds the tags.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split, column)
    directory = Path(data)
    path = files.find_file(directory, split, (".conllu",)) if directory.is_dir() else None
    if path:
        return Examples(lambda: sentences(path, column=column))
    if split == "train" or not directory.is_dir():
        raise files.missing_split(directory, split, "train.conllu (.gz too, such as en_ewt-ud-train.conllu.gz)")
    return None


def _tfds(data: str, split: str, column: str) -> Examples | None:
    builder = tfds.builder(data)
    features = builder.info.features
    for name in ("tokens", column):
        if name not in features:
            raise InputError(f"--data {data} has no {name!r}, it has {', '.join(features)}; --column names another")
    feature = features[column].feature
    tag_name = feature.int2str if hasattr(feature, "int2str") else _tag

    def to_example(row: dict) -> dict:
        # TFDS keeps the lines that are not words. They have no head: CoNLL-U writes _, TFDS "None".
        heads = row["head"] if "head" in row else [b"0"] * len(row["tokens"])
        words = [
            (form.decode("utf-8", errors="replace"), tag_name(tag))
            for form, tag, head in zip(row["tokens"], row[column], heads, strict=True)
            if head not in (b"None", b"_")
        ]
        return {"tokens": [form for form, _ in words], "tags": [tag for _, tag in words]}

    rows = tfds.rows(builder, split, to_example)
    return rows and Examples(lambda: (example for example in rows if example["tokens"]))


def _tag(tag: bytes) -> str:
    return "_" if tag == b"None" else tag.decode("utf-8", errors="replace")
