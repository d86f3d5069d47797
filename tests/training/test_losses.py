"""Sequence losses, against NumPy and by their laws."""

import keras
import numpy as np
import pytest

from zoo.training import losses
from zoo.training.losses import SequenceCrossentropy

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(2, 3, 5)).astype("float32")
TOKENS = np.array([[1, 4, 0], [2, 0, 0]])
WEIGHT = np.array([[1, 1, 1], [1, 0, 0]], "float32")
LOG_PROBS = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_cross_entropy_with_the_smoothed_target(smoothing):
    target = np.eye(5)[TOKENS] * (1 - smoothing) + smoothing / 5
    expected = (-(target * LOG_PROBS).sum(-1) * WEIGHT).sum() / WEIGHT.sum()
    loss = SequenceCrossentropy(smoothing)(TOKENS, LOGITS, sample_weight=WEIGHT)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradient_of_the_loss_is_chance_minus_target(smoothing):
    variable = keras.Variable(LOGITS)
    expected = (
        (np.exp(LOG_PROBS) - np.eye(5)[TOKENS] * (1 - smoothing) - smoothing / 5) * WEIGHT[..., None] / WEIGHT.sum()
    )
    np.testing.assert_allclose(gradient(SequenceCrossentropy(smoothing), variable), expected, atol=1e-6)


def test_class_weights_are_weights_of_the_true_class():
    weights = [1.0, 3.0, 0.5, 1.0, 2.0]
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, class_weights=weights)
    own = WEIGHT * np.array(weights)[TOKENS]
    nll = -np.take_along_axis(LOG_PROBS, TOKENS[..., None], axis=-1)[..., 0]
    assert float(loss(TOKENS, LOGITS, sample_weight=WEIGHT)) == pytest.approx((nll * own).sum() / own.sum(), rel=1e-5)
    again = losses.TagLoss.from_config(losses.TagLoss(class_weights=weights).get_config())
    assert float(again(TOKENS, LOG_PROBS, sample_weight=WEIGHT)) == pytest.approx(
        (nll * own).sum() / own.sum(), rel=1e-5
    )


def test_balanced_classes_count_the_same():
    counts = np.array([90, 10, 0, 20])
    weights = np.array(losses.balanced(counts))
    np.testing.assert_allclose((counts * weights)[counts > 0], 40)
    assert weights[2] == 1


def gradient(loss, variable):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(lambda value: loss(TOKENS, value, sample_weight=WEIGHT)))(variable.value)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss(TOKENS, variable, sample_weight=WEIGHT)
    return tape.gradient(value, variable.value)


def test_an_impossible_token_costs_much_and_not_infinity():
    loss = SequenceCrossentropy()([[1]], np.array([[[0.0, -200.0]]], "float32"))
    assert float(loss) == pytest.approx(200)


def test_loss_can_be_saved():
    again = keras.losses.deserialize(keras.losses.serialize(SequenceCrossentropy(0.2)))
    assert (again.label_smoothing, again.reduction) == (0.2, "mean_with_sample_weight")


def test_a_loss_says_the_shape_of_its_weights():
    for kind in (losses.SparseCategoricalCrossentropy, SequenceCrossentropy, losses.TagLoss):
        assert kind.weighs == "steps"


def test_a_loss_of_one_label_a_row_is_the_same_as_of_one_step():
    logits, labels = LOGITS[:, 0], TOKENS[:, 0]
    loss = SequenceCrossentropy(0.1)
    of_steps = loss(labels[:, None], logits[:, None], sample_weight=np.ones((2, 1), "float32"))
    assert float(loss(labels, logits, sample_weight=np.ones(2, "float32"))) == pytest.approx(float(of_steps))
