"""Translation, small enough for tests."""

from pathlib import Path

TINY = {"units": 8, "embedding": 8, "limit": 48, "epochs": 2, "batch_tokens": 256, "shapes": 3, "dropout": 0.1}
WITHOUT_SEARCH = {"monitor": "val_perplexity"}  # what a backend that cannot search during training watches
SLOW_SEARCH = True
BAD = ("train.de", "Ein Hund.\n", "train.en has 12 lines and train.de 1")


def write_good(folder: Path) -> None:
    (folder / "train.en").write_text("A dog.\nA cat.\n" * 6)
    (folder / "train.de").write_text("Ein Hund.\nEine Katze.\n" * 6)
