"""Sentiment, small enough for tests; CONTRIBUTING.md says what such a file holds."""

from pathlib import Path

TINY = {"units": 8, "embedding": 8, "limit": 48, "epochs": 2, "batch_tokens": 256, "shapes": 3, "dropout": 0.1}
TINY |= {"wide": "ngrams"}  # the template is asked the laws without it
SLOW_SEARCH = False
BAD = ("train.csv", "text,label\nfine,good\nawful\n", 'train.csv line 3: no "label"')


def write_good(folder: Path) -> None:
    rows = [f"a {word} film,{label}" for word, label in (("fine", "good"), ("weak", "bad")) for _ in range(6)]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
