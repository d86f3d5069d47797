"""Tagged sentences: treebanks of Universal Dependencies (CoNLL-U files and TFDS), and files with one tag column.

A word is a line; a blank line ends a sentence; lines with "#" are comments. In CoNLL-U a word has ten columns between
tabs. Lines for multiword tokens (id `3-4`) and for empty nodes (id `8.1`) are skipped: the words of a multiword token
have lines of their own, and an empty node is not in the text. Format: https://universaldependencies.org/format.html
In other files the first column is the word and the last one its tag, as in the shared tasks of CoNLL 2002 and 2003.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from zoo.data import spans
from zoo.data.examples import Examples
from zoo.data.formats import files, tfds
from zoo.errors import InputError

Column = Literal["upos", "xpos"]
COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
DETECT = 1000  # sentences that the scheme of tags is detected from
NOT_A_WORD = re.compile(r"\d+-\d+|\d+\.\d+")  # the id of a multiword token or an empty node


class Block(NamedTuple):
    """The lines of a sentence.

    Attributes:
        comments: the values of comments such as `# intent = PlayMusic`, by name.
        rows: (number in the file, line) of every other line.
    """

    comments: dict[str, str]
    rows: list[tuple[int, str]]


def blocks(path: Path, *, comment: Callable[[str], object]) -> Iterator[Block]:
    """The sentences of a file, plain or gzipped.

    Args:
        comment: whether a line is a comment.
    Raises:
        InputError: the file cannot be read.
    """
    block = Block({}, [])
    for number, line in enumerate(files.lines(path), 1):
        if number == 1:
            line = line.removeprefix("\ufeff")
        if comment(line):
            name, equals, value = line.lstrip("#").partition("=")
            if equals:
                block.comments[name.strip()] = value.strip()
        elif line.strip():
            block.rows.append((number, line))
        elif block.rows:
            yield block
            block = Block({}, [])
    if block.rows:  # a last sentence without a blank line
        yield block


def sentences(path: Path, *, column: Column) -> Iterator[dict]:
    """{"tokens": [str, ...], "tags": [str, ...]} for every sentence of a `.conllu` file, plain or gzipped.

    Raises:
        InputError: names the file and the line that is wrong, or the file that has no sentence.
    """
    empty = True
    for block in blocks(path, comment=lambda line: line.startswith("#")):
        tokens: list[str] = []
        tags: list[str] = []
        for number, line in block.rows:
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
        if tokens:
            empty = False
            yield {"tokens": tokens, "tags": tags}
    if empty:
        raise InputError(f"{path} has no sentence: a word is a line of {', '.join(COLUMNS)}, with tabs between")


class Columns(NamedTuple):
    """A sentence from a file with one tag column.

    Attributes:
        comments: as in `Block`.
        tokens, tags: the first and the last column.
        lines: the number of each word's line.
    """

    comments: dict[str, str]
    tokens: list[str]
    tags: list[str]
    lines: list[int]


def columns(path: Path) -> Iterator[Columns]:
    """The sentences of a file with two columns or more, between tabs; between blanks in lines without a tab.

    "#" can be a word. So a line is a comment if it begins with "#" and has no tab, and either a blank follows or
    nothing else is in it. Lines `-DOCSTART-` are skipped.

    Raises:
        InputError: names the file and the line with one column, or the file that has no sentence.
    """
    empty = True
    for block in blocks(path, comment=_is_comment):
        words = []
        for number, line in block.rows:
            values = line.split("\t") if "\t" in line else line.split()
            values = [value.strip() for value in values]
            if len(values) < 2 or not values[0] or not values[-1]:
                raise InputError(
                    f"{path} line {number}: {line[:60]!r} has no tag: a line is a word, a tab and its tag, such as "
                    "'Oslo<TAB>B-LOC'; a blank line ends a sentence"
                )
            words.append((values[0], values[-1], number))
        if words and words[0][0] != "-DOCSTART-":
            empty = False
            tokens, tags, lines = (list(part) for part in zip(*words, strict=True))
            yield Columns(block.comments, tokens, tags, lines)
    if empty:
        raise InputError(f"{path} has no sentence: a line is a word, a tab and its tag; a blank line ends a sentence")


def _is_comment(line: str) -> bool:
    return line.startswith("#") and "\t" not in line and (line.startswith("# ") or len(line.split()) == 1)


def bio(path: Path, *, refuse: bool = False) -> Iterator[Columns]:
    """The sentences of a file whose tags mark spans, in any scheme of `zoo.data.spans`, as BIO.

    Args:
        refuse: a tag that breaks the scheme is an error; else it is repaired, and counted in a remark.
    Raises:
        InputError: names the file and the line, as `columns` does, or of a tag that is wrong.
    """
    scheme = None
    for sentence in columns(path):
        try:
            scheme = scheme or spans.detect(found.tags for found in islice(columns(path), DETECT))
            yield sentence._replace(tags=spans.to_bio(sentence.tags, scheme, refuse=refuse))
        except spans.InvalidTag as error:
            raise InputError(f"{path} line {sentence.lines[error.position]}: {error}") from None


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
