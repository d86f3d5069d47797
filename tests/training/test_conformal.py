"""Calibrated quantiles hold on data like that which they were calibrated on."""

import keras
import numpy as np
import pytest

from zoo import layers
from zoo.training import conformal

LEVELS = (0.1, 0.5, 0.9)


@pytest.mark.parametrize("rows", [60, 2_000])  # too few for an offset at each horizon, and enough
def test_intervals_that_are_too_narrow_and_too_wide_hold_afterwards(rows):
    rng = np.random.default_rng(0)
    deviation = np.array([1.0, 1.0, 1.0])
    quantiles = np.broadcast_to(np.array([-0.1, 0.0, 3.0]), (rows, 3, 1, 3))  # true: ±1.28
    offset = conformal.offsets(quantiles, rng.normal(size=(rows, 3, 1)) * deviation[:, None], LEVELS)
    assert offset.shape == (3, 1, 3)
    assert np.all(offset[..., 1] == 0)  # the median is the forecast
    fresh = rng.normal(size=(20_000, 3, 1)) * deviation[:, None]
    below = (fresh[..., None] <= quantiles[:1] + offset).mean(axis=0)[:, 0]
    tolerance = 0.06 if rows == 60 else 0.02
    np.testing.assert_allclose(below[:, [0, 2]], np.tile([0.1, 0.9], (3, 1)), atol=tolerance)


def test_each_horizon_has_its_own_offset_where_there_is_enough_data():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(4_000, 2, 1)) * np.array([1.0, 5.0])[:, None]
    offset = conformal.offsets(np.zeros((4_000, 2, 1, 3)), truth, LEVELS)
    assert offset[1, 0, 2] == pytest.approx(5 * offset[0, 0, 2], rel=0.15)


def test_the_correction_for_a_finite_sample_points_outward():
    truth = np.arange(10.0)[:, None, None]  # 10 values: the 0.9 level with one more row is the largest but none
    offset = conformal.offsets(np.zeros((10, 1, 1, 3)), truth, LEVELS)
    assert offset[0, 0, 2] == 9
    assert offset[0, 0, 0] == 0


def test_missing_truth_does_not_count_and_without_any_nothing_moves():
    truth = np.array([[[1.0]], [[np.nan]], [[1.0]]])
    assert conformal.offsets(np.zeros((3, 1, 1, 3)), truth, LEVELS)[0, 0, 2] == 1
    assert not conformal.offsets(np.zeros((3, 1, 1, 3)), np.full((3, 1, 1), np.nan), LEVELS).any()


def test_rows_whose_truth_was_clipped_do_not_count():
    """Their median tells; rows of weight 0 are left out as well."""
    layer = layers.Quantiles(LEVELS, horizon=1, targets=1, name="quantiles")
    free = keras.Input([1, 1, 3])
    model = keras.Model(free, layer(free, keras.ops.zeros_like(free[..., 0])))
    x = np.zeros([300, 1, 1, 3], np.float32)
    x[200:, ..., 1] = 9  # their median
    y = np.full([300, 1, 1], 2, np.float32)
    y[200:] = 50
    y[:100] = -70
    weight = np.ones([300, 1], np.float32)
    weight[:100] = 0
    assert conformal.calibrate(model, [(x, y, weight)], highest=5.0) > 0
    np.testing.assert_allclose(model.predict_on_batch(x[:1]).ravel(), [0, 2, 2], atol=1e-5)
    layer.offset.assign(0 * layer.offset)
    assert conformal.calibrate(model, [(x, y, weight)], highest=-5.0) == 0
