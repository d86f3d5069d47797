"""The LSTM on a GPU under JAX, with JAX' own reference in cuDNN's place: KERAS_BACKEND=jax, as `make slow` runs it."""

import keras
import numpy as np
import pytest

from zoo.layers import recurrent

if keras.config.backend() != "jax":
    pytest.skip("for the JAX backend", allow_module_level=True)

import jax
from jax.experimental import rnn

LENGTHS, STEPS, WIDTH, UNITS = [5, 1, 3, 6], 6, 4, 3


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Says that there is a GPU; the shapes that "cuDNN" is asked for."""
    asked = []

    def lstm(x, h, c, weights, lengths, *, input_size, hidden_size, num_layers, dropout, bidirectional):
        sizes = input_size, hidden_size, num_layers
        parts = rnn.unpack_lstm_weights(weights, *sizes, bidirectional)
        asked.append(x.shape)
        return rnn.lstm_ref(x, h, c, *parts, lengths, *sizes, dropout, bidirectional)

    monkeypatch.setattr(rnn, "lstm", lstm)
    monkeypatch.setattr("zoo.layers.recurrent.paths.on_gpu", lambda: True)
    return asked


def layer_of(module, both, options):
    layer = module.LSTM(UNITS, return_sequences=True, return_state=True, bias_initializer="random_normal", **options)
    return module.Bidirectional(layer) if both else layer


CASES = [(False, {}), (False, {"go_backwards": True}), (False, {"zero_output_for_mask": True}), (True, {})]


@pytest.mark.parametrize(("both", "options"), CASES)
def test_masked_batches_stay_on_cudnn_and_equal_keras(both, options, calls):
    random = np.random.default_rng(0)
    x = random.normal(size=(len(LENGTHS), STEPS, WIDTH)).astype("float32")
    mask = np.arange(STEPS) < np.array(LENGTHS)[:, None]
    ours, theirs = layer_of(recurrent, both, options), layer_of(keras.layers, both, options)
    for layer in (ours, theirs):
        layer.build(x.shape)
    theirs.set_weights(ours.get_weights())

    def loss(weights, x, layer):
        results, _ = layer.stateless_call(weights, layer.non_trainable_variables, x, mask=mask)
        return sum((r * np.cos(np.arange(r.size)).reshape(r.shape)).sum() for r in results), results

    def answer(layer):
        weights = [w.value for w in layer.trainable_variables]
        (_, results), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(weights, x, layer)
        return [*results, *gradients[0], gradients[1]]

    mine = answer(ours)
    assert len(calls) == (2 if both else 1)
    for got, want in zip(mine, answer(theirs), strict=True):
        np.testing.assert_allclose(got, want, atol=2e-5)


def test_what_jax_cannot_have_cudnn_do_says_so_once():
    with pytest.warns(UserWarning, match="gru_here: cuDNN does not support GRU with JAX"):
        assert recurrent.recurrent_path(recurrent.GRU(2, name="gru_here")) == "keras"
    with pytest.warns(UserWarning, match="float16 with JAX"):
        assert recurrent.recurrent_path(recurrent.LSTM(2, dtype="mixed_float16", name="half")) == "keras"
