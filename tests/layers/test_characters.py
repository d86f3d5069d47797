"""Laws of the character features: they see the word, its beginning and its end, and nothing of the padding."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo.layers import characters

LAYERS = {
    "cnn": lambda: characters.CharCNN(10, dim=5, filters=4, widths=(2, 3)),
    "rnn": lambda: characters.CharRNN(10, dim=5, units=4),
}
WORDS = np.array([[[1, 2, 3], [4, 0, 0], [2, 2, 0]], [[3, 2, 1], [0, 0, 0], [0, 0, 0]]])  # the last two are padding


@pytest.fixture(params=LAYERS)
def layer(request):
    random.seed(1)
    return LAYERS[request.param]()


def features(layer, words):
    return ops.convert_to_numpy(layer(np.asarray(words)))


def test_padding_changes_nothing(layer):
    expected = features(layer, WORDS)
    wider = features(layer, np.pad(WORDS, ((0, 0), (0, 2), (0, 7))))
    np.testing.assert_allclose(wider[:, :3], expected, atol=1e-6)
    assert not wider[:, 3:].any()


def test_word_without_characters_is_zero(layer):
    answers = features(layer, WORDS)
    assert np.isfinite(answers).all()
    assert answers.any(axis=-1).tolist() == (WORDS > 0).any(axis=-1).tolist()


def test_each_word_is_read_alone(layer):
    together = features(layer, WORDS)
    for row, word in np.ndindex(WORDS.shape[:2]):
        letters = WORDS[row, word]
        alone = features(layer, letters[letters > 0][None, None] if letters.any() else letters[None, None])
        np.testing.assert_allclose(alone[0, 0], together[row, word], atol=1e-6)


def test_order_of_letters_counts(layer):
    answers = features(layer, [[[1, 2, 3], [3, 2, 1]]])
    assert not np.allclose(answers[0, 0], answers[0, 1])


def test_gradients_are_finite_and_reach_every_weight(layer):
    inputs = keras.Input([None, None], dtype="int32")
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, 8)
    with tf.GradientTape() as tape:
        loss = ops.sum(model(WORDS) ** 2)
    for weight, gradient in zip(model.weights, tape.gradient(loss, [w.value for w in model.weights]), strict=True):
        gradient = ops.convert_to_numpy(tf.convert_to_tensor(gradient))
        assert np.isfinite(gradient).all(), weight.path
        assert gradient.any(), weight.path


def test_saved_model_is_the_same_model(layer, tmp_path):
    inputs = keras.Input([None, None], dtype="int32")
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(again(WORDS)), ops.convert_to_numpy(model(WORDS)))
