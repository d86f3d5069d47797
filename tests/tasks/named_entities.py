"""Named entities, small enough for tests."""

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
BAD = ("train.conll", "Ann\tB-PER\nleft\tVERB\n", "train.conll line 2: the tag is 'VERB'; expected O")


def write_good(folder: Path) -> None:
    (folder / "train.conll").write_text("Ann\tB-PER\nLee\tI-PER\nfished\tO\n\n" * 12)
