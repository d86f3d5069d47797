"""Pictures of a sound and its transcript are written, also of silence."""

import numpy as np
import pytest

from zoo.plots import speech


@pytest.mark.parametrize("symbols", [[], ["a", " ", "$"]])
def test_pictures_are_written(symbols, tmp_path):
    random = np.random.default_rng(0)
    features, times = random.normal(size=(60, 8)), [0.1 * i for i in range(len(symbols))]
    speech.aligned(features, tmp_path / "one.png", symbols=symbols, times=times, seconds=0.01, truth="a $")
    chances = random.dirichlet(np.full(4, 0.2), 20)
    speech.posteriors(chances, tmp_path / "two.png", classes=["a", " ", "$"], seconds=0.03)
    for name in ("one.png", "two.png"):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
