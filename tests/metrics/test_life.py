"""Metrics of remaining lives, on values that can be checked by hand."""

import numpy as np
import pytest

from zoo.metrics import life


def test_a_late_warning_costs_more_than_an_early_one():
    found = life.penalty(np.array([-13.0, 0.0, 10.0, 13.0]))
    np.testing.assert_allclose(found, [np.e - 1, 0, np.e - 1, np.exp(1.3) - 1])
    assert np.isfinite(life.penalty(np.array([1e9, -1e9]))).all()


def test_scores():
    quantiles = np.array([[40.0, 50, 60], [2, 7, 22], [70, 80, 90]])  # the means are 50, 10, 80
    found = life.scores(quantiles, np.array([40.0, 23, 80]), levels=[0.1, 0.5, 0.9], width=0.8)
    assert found["rmse"] == pytest.approx(np.sqrt((10**2 + 13**2) / 3))
    assert found["mae"] == pytest.approx(23 / 3)
    assert found["phm_score"] == pytest.approx(2 * (np.e - 1))
    assert found["coverage"] == pytest.approx(2 / 3)  # an end belongs to the interval
    assert found["width"] == pytest.approx(20)
