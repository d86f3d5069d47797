"""Attention over a padded memory: queries in, a weighted sum of the memory and the weights out.

`keys(memory)` is the part that does not depend on the query. A decoding loop computes it once and passes it to every
step as `keys=`. A step then costs one product with the query and one with the weights.
"""

import keras
from keras import ops


class _Attention(keras.layers.Layer):
    """The part that all attention layers share: one query or many, mask, softmax and weighted sum."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # masks are arguments; a mask that Keras propagates is ignored

    def call(self, query, memory, keep_mask, keys=None):
        if len(query.shape) not in (2, 3):
            raise ValueError(f"{self.name}: expected query float[B, Q] or float[B, S, Q], got {tuple(query.shape)}")
        keys = self.keys(memory) if keys is None else keys
        queries = query if len(query.shape) == 3 else ops.expand_dims(query, 1)
        scores = ops.cast(self.scores(queries, keys), "float32")  # [B, S, T]; in half precision small weights vanish
        # exp(-1e9 - maximum) is exactly 0 in float32; -inf could put NaN into a gradient.
        scores = ops.where(ops.expand_dims(keep_mask, 1), scores, -1e9)
        # For a single position the weight is 1; Keras warns about a softmax over one number.
        weights = ops.ones_like(scores) if memory.shape[1] == 1 else ops.softmax(scores, axis=-1)
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)  # [B, S, M]
        if len(query.shape) == 2:
            return ops.squeeze(context, 1), ops.squeeze(weights, 1)
        return context, weights

    def compute_mask(self, *args, **kwargs):
        return None

    def compute_output_spec(self, query, memory, keep_mask, keys=None):
        context = (*query.shape[:-1], memory.shape[-1])
        weights = (*query.shape[:-1], memory.shape[1])
        return keras.KerasTensor(context, self.compute_dtype), keras.KerasTensor(weights, "float32")


@keras.saving.register_keras_serializable("zoo")
class BahdanauAttention(_Attention):
    """Looks up `memory` by how well each position matches `query`; a small network computes the score.

    score = v · tanh(W query + U memory); Bahdanau et al. 2015, appendix A.1.2, https://arxiv.org/abs/1409.0473
    Many queries at once allocate float[B, S, T, units]; Luong's scores need only float[B, S, T].

    Call arguments:
        query:     float[B, Q] or float[B, S, Q], the decoder state(s).
        memory:    float[B, T, M], the encoder's outputs.
        keep_mask: bool[B, T], True where `memory` is a real token; at least one per row.
        keys:      float[B, T, units], the result of `self.keys(memory)`; None computes it here.
    Returns:
        context float[B, M] or float[B, S, M] and weights float32[B, T] or float32[B, S, T]; weights are 0 where
        `keep_mask` is False and sum to 1.
    Raises:
        ValueError: `query` has neither 2 nor 3 dimensions.

    >>> import numpy as np
    >>> query, memory = np.ones([1, 4], "float32"), np.ones([1, 3, 6], "float32")
    >>> keep_mask = np.array([[True, True, False]])
    >>> context, weights = BahdanauAttention(5)(query, memory, keep_mask)
    >>> tuple(context.shape), weights.numpy().tolist()
    ((1, 6), [[0.5, 0.5, 0.0]])
    """

    def __init__(self, units: int, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, query_shape, memory_shape, keep_mask_shape=None, keys_shape=None):
        self.query_kernel = self.add_weight(shape=(query_shape[-1], self.units), name="query_kernel")
        self.memory_kernel = self.add_weight(shape=(memory_shape[-1], self.units), name="memory_kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")
        self.score_kernel = self.add_weight(shape=(self.units, 1), name="score_kernel")

    def keys(self, memory):
        """U memory + bias: float[B, T, M] → float[B, T, units]."""
        # Decoders use this method outside of `call`, where Keras does not cast weights to the compute dtype.
        return ops.matmul(memory, ops.cast(self.memory_kernel, memory.dtype)) + ops.cast(self.bias, memory.dtype)

    def scores(self, queries, keys):
        """float[B, S, Q], float[B, T, units] → float[B, S, T]."""
        queries = ops.matmul(queries, self.query_kernel)
        energy = ops.tanh(ops.expand_dims(queries, 2) + ops.expand_dims(keys, 1))  # [B, S, T, units]
        return ops.squeeze(ops.matmul(energy, self.score_kernel), -1)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("zoo")
class LuongAttention(_Attention):
    """Looks up `memory` by the product of each position with `query`.

    Luong et al. 2015, section 3.1, https://arxiv.org/abs/1508.04025

    Args:
        score: "dot" for query · memory, which has no weights and needs the same width for both; "general" for
            query · (W memory), which takes any widths.

    Call arguments and results: those of `BahdanauAttention`, except that keys are float[B, T, Q].
    Raises:
        ValueError: an unknown `score`; "dot" with query and memory of different widths; `query` has neither 2 nor 3
            dimensions.

    >>> import numpy as np
    >>> query = np.array([[9.0, 0.0]], "float32")                 # points the way of the first position
    >>> memory = np.array([[[9.0, 0.0], [0.0, 9.0], [9.0, 9.0]]], "float32")
    >>> keep_mask = np.array([[True, True, False]])
    >>> context, weights = LuongAttention("dot")(query, memory, keep_mask)
    >>> context.numpy().round(3).tolist(), weights.numpy().round(3).tolist()
    ([[9.0, 0.0]], [[1.0, 0.0, 0.0]])
    """

    def __init__(self, score: str = "dot", **kwargs):
        super().__init__(**kwargs)
        if score not in ("dot", "general"):
            raise ValueError(f"unknown score {score!r}; expected 'dot' or 'general'")
        self.score = score

    def build(self, query_shape, memory_shape, keep_mask_shape=None, keys_shape=None):
        if self.score == "general":
            self.kernel = self.add_weight(shape=(memory_shape[-1], query_shape[-1]), name="kernel")
        elif query_shape[-1] != memory_shape[-1]:
            raise ValueError(
                f"dot attention needs query and memory of the same width, got {query_shape[-1]} and "
                f"{memory_shape[-1]}; use 'general', or project the memory"
            )

    def keys(self, memory):
        """float[B, T, M] → float[B, T, Q]: W memory for "general", the memory itself for "dot"."""
        return memory if self.score == "dot" else ops.matmul(memory, ops.cast(self.kernel, memory.dtype))

    def scores(self, queries, keys):
        """float[B, S, Q], float[B, T, Q] → float[B, S, T]."""
        return ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))

    def get_config(self):
        return {**super().get_config(), "score": self.score}


ATTENTIONS = ("bahdanau", "dot", "general")


def make_attention(kind: str, *, units: int, **kwargs) -> keras.layers.Layer:
    """Makes the attention layer of a name.

    Args:
        kind: "bahdanau", or a score of `LuongAttention`: "dot" or "general".
        units: width of Bahdanau's network; the other kinds ignore it.
        kwargs: arguments of every Keras layer, such as `name`.
    Raises:
        ValueError: an unknown `kind`.
    """
    if kind not in ATTENTIONS:
        raise ValueError(f"unknown attention {kind!r}; expected one of {', '.join(ATTENTIONS)}")
    return BahdanauAttention(units, **kwargs) if kind == "bahdanau" else LuongAttention(kind, **kwargs)
