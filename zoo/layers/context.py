"""Words in context: the states of a language model that no longer learns."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from zoo.layers.encoders import RecurrentEncoder


@keras.saving.register_keras_serializable("zoo")
class ContextStates(keras.layers.Layer):
    """The states of a language model after each word, of each direction in which it reads. They are not trained.

    The forward state has seen the word and all words before it, the backward state the word and all words after it.
    Peters et al. 2017 (TagLM), https://aclanthology.org/P17-1161. `zoo.training.transfer` sets the weights.

    Args:
        vocabulary: number of tokens.
        embedding: size of a token's vector.
        start: the token that the language model reads before a sentence.
        ways: "forward" or "backward", or both → arguments of `RecurrentEncoder`.

    Call arguments:
        tokens:    int[B, T], from 0 to vocabulary - 1.
        keep_mask: bool[B, T], True = real token; right-padded, at least one real token per row.
    Returns:
        float[B, T, units of all ways]; 0 on padding.

    >>> import numpy as np
    >>> layer = ContextStates(9, 4, start=3, ways={"forward": {"units": 5}, "backward": {"units": 5}})
    >>> tokens, keep_mask = np.array([[4, 5, 0]]), np.array([[True, True, False]])
    >>> states = layer(tokens, keep_mask)
    >>> tuple(states.shape), bool(np.all(states[0, 2] == 0)), len(layer.trainable_weights)
    ((1, 3, 10), True, 0)
    """

    def __init__(self, vocabulary: int, embedding: int, *, start: int, ways: Mapping[str, Mapping[str, Any]], **kwargs):
        super().__init__(**kwargs)
        self.start, self.ways = start, {way: dict(options) for way, options in ways.items()}
        self.embedding = keras.layers.Embedding(vocabulary, embedding, name="embedding")
        self.encoders = {
            way: RecurrentEncoder(**options, bidirectional=False, name=way) for way, options in self.ways.items()
        }
        self.trainable = False

    def build(self, tokens_shape, keep_mask_shape=None):
        self.embedding.build((None, None))
        for encoder in self.encoders.values():
            encoder.build((None, None, self.embedding.output_dim))

    def call(self, tokens, keep_mask):
        lengths = ops.sum(ops.cast(keep_mask, "int32"), axis=1)[:, None]
        places = ops.arange(ops.shape(tokens)[1])
        mirrored = ops.where(keep_mask, lengths - 1 - places, places)  # [B, T]
        before = ops.full_like(tokens[:, :1], self.start)
        kept = ops.concatenate([ops.ones_like(keep_mask[:, :1]), keep_mask], axis=1)
        found = []
        for way, encoder in self.encoders.items():
            read = tokens if way == "forward" else ops.take_along_axis(tokens, mirrored, axis=1)
            vectors = self.embedding(ops.concatenate([before, read], axis=1))
            states = encoder(vectors, keep_mask=kept, training=False)[0][:, 1:]  # [B, T, units]
            found.append(states if way == "forward" else ops.take_along_axis(states, mirrored[:, :, None], axis=1))
        return ops.stop_gradient(ops.where(keep_mask[:, :, None], ops.concatenate(found, axis=-1), 0))

    def compute_output_shape(self, tokens_shape, keep_mask_shape=None):
        return (*tokens_shape, sum(encoder.width for encoder in self.encoders.values()))

    def compute_mask(self, *args, **kwargs):
        return None  # masks are passed explicitly, never propagated

    def get_config(self):
        sizes = {"vocabulary": self.embedding.input_dim, "embedding": self.embedding.output_dim}
        return super().get_config() | sizes | {"start": self.start, "ways": self.ways}
