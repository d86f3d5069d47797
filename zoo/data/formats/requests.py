"""Requests with an intent: tables of texts and labels, and CoNLL files in which slots are tagged too.

    # intent = PlayMusic
    play<TAB>O
    jazz<TAB>B-genre

A blank line ends a request. Tags mark slots in any scheme of `zoo.data.spans`; they are read as BIO.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from zoo.data.examples import Examples
from zoo.data.formats import conll, files, tables
from zoo.errors import InputError


def tagged(path: Path) -> Iterator[dict]:
    """{"text": str, "intent": str, "tokens": [str, ...], "slots": [str, ...]} for each request of a CoNLL file.

    Raises:
        InputError: names the file and the line of a request without an intent, or that `conll.bio` refuses.
    """
    for sentence in conll.bio(path):
        intent = " ".join(sentence.comments.get("intent", "").split())
        if not intent:
            raise InputError(
                f"{path} line {sentence.lines[0]}: the request has no intent; write # intent = NAME above it"
            )
        yield {
            "text": " ".join(sentence.tokens),
            "intent": intent,
            "tokens": sentence.tokens,
            "slots": sentence.tags,
        }


def examples(cfg: Any, split: str, *, sample: Callable[[str], Iterable[dict]]) -> Examples | None:
    """{"text": str, "intent": str}, from CoNLL files also "tokens" and "slots"; None if the source has no such split.

    Args:
        cfg: options data, out_of_scope (the label of requests that have no intent; it becomes ""), and those of
            `options.Columns`. The data is "sample", a directory of .conll files, or what `tables.classification` reads.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
    """
    if cfg.data == "sample":
        return Examples(lambda: iter(sample(split)))
    directory = Path(cfg.data)
    path = files.find_file(directory, split, (".conll",)) if directory.is_dir() else None
    if path:
        found: Examples | None = Examples(lambda: tagged(path))
    else:
        found = tables.classification(
            cfg.data,
            split,
            sample=sample,
            text_column=cfg.text_column,
            label_column=cfg.label_column,
            group_column=cfg.group_column,
        )

    def named(example: dict) -> dict:
        label = example.pop("label", None) or example["intent"]
        return example | {"intent": "" if label == cfg.out_of_scope else label}

    return found and Examples(lambda: map(named, found))
