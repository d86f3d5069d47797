"""Intents, small enough for tests."""

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
    "wide": "ngrams",
}
WITHOUT_SEARCH = {"monitor": "val_loss"}
SLOW_SEARCH = False
BAD = (
    "train.conll",
    "# intent = Play\nplay\tO\n\nplay\tO\njazz\tB-genre\n",
    "train.conll line 4: the request has no int",
)


def write_good(folder: Path) -> None:
    lines = []
    for city in ("oslo", "lima", "new york"):
        rest = "".join(f"{word}\t{'I' if i else 'B'}-city\n" for i, word in enumerate(city.split()))
        for intent, verb in (("weather", "rains"), ("travel", "fly")):
            lines.append(f"# intent = {intent}\n{verb}\tO\nin\tO\n{rest}\n" * 3)
    (folder / "train.conll").write_text("".join(lines))
