"""Part of speech, small enough for tests."""

from pathlib import Path

TINY = {
    "units": 8,
    "embedding": 8,
    "character_features": 12,
    "limit": 48,
    "epochs": 2,
    "batch_tokens": 256,
    "shapes": 3,
    "dropout": 0.1,
}
SLOW_SEARCH = False
BAD = ("train.conllu", "1\tThey\n\n", "train.conllu line 1: 2 columns, not 10")


def write_good(folder: Path) -> None:
    words = [("They", "PRON"), ("fish", "VERB"), (".", "PUNCT")]
    lines = [f"{number}\t{word}\t_\t{tag}" + "\t_" * 6 + "\n" for number, (word, tag) in enumerate(words, 1)]
    (folder / "train.conllu").write_text(("".join(lines) + "\n") * 12)
