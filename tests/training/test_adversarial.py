"""Laws of adversarial training: the direction of the perturbation, its length, and what a step changes."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.training import adversarial, losses, optimizers

if keras.config.backend() != "tensorflow":
    pytest.skip("adversarial training needs TensorFlow", allow_module_level=True)

WORDS = np.array([[3, 4, 5, 0], [6, 7, 0, 0]])
TRUTH, WEIGHT = np.array([0, 1]), np.ones(2, "float32")


def model(strength: float) -> adversarial.AdversarialModel:
    keras.utils.set_random_seed(0)
    tokens = keras.Input([None], dtype="int32")
    vectors = adversarial.Shift(name="shift")(keras.layers.Embedding(10, 4, name="embedding")(tokens))
    real = ops.cast(tokens != 0, "float32")[:, :, None]
    logits = keras.layers.Dense(2)(ops.tanh(ops.sum(vectors * real, axis=1)))
    made = adversarial.AdversarialModel(tokens, logits, strength=strength)
    made.compile(optimizers.AdamW(0.05, clip_norm=1.0), losses.SparseCategoricalCrossentropy(from_logits=True))
    return made


def test_a_text_moves_by_a_share_of_the_length_of_its_own_words():
    rng = np.random.default_rng(0)
    vectors, slope = rng.normal(size=(2, 2, 4, 3)).astype("float32")
    slope[1, 2:] = 0  # padding
    moved = ops.convert_to_numpy(adversarial.perturbation(vectors, slope, 0.5))
    assert not moved[1, 2:].any()
    for row, count in ((0, 4), (1, 2)):
        size = np.linalg.norm(vectors[row, :count], axis=1).mean()
        np.testing.assert_allclose(np.linalg.norm(moved[row]), 0.5 * size, rtol=1e-5)
        np.testing.assert_allclose(
            moved[row] / np.linalg.norm(moved[row]), slope[row] / np.linalg.norm(slope[row]), rtol=1e-4
        )
    assert np.isfinite(ops.convert_to_numpy(adversarial.perturbation(vectors, 0 * slope, 0.5))).all()


def test_the_loss_is_larger_after_the_perturbation():
    import tensorflow as tf

    made = model(0.0)
    shift = made.get_layer("shift")
    with tf.GradientTape() as tape:
        loss = made.loss(TRUTH, made(WORDS), WEIGHT)
    shift.by = adversarial.perturbation(shift.seen, tape.gradient(loss, shift.seen), 0.3)
    assert float(made.loss(TRUTH, made(WORDS), WEIGHT)) > float(loss)


def test_a_step_learns_from_both_and_leaves_nothing_behind():
    usual, moved = model(0.0), model(0.3)
    for made in (usual, moved):
        made.fit(WORDS, TRUTH, sample_weight=WEIGHT, batch_size=2, epochs=3, shuffle=False, verbose=0)
    assert moved.get_layer("shift").by is None
    assert moved.history.history["loss"][0] == pytest.approx(usual.history.history["loss"][0])  # of the texts alone
    assert moved.history.history["loss"][-1] < moved.history.history["loss"][0]
    assert not np.allclose(usual.get_layer("embedding").get_weights()[0], moved.get_layer("embedding").get_weights()[0])
    no_strength = model(1e-12)
    no_strength.fit(WORDS, TRUTH, sample_weight=WEIGHT, batch_size=2, epochs=3, shuffle=False, verbose=0)
    for mine, other in zip(usual.get_weights(), no_strength.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-6)
