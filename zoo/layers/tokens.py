"""Ids of tokens to vectors, and vectors to one logit per token."""

from collections.abc import Sequence

import keras
from keras import ops


def log_frequencies(counts: Sequence[float] | None, shape, dtype=None):
    """float[V]: the log of each token's share of `counts`, add-one smoothed; zeros if `counts` is None."""
    if counts is None:
        return ops.zeros(shape, dtype)
    smoothed = ops.convert_to_tensor(counts, dtype) + 1
    return ops.log(smoothed / ops.sum(smoothed))


@keras.saving.register_keras_serializable("zoo")
class TokenEmbedding(keras.layers.Layer):
    """Vectors of tokens, and with `reverse=True` the logits of all tokens, with a bias.

    Args:
        vocabulary: number of tokens, V.
        size: size of a vector, E.
        tied: the logits use the same matrix (Press & Wolf 2017, https://arxiv.org/abs/1608.05859).
        token_counts: count of each id in the training targets; the bias starts at the log of their frequencies, which
            saves the steps that learn them. None: zeros.
        negatives: if not 0, training does not compute all logits: `reverse` returns its inputs then, and the loss
            computes the logits of the targets and of so many other tokens; see `zoo.training.sampled`.

    Call arguments:
        inputs: int[B, T] tokens; with `reverse`, float[B, T, E].
    Returns:
        float[B, T, E]; with `reverse`, float[B, T, V].

    >>> import numpy as np
    >>> layer = TokenEmbedding(5, 3)
    >>> vectors = layer(np.array([[1, 2]]))
    >>> tuple(vectors.shape), tuple(layer(vectors, reverse=True).shape)
    ((1, 2, 3), (1, 2, 5))
    """

    def __init__(
        self,
        vocabulary: int,
        size: int,
        *,
        tied: bool = True,
        token_counts: Sequence[float] | None = None,
        negatives: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True  # a mask that Keras attaches is ignored, not an error
        self.vocabulary, self.size, self.tied, self.negatives = vocabulary, size, tied, negatives
        self.random = keras.random.SeedGenerator() if negatives else None
        self.token_counts = None if token_counts is None else [int(count) for count in token_counts]
        # Vectors of length 1. With Keras' default, a tenth of that, a tied embedding learns token frequencies only.
        spread = keras.initializers.RandomNormal(stddev=size**-0.5)
        self.embeddings = self.add_weight(shape=(vocabulary, size), initializer=spread, name="embeddings")
        if not tied:
            self.projection = self.add_weight(shape=(size, vocabulary), name="projection")
        self.output_bias = self.add_weight(shape=(vocabulary,), initializer=self._bias, name="output_bias")
        self.built = True

    def _bias(self, shape, dtype=None):
        return log_frequencies(self.token_counts, shape, dtype)

    def rows(self, tokens):
        """int[N] → the output vectors float[N, E] and biases float[N] of some tokens."""
        if self.tied:
            vectors = ops.take(self.embeddings, tokens, axis=0)
        else:
            vectors = ops.transpose(ops.take(self.projection, tokens, axis=1))
        return ops.cast(vectors, self.compute_dtype), ops.cast(ops.take(self.output_bias, tokens), self.compute_dtype)

    def call(self, inputs, reverse=False, training=None):
        if not reverse:
            return ops.take(self.embeddings, ops.cast(inputs, "int32"), axis=0)
        if self.negatives and training:
            return inputs
        kernel = ops.transpose(self.embeddings) if self.tied else self.projection
        return ops.matmul(inputs, kernel) + self.output_bias

    def compute_output_shape(self, inputs_shape, reverse=False):
        return (*inputs_shape[:-1], self.vocabulary) if reverse else (*inputs_shape, self.size)

    def compute_output_spec(self, inputs, reverse=False, training=None):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape, reverse), self.compute_dtype)

    def compute_mask(self, *args, **kwargs):
        return None  # masks are passed explicitly, never propagated

    def get_config(self):
        own = {"vocabulary": self.vocabulary, "size": self.size, "tied": self.tied, "token_counts": self.token_counts}
        return super().get_config() | own | {"negatives": self.negatives}
