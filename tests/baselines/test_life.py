"""Classical methods for remaining lives, on records whose lives can be read off a sensor."""

import numpy as np
import pytest

from zoo.baselines import life
from zoo.data.examples import Examples
from zoo.errors import InputError

LEVELS = [0.1, 0.5, 0.9]


def windows(units: int, seed: int, noise: float = 1.0) -> Examples:
    rng = np.random.default_rng(seed)
    found = []
    for name in range(units):
        for left in rng.uniform(0, 100, 12):
            heat = 100 - left - np.arange(5)[::-1] + rng.normal(0, noise, 5)
            found.append({"unit": f"u{name}", "cycle": 5.0, "history": np.stack([heat, np.ones(5)], 1), "life": left})
    return Examples(lambda: iter(found))


def test_statistics_of_a_window():
    history = np.array([[9.0, np.nan], [1, np.nan], [2, np.nan], [np.nan, np.nan], [4, np.nan]])
    (found,) = life.statistics([{"history": history}], 4)
    np.testing.assert_allclose(found[[0, 2, 4]], [7 / 3, 7 / 3, 1])  # the mean, of the last five rows too, the slope
    assert np.isnan(found[[1, 3]]).all()


def test_methods_find_the_life_and_their_intervals_hold():
    train, test = windows(20, 0), windows(40, 1)
    truth = np.array([example["life"] for example in test])
    found = life.compare(["mean", "ridge", "cox"], train, test, levels=LEVELS, cap=np.inf, rows=5)
    errors = []
    for method in found:
        quantiles = np.array([answer["quantiles"] for answer in method.answers])
        assert (np.diff(quantiles) >= 0).all()
        assert (quantiles >= 0).all()
        assert np.mean((quantiles[:, 0] <= truth) & (truth <= quantiles[:, 2])) == pytest.approx(0.8, abs=0.08)
        errors.append(np.sqrt(np.mean((quantiles[:, 1] - truth) ** 2)))
    mean, ridge, cox = errors
    assert mean == pytest.approx(100 / np.sqrt(12), rel=0.1)  # the deviation of a uniform distribution
    assert ridge < 2
    assert cox < 14  # hazards are not proportional here


def test_longer_lives_than_the_cap_are_censored():
    train, test = windows(20, 0), windows(10, 1)
    for method in life.compare(["ridge", "cox"], train, test, levels=LEVELS, cap=50.0, rows=5):
        means = np.array([answer["life"] for answer in method.answers])
        truth = np.array([example["life"] for example in test])
        assert np.abs(means[truth > 80].mean() - 50) < 10, method.name


def test_one_unit_and_constant_columns_are_enough():
    found = life.compare(["mean", "ridge", "cox"], windows(1, 0), windows(2, 1), levels=LEVELS, cap=50.0, rows=5)
    assert all(np.isfinite([answer["quantiles"] for answer in method.answers]).all() for method in found)


def test_an_unknown_method_is_told():
    with pytest.raises(InputError, match="did you mean 'ridge'"):
        life.check(["mean", "rigde"])
