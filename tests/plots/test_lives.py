"""Pictures of remaining lives are written, with the table that they show."""

import csv

import numpy as np
import pytest

from zoo.plots import lives

LEVELS = [0.1, 0.5, 0.9]


def test_lives_beside_the_truth(tmp_path):
    quantiles = np.array([[10.0, 20, 30], [5, 6, 7]])
    path = tmp_path / "plots" / "all.png"
    lives.against_truth(quantiles, np.array([25.0, 6]), path, levels=LEVELS, width=0.8, names=["a", "b"])
    assert path.read_bytes()[:4] == b"\x89PNG"
    rows = list(csv.DictReader(path.with_suffix(".csv").read_text().splitlines()))
    assert [(row["unit"], row["true"], row["q0.1"]) for row in rows] == [("b", "6", "5"), ("a", "25", "10")]


@pytest.mark.parametrize("truth", [7.0, float("nan")])
def test_one_unit_over_its_cycles(truth, tmp_path):
    path = tmp_path / "one.png"
    quantiles = np.sort(np.random.default_rng(0).uniform(0, 9, (5, 3)))
    lives.over_cycles(np.arange(5), quantiles, path, truth=truth, levels=LEVELS, width=0.8, name="$ unit")
    assert path.read_bytes()[:4] == b"\x89PNG"
