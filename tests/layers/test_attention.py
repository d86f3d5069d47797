"""Attention: weights are a distribution over the real positions, and the formulas are the papers'."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.attention import ATTENTIONS, BahdanauAttention, LuongAttention, make_attention

B, S, T, WIDTH = 3, 4, 5, 6
LENGTHS = np.array([5, 1, 3])
KEEP = np.arange(T) < LENGTHS[:, None]


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(B, S, WIDTH)).astype("float32"), rng.normal(size=(B, T, WIDTH)).astype("float32")


def numpy_of(*tensors):
    return [ops.convert_to_numpy(ops.copy(tensor)) for tensor in tensors]


def softmax(scores):
    scores = np.exp(scores - scores.max())
    return scores / scores.sum()


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_weights_are_zero_on_padding_and_sum_to_one(kind, inputs):
    context, weights = numpy_of(*make_attention(kind, units=7)(*inputs, KEEP))
    assert context.shape == (B, S, WIDTH)
    assert weights.shape == (B, S, T)
    assert (weights[~np.broadcast_to(KEEP[:, None], weights.shape)] == 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights[1, :, 0], 1)  # one real position: all of the weight


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_attention_ignores_padding(kind, inputs):
    query, memory = inputs
    layer = make_attention(kind, units=7)
    clean, _ = numpy_of(*layer(query, memory, KEEP))
    dirty = np.where(KEEP[..., None], memory, 1e4).astype("float32")
    np.testing.assert_allclose(numpy_of(*layer(query, dirty, KEEP))[0], clean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_many_queries_at_once_equal_one_by_one_with_keys_computed_before(kind, inputs):
    query, memory = inputs
    layer = make_attention(kind, units=7)
    many_context, many_weights = numpy_of(*layer(query, memory, KEEP))
    keys = layer.keys(ops.convert_to_tensor(memory))
    for s in range(S):
        context, weights = numpy_of(*layer(query[:, s], memory, KEEP, keys=keys))
        assert context.shape == (B, WIDTH)
        assert weights.shape == (B, T)
        np.testing.assert_allclose(context, many_context[:, s], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(weights, many_weights[:, s], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_scores_are_the_papers(kind, inputs):
    query, memory = inputs
    layer = make_attention(kind, units=7)
    _, weights = numpy_of(*layer(query, memory, KEEP))
    for weight in layer.weights:  # biases start at 0: give them a value that counts
        weight.assign(weight.value + 0.1)
    _, weights = numpy_of(*layer(query, memory, KEEP))
    values = {weight.name: numpy_of(weight)[0] for weight in layer.weights}
    for b in range(B):
        for s in range(S):
            q, m = query[b, s], memory[b, : LENGTHS[b]]
            if kind == "bahdanau":
                energy = np.tanh(q @ values["query_kernel"] + m @ values["memory_kernel"] + values["bias"])
                scores = (energy @ values["score_kernel"])[:, 0]
            else:
                scores = m @ (values["kernel"] @ q if kind == "general" else q)
            np.testing.assert_allclose(weights[b, s, : LENGTHS[b]], softmax(scores), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_a_memory_of_one_position(kind, inputs):
    query, memory = inputs
    context, weights = numpy_of(*make_attention(kind, units=7)(query, memory[:, :1], KEEP[:, :1]))
    np.testing.assert_array_equal(weights, np.ones((B, S, 1)))
    np.testing.assert_allclose(context, memory[:, :1].repeat(S, axis=1), rtol=1e-6)


def test_half_precision_weights_still_sum_to_one(inputs):
    layer = BahdanauAttention(7, dtype="mixed_bfloat16")
    context, weights = layer(*inputs, KEEP)
    assert keras.backend.standardize_dtype(context.dtype) == "bfloat16"
    np.testing.assert_allclose(numpy_of(weights)[0].sum(-1), 1, rtol=1e-6)


def test_errors_say_the_way_out(inputs):
    query, memory = inputs
    with pytest.raises(ValueError, match="bahdanau, dot, general"):
        make_attention("luong", units=3)
    with pytest.raises(ValueError, match="'dot' or 'general'"):
        LuongAttention("cosine")
    with pytest.raises(ValueError, match="4 and 6; use 'general'"):
        LuongAttention("dot")(query[..., :4], memory, KEEP)
    with pytest.raises(ValueError, match="float"):
        LuongAttention("dot")(query[:, None], memory, KEEP)
