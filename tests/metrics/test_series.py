"""Metrics of forecasts, on values that can be checked by hand and beside scikit-learn's pinball loss."""

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

from zoo.metrics import series

LEVELS = [0.1, 0.5, 0.9]
NAN = float("nan")


def scores(quantiles, truth, naive=2.0, std=4.0):
    quantiles, truth = np.array(quantiles, float)[None, :, None], np.array(truth, float)[None, :, None]
    return series.scores(
        quantiles, truth, levels=LEVELS, width=0.8, naive_error=np.array([[naive]]), std=np.array([std])
    )


def test_by_hand():
    found = scores([[8, 10, 12], [8, 10, 12], [8, 10, 12]], [11, 14, NAN])
    assert found["mae"] == 2.5
    assert found["rmse"] == pytest.approx(np.sqrt((1 + 16) / 2))
    assert found["mse"] == pytest.approx((1 / 16 + 16 / 16) / 2)
    assert found["smape"] == pytest.approx((2 * 1 / 21 + 2 * 4 / 24) / 2)
    assert found["mase"] == 2.5 / 2
    assert found["coverage"] == 0.5
    assert found["width"] == 4
    assert found["msis"] == pytest.approx((4 + (4 + 2 / 0.2 * 2)) / 2 / 2)
    assert found["levels"]["0.9"]["below"] == 0.5
    assert found["crps"] == 2 * found["pinball"]


def test_pinball_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, quantiles = rng.normal(size=50), rng.normal(size=(50, 3))
    found = series.pinball(quantiles, truth, LEVELS).mean(axis=0)
    expected = [mean_pinball_loss(truth, quantiles[:, i], alpha=level) for i, level in enumerate(LEVELS)]
    np.testing.assert_allclose(found, expected)


def test_no_truth_is_no_number_and_zeros_agree():
    assert np.isnan(scores([[0, 0, 0]], [NAN])["mae"])
    assert scores([[0, 0, 0]], [0])["smape"] == 0
    assert np.isnan(scores([[0, 0, 0]], [0], naive=NAN)["mase"])


def test_the_ends_of_an_interval():
    assert series.ends(LEVELS, 0.8) == (0, 2)
    assert series.has_ends(LEVELS, 0.8)
    assert not series.has_ends(LEVELS, 0.9)
