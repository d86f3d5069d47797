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
class TokenEmbedding(keras.layers.ReversibleEmbedding):
    """Vectors of tokens, and with `reverse=True` the logits of all tokens, with a bias.

    Args:
        vocabulary: number of tokens, V.
        size: size of a vector, E.
        tied: the logits use the same matrix (Press & Wolf 2017, https://arxiv.org/abs/1608.05859).
        token_counts: count of each id in the training targets; the bias starts at the log of their frequencies, which
            saves the steps that learn them. None: zeros.

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
        self, vocabulary: int, size: int, *, tied: bool = True, token_counts: Sequence[float] | None = None, **kwargs
    ):
        # Vectors of length 1. With Keras' default, a tenth of that, a tied embedding learns token frequencies only.
        spread = keras.initializers.RandomNormal(stddev=size**-0.5)
        super().__init__(vocabulary, size, tie_weights=tied, embeddings_initializer=spread, **kwargs)
        self.token_counts = None if token_counts is None else [int(count) for count in token_counts]

    def build(self, input_shape=None):
        super().build(input_shape)
        self.output_bias = self.add_weight(
            shape=(self.input_dim,),
            initializer=lambda shape, dtype=None: log_frequencies(self.token_counts, shape, dtype),
            name="output_bias",
        )

    def call(self, inputs, reverse=False):
        result = super().call(inputs, reverse=reverse)
        return result + ops.cast(self.output_bias, result.dtype) if reverse else result

    def get_config(self):
        config = super().get_config()
        own = {"vocabulary": self.input_dim, "size": self.output_dim, "tied": self.tie_weights}
        theirs = ("input_dim", "output_dim", "tie_weights", "embeddings_initializer")
        return {name: config[name] for name in config if name not in theirs} | own | {"token_counts": self.token_counts}
