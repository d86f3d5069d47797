"""Pictures of forecasts are written for long and short horizons, with gaps, for one series and for many."""

from pathlib import Path

import numpy as np
import pytest

from zoo.plots import forecasts

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
NAN = np.nan


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("horizon", [1, 6])
@pytest.mark.parametrize("rows", [1, 4, 12])
def test_fans(horizon, rows, tmp_path):
    path = tmp_path / "new" / "fans.png"
    history, truth = np.arange(30.0), np.arange(30.0, 30 + horizon)
    history[10:14], history[-1], truth[0] = NAN, NAN, NAN
    quantiles = truth[:, None] + np.linspace(-2, 2, 5)
    names = ["a name with $ and _" * 9] * rows
    forecasts.fans([history] * rows, [quantiles] * rows, [truth] * rows, path, levels=LEVELS, names=names)
    assert is_png(path)


def test_fans_of_short_histories_and_few_levels(tmp_path):
    path = tmp_path / "fans.png"
    truth, quantiles = np.ones(4), np.ones((4, 1))
    for levels in ([0.5], [0.4]):
        for history in (np.zeros(0), np.ones(1), np.full(3, NAN)):
            forecasts.fans([history], [quantiles], [truth], path, levels=levels, names=["x"])
            assert is_png(path)


def test_levels_that_mirror_each_other_are_pairs():
    assert forecasts._pairs(LEVELS) == [(0, 4), (1, 3)]
    assert forecasts._pairs([0.1, 0.5, 0.8, 0.9]) == [(0, 3)]
    assert forecasts._pairs([0.5]) == []


def test_means_leave_gaps_out():
    means = forecasts._means(np.array([[1.0, NAN, NAN], [3.0, 5.0, NAN]]))
    np.testing.assert_array_equal(means, [2, 5, NAN])


@pytest.mark.parametrize("horizon", [1, 6, 48])
@pytest.mark.parametrize("rows", [1, 12])
def test_by_horizon(horizon, rows, tmp_path):
    path = tmp_path / "horizon.png"
    errors = np.random.default_rng(0).normal(size=(rows, horizon))
    forecasts.by_horizon(errors, np.abs(errors) < 1, path, wanted=0.8)
    assert is_png(path)
    errors[:, 0] = NAN
    covered = np.where(np.isnan(errors), NAN, np.abs(errors) < 1)
    forecasts.by_horizon(errors, covered, path, wanted=0.8)
    assert is_png(path)


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_worst(count, tmp_path):
    path = tmp_path / "worst.png"
    values = np.arange(float(count))
    values[1:2] = NAN
    names = [f"house_{index} at $5" for index in range(count)]
    forecasts.worst(names, values, path)
    assert is_png(path)
    forecasts.worst(names, values, path, baseline=np.where(values > 2, NAN, 1.0))
    assert is_png(path)
