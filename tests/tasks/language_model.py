"""Language model, small enough for tests."""

from pathlib import Path

TINY = {"units": 12, "embedding": 8, "limit": 48, "epochs": 2, "streams": 4, "bptt": 10, "dropout": 0.1, "length": 5}
SLOW_SEARCH = False
BAD = ("train.txt", " \n\n", "train.txt has no text")


def write_good(folder: Path) -> None:
    (folder / "train.txt").write_text("the dog barks .\nthe cats sleep .\n" * 6)
