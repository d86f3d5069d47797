"""Captioning, small enough for tests."""

import json
from pathlib import Path

from PIL import Image

TINY = {"units": 8, "embedding": 8, "limit": 48, "epochs": 2, "batch_tokens": 256, "shapes": 3, "dropout": 0.1}
WITHOUT_SEARCH = {"monitor": "val_perplexity"}  # what a backend that cannot search during training watches
SLOW_SEARCH = True
BAD = ("captions.jsonl", '{"image": "0.png"}\n', "captions.jsonl line 1: expected")


def write_good(folder: Path) -> None:
    for number in range(12):
        Image.new("RGB", (16, 16), (20 * number, 0, 0)).save(folder / f"{number}.png")
    lines = [json.dumps({"image": f"{number}.png", "captions": ["a red square"]}) for number in range(12)]
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
