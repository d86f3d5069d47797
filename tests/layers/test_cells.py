"""The plain steps are the mathematics of the Keras layers, and the fast layers compute the same."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers import cells, recurrent

STEPS = {"SimpleRNN": cells.simple_rnn_step, "GRU": cells.gru_step, "LSTM": cells.lstm_step}
KEEP_MASK = np.arange(5) < np.array([[5], [1], [3]])
kinds = pytest.mark.parametrize("kind", STEPS)
masks = pytest.mark.parametrize("keep_mask", [None, KEEP_MASK], ids=["all steps are real", "right-padded"])


def given(kind, module):
    """A layer with weights and states away from zero, and its input: layer, x float[3, 5, 4], states."""
    random = np.random.default_rng(0)
    layer = getattr(module, kind)(2, return_sequences=True, return_state=True)
    layer.build((None, None, 4))
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    states = [random.normal(size=(3, 2)).astype("float32") for _ in range(2 if kind == "LSTM" else 1)]
    return layer, random.normal(size=(3, 5, 4)).astype("float32"), states


def plain(kind, weights, x, states, keep_mask):
    step = functools.partial(STEPS[kind], weights=weights)
    outputs, states = cells.unroll(step, x, states, keep_mask)
    return [outputs, *states]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), rtol=1e-4, atol=1e-5)


@masks
@kinds
@pytest.mark.parametrize("module", [keras.layers, recurrent], ids=["keras", "zoo"])
def test_outputs_and_states_are_those_of_the_layers(kind, module, keep_mask):
    layer, x, states = given(kind, module)
    wanted = layer(x, initial_state=[ops.convert_to_tensor(state) for state in states], mask=keep_mask)
    assert_same(plain(kind, layer.get_weights(), x, states, keep_mask), wanted)


@masks
@kinds
def test_gradients_of_the_fast_layers_are_those_of_the_plain_steps(kind, keep_mask):
    """To the input, the first states and the weights, of a sum in which every number weighs something else."""
    if keras.config.backend() != "tensorflow":
        pytest.skip("the gradients of the fast path are written out for TensorFlow alone")
    import tensorflow as tf

    layer, x, states = given(kind, recurrent)
    x, *states = (tf.constant(value) for value in (x, *states))
    weights = [weight.value for weight in layer.trainable_weights]

    def gradients(compute):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            results = compute()
            loss = tf.add_n([tf.reduce_sum(r * np.cos(np.arange(tf.size(r))).reshape(r.shape)) for r in results])
        return tape.gradient(loss, [x, *states, *weights])

    fast = gradients(lambda: layer(x, initial_state=states, mask=keep_mask, training=True))
    assert_same(fast, gradients(lambda: plain(kind, weights, x, states, keep_mask)))


def test_an_lstm_that_remembers_and_never_writes_keeps_its_memory():
    """Numbers that a person can check: gates of ±30 are open or shut."""
    zeros, shut, open_ = np.zeros([1, 1]), -30.0, 30.0
    weights = [np.zeros([1, 4]), np.zeros([1, 4]), np.array([shut, open_, 0.0, open_])]
    h, c = cells.lstm_step(zeros, [zeros, np.full([1, 1], 0.5)], weights)
    np.testing.assert_allclose([h[0, 0], c[0, 0]], [np.tanh(0.5), 0.5], rtol=1e-6)
