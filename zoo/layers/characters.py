"""What a word's spelling says: the characters of each word in, one vector per word out.

`CharCNN` finds the strongest match of each letter pattern anywhere in the word (Ma & Hovy 2016, section 2.1,
https://arxiv.org/abs/1603.01354); `CharRNN` reads the word in both directions (Lample et al. 2016, section 4.1,
https://arxiv.org/abs/1603.01360). Both take int[B, T, C] with 0 = padding, right-padded along C, and return
float[B, T, F] that is 0 for a word without characters. Cost grows with C, the longest word of the batch: cut words
that are far longer than the rest.
"""

from typing import Literal

import keras
from keras import ops

from zoo.layers.recurrent import LSTM, Bidirectional


@keras.saving.register_keras_serializable("zoo")
class CharCNN(keras.layers.Layer):
    """Embedding → one convolution per width → maximum over the word → ReLU.

    Call arguments:
        characters: int[B, T, C], ids in 1 … size − 1; 0 = padding.
    Returns:
        float[B, T, filters * len(widths)].
    """

    def __init__(self, size: int, dim: int = 32, filters: int = 64, widths: tuple[int, ...] = (2, 3, 4), **kwargs):
        super().__init__(**kwargs)
        self.size, self.dim, self.filters, self.widths = size, dim, filters, tuple(widths)
        self.embedding = _embedding(size, dim)
        # No bias: a window over padding alone then scores exactly 0, where ReLU begins, so the maximum needs no mask.
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
        # Room for the widest window to hang over both ends: it sees that the word begins or ends there.
        room = max(self.widths) - 1
        letters = ops.pad(letters, ((0, 0), (room, room), (0, 0)))
        best = [ops.max(convolution(letters), axis=1) for convolution in self.convolutions]
        return _features(ops.relu(ops.concatenate(best, axis=-1)), characters, self.filters * len(self.widths))

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are explicit in this zoo

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], self.filters * len(self.widths))

    def get_config(self):
        sizes = {"size": self.size, "dim": self.dim, "filters": self.filters, "widths": self.widths}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable("zoo")
class CharRNN(keras.layers.Layer):
    """Embedding → BiLSTM → the last state of each direction.

    Call arguments:
        characters: int[B, T, C], ids in 1 … size − 1; 0 = padding.
    Returns:
        float[B, T, 2 * units].
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
        # A row without any real step crashes cuDNN: read one padding character and forget the answer.
        some = keep_mask[:, :1]
        steps = ops.concatenate([ops.ones_like(some), keep_mask[:, 1:]], axis=1)
        states = self.rnn(self.embedding(words), mask=steps)  # [B*T, 2*units]
        return _features(ops.where(some, states, 0), characters, 2 * self.units)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are explicit in this zoo

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], 2 * self.units)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "dim": self.dim, "units": self.units}


def spelling(kind: Literal["cnn", "rnn"], size: int, *, features: int) -> CharCNN | CharRNN:
    """A CharCNN of three widths, or a CharRNN, over `size` characters, with `features` outputs a word."""
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
