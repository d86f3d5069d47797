"""Gradients k steps back equal theory and finite differences, and end where they are cut."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import cells
from zoo.training.through_time import gradient_norms, spectral_radius, with_radius

RNG = np.random.default_rng(0)
UNITS, STEPS = 6, 12
X = RNG.normal(size=(3, STEPS, 2)).astype("float32")
ZEROS = np.zeros((3, UNITS), "float32")


def total(states):
    return tf.reduce_sum(states[0])


def simple(recurrent: np.ndarray):
    kernel = RNG.normal(size=(2, UNITS)).astype("float32")
    return partial(cells.simple_rnn_step, weights=[kernel, recurrent, np.zeros(UNITS, "float32")])


def orthogonal() -> np.ndarray:
    return np.linalg.qr(RNG.normal(size=(UNITS, UNITS)))[0].astype("float32")


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.5])
def test_near_zero_the_gradient_is_a_power_of_the_spectral_radius(radius):
    recurrent = with_radius(orthogonal(), radius)
    assert spectral_radius(recurrent) == pytest.approx(radius, rel=1e-5)
    (norms,) = gradient_norms(simple(recurrent), 1e-12 * X, [ZEROS], total)
    np.testing.assert_allclose(norms / norms[0], radius ** np.arange(STEPS + 1.0), rtol=1e-3)


def test_the_first_gradient_equals_a_finite_difference():
    step = simple(orthogonal())

    def value(start: np.ndarray) -> float:
        return float(total(cells.unroll(step, X, [start])[1]))

    gradient = np.zeros_like(ZEROS)
    for index in np.ndindex(*ZEROS.shape):
        moved = np.zeros_like(ZEROS)
        moved[index] = 1e-2
        gradient[index] = (value(moved) - value(-moved)) / 2e-2
    (norms,) = gradient_norms(step, X, [ZEROS], total)
    assert norms[-1] == pytest.approx(np.linalg.norm(gradient), rel=1e-2)


def test_truncation_ends_the_gradient_and_changes_nothing_before():
    step = simple(orthogonal())
    (whole,), (cut,) = (gradient_norms(step, X, [ZEROS], total, truncate=n) for n in (None, 5))
    np.testing.assert_allclose(cut[:6], whole[:6], rtol=1e-6)
    assert (cut[6:] == 0).all()


def test_an_lstm_has_a_row_for_each_state():
    weights = [RNG.normal(size=shape).astype("float32") for shape in ((2, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))]
    norms = gradient_norms(partial(cells.lstm_step, weights=weights), X, [ZEROS, ZEROS], total)
    assert norms.shape == (2, STEPS + 1)
    assert (norms > 0).all()
