"""Speech recognition, small enough for tests."""

from pathlib import Path

import numpy as np

from zoo.data import audio

TINY = {
    "units": 16,
    "layers": 1,
    "bands": 12,
    "rate": 8000,
    "limit": 36,
    "epochs": 2,
    "batch_tokens": 2048,
    "shapes": 2,
}
TINY |= {"dropout": 0.1, "decode": "lexicon", "beams": 4}
WITHOUT_SEARCH = {"monitor": "val_loss"}
SLOW_SEARCH = False
REFUSES_TEXTS = True  # a text is not a sound
BAD = ("list.csv", "audio,text,speaker\n0.wav,,ann\n", "list.csv line 2: expected a 'text'")


def write_good(folder: Path) -> None:
    lines = ["audio,text,speaker,split"]
    for number in range(12):
        samples = np.sin(np.arange(3000) * (number + 3) / 20).astype("float32") / 2
        (folder / f"{number}.wav").write_bytes(audio.to_wav(samples, 8000))
        split = "test" if number > 9 else "train"
        lines.append(f"{number}.wav,{'high' if number > 5 else 'low'} tone,voice {number % 5},{split}")
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
