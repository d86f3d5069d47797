"""Music, small enough for tests."""

import json
from pathlib import Path

TINY = {"units": 10, "embedding": 8, "limit": 24, "epochs": 2, "batch_tokens": 512, "shapes": 2, "dropout": 0.1}
TINY |= {"reach": 4, "length": 6, "particles": 4, "transpose": 2}
SLOW_SEARCH = False
REFUSES_TEXTS = True  # a word that is not a note is an error
BAD = ("pieces.json", '{"train": [[[60, 64], [60, "x"]]]}', "train piece 1 step 2 has 'x'")


def write_good(folder: Path) -> None:
    steps = [[48, 64, 67], [], [50, 65], [48, -1, 64]] * 3
    rolls = {"train": [steps[i:] for i in range(8)], "valid": [steps, steps[2:]], "test": [steps[1:]]}
    (folder / "pieces.json").write_text(json.dumps(rolls))
