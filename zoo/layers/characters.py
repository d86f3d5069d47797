"""Features from the spelling of words: the characters of each word in, one vector per word out.

`CharCNN` finds the strongest match of each letter pattern anywhere in the word (Ma & Hovy 2016, section 2.1,
https://arxiv.org/abs/1603.01354). `CharRNN` reads the word in both directions (Lample et al. 2016, section 4.1,
https://arxiv.org/abs/1603.01360). Both take int[B, T, C] with 0 = padding, right-padded along C. They return
float[B, T, F]; the vector of a word without characters is 0. The cost grows with C, the length of the longest word in
the batch: truncate words that are far longer than the rest.
"""

from typing import Literal

import keras
from keras import ops

from zoo.layers.recurrent import LSTM, Bidirectional


@keras.saving.register_keras_serializable("zoo")
class CharCNN(keras.layers.Layer):
    """Embedding → one convolution per width → maximum over the word → ReLU.

    Args:
        size: number of character ids, padding included.
        dim: size of a character's embedding.
        filters: number of letter patterns of each width.
        widths: lengths of the patterns, in characters.

    Call arguments:
        characters: int[B, T, C], ids from 1 to size - 1; 0 = padding, on the right.
    Returns:
        float[B, T, filters * len(widths)].

    >>> import numpy as np
    >>> characters = np.array([[[3, 1, 20], [1, 0, 0], [0, 0, 0]]])  # "cat", "a" and a padded word
    >>> features = CharCNN(27, filters=4, widths=(2, 3))(characters)
    >>> tuple(features.shape), bool(np.all(features[0, 2] == 0))
    ((1, 3, 8), True)
    """

    def __init__(self, size: int, dim: int = 32, filters: int = 64, widths: tuple[int, ...] = (2, 3, 4), **kwargs):
        super().__init__(**kwargs)
        self.size, self.dim, self.filters, self.widths = size, dim, filters, tuple(widths)
        self.embedding = _embedding(size, dim)
        # Without a bias, a window over padding alone scores exactly 0, which ReLU maps to 0: the maximum needs no mask.
        self.convolutions = [
            keras.layers.Conv1D(filters, width, use_bias=False, name=f"width_{width}") for width in self.widths
        ]

    def build(self, characters_shape):
        self.embedding.build((None, None))
        for convolution in self.convolutions:
            convolution.build((None, None, self.dim))

    def call(self, characters):
        words, keep_mask = _words(characters)  # [B*T, C]
        letters = ops.where(keep_mask[:, :, None], self.embedding(words), 0)  # [B*T, C, dim]
        # Zeros on both sides let the widest window reach over the ends, so that it sees where a word begins and ends.
        room = max(self.widths) - 1
        letters = ops.pad(letters, ((0, 0), (room, room), (0, 0)))
        best = [ops.max(convolution(letters), axis=1) for convolution in self.convolutions]
        return _features(ops.relu(ops.concatenate(best, axis=-1)), characters, self.filters * len(self.widths))

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are passed explicitly, never propagated

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], self.filters * len(self.widths))

    def get_config(self):
        sizes = {"size": self.size, "dim": self.dim, "filters": self.filters, "widths": self.widths}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable("zoo")
class CharRNN(keras.layers.Layer):
    """Embedding → BiLSTM → the final output of each direction.

    Args:
        size: number of character ids, padding included.
        dim: size of a character's embedding.
        units: size of the state in each direction.

    Call arguments:
        characters: int[B, T, C], ids from 1 to size - 1; 0 = padding, on the right.
    Returns:
        float[B, T, 2 * units].

    >>> import numpy as np
    >>> characters = np.array([[[3, 1, 20], [1, 0, 0], [0, 0, 0]]])  # "cat", "a" and a padded word
    >>> features = CharRNN(27, units=4)(characters)
    >>> tuple(features.shape), bool(np.all(features[0, 2] == 0))
    ((1, 3, 8), True)
    """

    def __init__(self, size: int, dim: int = 32, units: int = 64, **kwargs):
        super().__init__(**kwargs)
        self.size, self.dim, self.units = size, dim, units
        self.embedding = _embedding(size, dim)
        self.rnn = Bidirectional(LSTM(units))

    def build(self, characters_shape):
        self.embedding.build((None, None))
        self.rnn.build((None, None, self.dim))

    def call(self, characters):
        words, keep_mask = _words(characters)  # [B*T, C]
        # cuDNN crashes on a row without a real step: such a row reads one padding character, and its output is unused.
        some = keep_mask[:, :1]
        steps = ops.concatenate([ops.ones_like(some), keep_mask[:, 1:]], axis=1)
        states = self.rnn(self.embedding(words), mask=steps)  # [B*T, 2*units]
        return _features(ops.where(some, states, 0), characters, 2 * self.units)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are passed explicitly, never propagated

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], 2 * self.units)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "dim": self.dim, "units": self.units}


def spelling(kind: Literal["cnn", "rnn"], size: int, *, features: int) -> CharCNN | CharRNN:
    """Makes the layer that reads the spelling of words.

    Args:
        kind: "cnn" for a `CharCNN` with three widths, "rnn" for a `CharRNN`.
        size: number of character ids, padding included.
        features: size of a word's vector, rounded down to a multiple of 3 or 2.
    """
    return CharCNN(size, filters=features // 3) if kind == "cnn" else CharRNN(size, units=features // 2)


def _embedding(size, dim):
    limit = (3 / dim) ** 0.5  # Ma & Hovy 2016, section 3.1
    return keras.layers.Embedding(size, dim, embeddings_initializer=keras.initializers.RandomUniform(-limit, limit))


def _words(characters):
    """int[B, T, C] → words int[B*T, C] and their keep_mask."""
    words = ops.reshape(characters, (-1, ops.shape(characters)[2]))
    return words, words > 0


def _features(features, characters, size):
    """[B*T, F] → [B, T, F]."""
    batch, time, _ = ops.shape(characters)
    return ops.reshape(features, (batch, time, size))
