"""AdamW takes the steps of Keras' AdamW; its average, its norm and its schedules have the values that they should."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo.options import Training
from zoo.training import optimizers
from zoo.training.optimizers import AdamW


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_those_of_keras(decay):
    rng = np.random.default_rng(0)
    shapes = [(5, 3), (3,)]
    starts = [rng.normal(size=shape).astype("float32") for shape in shapes]
    ours, theirs = ([keras.Variable(start) for start in starts] for _ in range(2))
    mine = AdamW(0.1, weight_decay=decay, clip_norm=1.0)
    keras_own = keras.optimizers.AdamW(0.1, weight_decay=decay, global_clipnorm=1.0)
    keras_own.build(theirs)
    keras_own.exclude_from_weight_decay(var_list=[theirs[1]])
    norms = []
    for scale in (0.01, 1.0, 30.0, 0.1):  # below and above the norm that is clipped
        gradients = [scale * rng.normal(size=shape).astype("float32") for shape in shapes]
        norms.append(np.sqrt(sum((gradient**2).sum() for gradient in gradients)))
        for optimizer, variables in ((mine, ours), (keras_own, theirs)):
            optimizer.apply([ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    for our, their, start in zip(ours, theirs, starts, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(our), ops.convert_to_numpy(their), rtol=1e-5, atol=1e-6)
        assert np.abs(ops.convert_to_numpy(our) - start).min() > 0.01
    assert mine.gradient_norm == pytest.approx(np.mean(norms), rel=1e-5)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="slices are TensorFlow's")
def test_the_norm_is_that_of_the_sum_of_all_slices_of_a_row():
    weights = keras.Variable(np.ones((5, 2), "float32"))
    optimizer = AdamW(0.1, clip_norm=1.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(weights.value, [1, 1, 1, 2]))
    optimizer.apply([tape.gradient(loss, weights.value)], [weights])
    assert optimizer.gradient_norm == pytest.approx(np.sqrt(2 * 3**2 + 2 * 1**2))


def test_gradient_norm_is_the_mean_before_clipping():
    weight = keras.Variable([0.0, 0.0])
    optimizer = AdamW(0.1, clip_norm=1.0)
    optimizer.build([weight])
    for gradient in ([3.0, 4.0], [0.0, 1.0]):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    assert optimizer.gradient_norm == pytest.approx((5 + 1) / 2)
    optimizer.reset_gradient_norm()
    assert optimizer.gradient_norm == 0


def averaged(momentum: float, steps: int, start: float = 1.0) -> tuple[float, list[float]]:
    """The moving average of one weight after some steps, and the weight after each of them."""
    weight = keras.Variable([start])
    optimizer = optimizers.adamw(Training(average_weights=momentum, learning_rate=0.1))
    optimizer.build([weight])
    seen = []
    for _ in range(steps):
        optimizer.apply([ops.ones(1)], [weight])
        seen.append(float(weight[0]))
    return float(optimizer._model_variables_moving_average[0][0]), seen


def test_the_average_begins_with_a_small_momentum():
    average, (first, second) = averaged(0.995, 2)
    assert average == pytest.approx(2 / 11 * first + 9 / 11 * second, abs=1e-6)


def test_the_average_goes_on_with_the_momentum_that_was_asked_for():
    average, seen = averaged(0.3, 8)  # (1 + t) / (10 + t) is above 0.3 from t = 3 on
    expected = 0.0
    for t, value in enumerate(seen):
        momentum = [0, 2 / 11, 3 / 12][t] if t < 3 else 0.3
        expected = momentum * expected + (1 - momentum) * value
    assert average == pytest.approx(expected, abs=1e-6)


def test_a_short_training_is_averaged_over_its_end():
    """100 steps on the way from 1 to −9: with a fixed momentum of 0.995 the average would be about −1."""
    average, seen = averaged(0.995, 100)
    assert seen[-1] == pytest.approx(-9, abs=0.1)
    assert average < -7.5


def test_a_restored_optimizer_goes_on_with_the_same_average():
    weight, later = keras.Variable([1.0]), keras.Variable([0.0])
    optimizer, restored = (optimizers.adamw(Training(average_weights=0.995)) for _ in range(2))
    optimizer.build([weight])
    restored.build([later])
    for _ in range(5):
        optimizer.apply([ops.ones(1)], [weight])
    for variable, value in zip([later, *restored.variables], [weight, *optimizer.variables], strict=True):
        variable.assign(value)
    for one, variable in ((optimizer, weight), (restored, later)):
        one.apply([ops.ones(1)], [variable])
    for one, other in zip(restored.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), ops.convert_to_numpy(other))


def rates(steps: list[int], **options) -> list[float]:
    schedule = optimizers.schedule(Training(learning_rate=1.0, warmup=0.1, **options), 100)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(step)) for step in steps] == [float(schedule(step)) for step in steps]
    return [float(schedule(step)) for step in steps]


WARMUP = [0.01, 0.505, 1.0]  # after 0, 5 and 10 steps


def test_a_cosine_falls_to_a_hundredth():
    assert rates([0, 5, 10, 55, 100]) == pytest.approx([*WARMUP, 0.505, 0.01], abs=1e-4)


def test_a_constant_rate_stays_at_its_peak():
    assert rates([0, 5, 10, 55, 100], schedule="constant") == pytest.approx([*WARMUP, 1.0, 1.0], abs=1e-4)


def test_cycles_are_triangles_that_begin_at_the_peak_and_end_at_the_bottom():
    """90 steps after warm-up for two peaks: down in 30, up in 30, down in 30."""
    values = rates([0, 5, 10, 25, 40, 55, 70, 85, 100], schedule="cyclical", cycles=2)
    assert values == pytest.approx([*WARMUP, 0.505, 0.01, 0.505, 1.0, 0.505, 0.01], abs=1e-4)
