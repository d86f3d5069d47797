"""Every kind of picture is written, without a screen and without pyplot."""

import sys

import numpy as np
import pytest
from PIL import Image

from zoo.plots import attention, calibration, confusion, learning, lengths, pictures, shaded, tags

HISTORY = {"loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "val_bleu": [1.0, 2.0], "gradient_norm": [3.0, 0.5]}
PICTURE = np.zeros((8, 8, 3), np.uint8)
DRAW = {
    "curve": lambda path: learning.curve(HISTORY, path, monitor="val_bleu", best=1),
    "loss alone": lambda path: learning.curve(HISTORY, path, monitor="val_loss", best=1),
    "gradient norm": lambda path: learning.gradient_norm(HISTORY, path, clip_norm=1.0),
    "lengths": lambda path: lengths.histogram(np.array([[3, 4], [5, 5]]), np.array([[5, 5]]), path, efficiency=0.85),
    "confusion": lambda path: confusion.matrix(["a", "b"], path, truth=["a", "a"], labels=["a", "b"]),
    "confused pairs": lambda path: confusion.pairs([("$a", "b_c", 3), ("b", "c", 1)], path),
    "no confused pairs": lambda path: confusion.pairs([], path),
    "reliability": lambda path: calibration.reliability(np.array([0.2, 0.9, 1.0]), np.array([False, True, True]), path),
    "rejection": lambda path: calibration.rejection(np.array([0.2, 0.9]), np.array([False, True]), 0.5, path),
    "rejection in scope": lambda path: calibration.rejection(np.ones(3), np.ones(3, bool), 0.0, path),
    "alignment": lambda path: attention.alignment([[0.9, 0.1]], path, source=["ein", "Hund"], target=["a"]),
    "over a picture": lambda path: attention.over_picture(
        [[0.25] * 4] * 6, path, picture=PICTURE, words=list("abcdef")
    ),
    "grid": lambda path: pictures.grid({"best": [(PICTURE, "a dog\n(a cat)")], "worst": []}, path),
    "shaded text": lambda path: shaded.text([-0.1, -20.0, -1.0], path, tokens=["a\n", " $b$" * 60, "\t"]),
    "no text": lambda path: shaded.text([], path, tokens=[]),
    "loss by position": lambda path: shaded.by_position(-np.ones((3, 9)), path, weights=np.tri(3, 9)),
    "perplexity by frequency": lambda path: shaded.by_frequency(-np.ones(4), path, counts=np.array([0, 9, 10, 10])),
    "tags": lambda path: tags.probabilities([[0.995, 0.005]], path, tokens=["dog"], tags=["NOUN", "VERB"]),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_picture_is_written(draw, tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules
    draw(tmp_path / "plots" / "picture.png")
    with Image.open(tmp_path / "plots" / "picture.png") as picture:
        assert min(picture.size) > 50
    assert ("matplotlib.pyplot" in sys.modules) == loaded
