"""Sequences to vectors: word dropout, stacked recurrent layers, and the ways to make one vector out of many steps."""

from collections.abc import Callable
from typing import Literal

import keras
from keras import ops

from zoo.layers.recurrent import GRU, LSTM, Bidirectional, SimpleRNN

CELLS = {"simple": SimpleRNN, "lstm": LSTM, "gru": GRU}
Cell = Literal["simple", "lstm", "gru"]


@keras.saving.register_keras_serializable("zoo")
class WordDropout(keras.layers.Layer):
    """Replaces words by <unk> while training, so that a model learns what to do without knowing the word.

    Args:
        rate: the share of words replaced.
        unknown: the id of <unk>.

    Call arguments:
        words: int[B, T]; 0 = padding, which stays.
    Returns:
        int[B, T].
    """

    def __init__(self, rate: float, *, unknown: int = 1, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.unknown, self.seed = rate, unknown, seed
        self.random = keras.random.SeedGenerator(seed)

    def call(self, words, training=None):
        if not training or not self.rate:
            return words
        drop = keras.random.uniform(ops.shape(words), seed=self.random) < self.rate
        return ops.where(drop & (words != 0), self.unknown, words)

    def compute_output_shape(self, words_shape):
        return tuple(words_shape)

    def compute_output_spec(self, words, training=None):
        return keras.KerasTensor(words.shape, words.dtype)

    def get_config(self):
        return super().get_config() | {"rate": self.rate, "unknown": self.unknown, "seed": self.seed}


@keras.saving.register_keras_serializable("zoo")
class RecurrentEncoder(keras.layers.Layer):
    """Reads a sequence with stacked recurrent layers, from both ends if `bidirectional`.

    Args:
        units: size of the state in each direction.
        cell: "simple", "lstm" or "gru".
        layers: how many, one on top of the other.
        residual: adds each layer's input to its output, from the second layer on.
        dropout: share of features dropped before every layer.
        variational: drops the same features at all steps of a row (Gal and Ghahramani 2016, section 4,
            https://arxiv.org/abs/1512.05287, applied between layers, outside the cell).

    Call arguments:
        sequence:  float[B, T, F].
        keep_mask: bool[B, T], True = real step; right-padded, at least one real step in every row.
    Returns:
        steps float[B, T, D] and state float[B, D], what each direction holds when it has read everything; D is `units`,
        twice that if bidirectional.
    """

    def __init__(
        self,
        units: int,
        *,
        cell: Cell = "lstm",
        layers: int = 1,
        bidirectional: bool = True,
        residual: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True  # a mask that Keras attaches is ignored, not an error
        if cell not in CELLS:
            raise ValueError(f"cell is one of {', '.join(CELLS)}; got {cell!r}")
        self.units, self.cell, self.layers, self.bidirectional = units, cell, layers, bidirectional
        self.residual, self.dropout, self.variational = residual, dropout, variational
        drop = keras.layers.SpatialDropout1D if variational else keras.layers.Dropout
        self.dropouts = [drop(dropout, name=f"dropout_{i}") for i in range(layers)]
        self.stack = []
        for i in range(layers):
            layer = CELLS[cell](units, return_sequences=True, return_state=True, name=f"{cell}_{i}")
            self.stack.append(Bidirectional(layer, name=f"bidirectional_{i}") if bidirectional else layer)

    def build(self, input_shape):
        for i, (drop, layer) in enumerate(zip(self.dropouts, self.stack, strict=True)):
            shape = input_shape if i == 0 else (*input_shape[:2], self.width)
            drop.build(shape)
            layer.build(shape)

    @property
    def width(self) -> int:
        """D, the size of an output vector."""
        return self.units * (2 if self.bidirectional else 1)

    def call(self, sequence, keep_mask, training=None):
        state = None
        for i, (drop, layer) in enumerate(zip(self.dropouts, self.stack, strict=True)):
            steps, *states = layer(drop(sequence, training=training), mask=keep_mask)  # [B, T, D]
            hidden = states[:: 2 if self.cell == "lstm" else 1]  # an LSTM's states are h, c
            state = ops.concatenate(hidden, axis=-1)  # [B, D]
            sequence = sequence + steps if self.residual and i > 0 else steps
        return sequence, state

    @property
    def state_size(self) -> int:
        """Numbers that all layers together hold after a step."""
        return self.layers * self.units * (2 if self.cell == "lstm" else 1)

    def resume(self, sequence, state):
        """Reads on where an earlier call stopped, so that steps can be given as they come.

        Args:
            sequence: float[B, T, F], no padding.
            state: float[B, state_size]; zeros at the beginning.
        Returns:
            steps float[B, T, D] and the state after the last.
        Raises:
            ValueError: the encoder reads from both ends.
        """
        if self.bidirectional:
            raise ValueError("what is read from both ends cannot be resumed: bidirectional=False")
        parts = ops.split(state, self.state_size // self.units, axis=-1)
        each = len(parts) // self.layers  # an LSTM's states are h, c
        after = []
        for i, layer in enumerate(self.stack):
            steps, *new = layer(sequence, initial_state=parts[each * i : each * (i + 1)])
            after += new
            sequence = sequence + steps if self.residual and i > 0 else steps
        return sequence, ops.concatenate(after, axis=-1)

    def compute_output_shape(self, sequence_shape, keep_mask_shape=None):
        return (*sequence_shape[:2], self.width), (sequence_shape[0], self.width)

    def compute_mask(self, *args, **kwargs):
        return None, None  # masks are passed explicitly

    def get_config(self):
        names = ("units", "cell", "layers", "bidirectional", "residual", "dropout", "variational")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("zoo")
class Pooling(keras.layers.Layer):
    """One vector out of many steps; what is padding has no part in it.

    Args:
        by: "last" (the state after reading everything), "max", "mean", "attention" (mean weighted by a learned score,
            Yang et al. 2016, section 2.2, https://aclanthology.org/N16-1174), or several joined by "+".

    Call arguments:
        steps:     float[B, T, D].
        state:     float[B, D].
        keep_mask: bool[B, T], True = real step.
    Returns:
        float[B, D × number of ways].
    """

    WAYS = ("last", "max", "mean", "attention")

    def __init__(self, by: str = "max", **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.by = by
        self.ways = by.split("+")
        if unknown := set(self.ways) - set(self.WAYS):
            raise ValueError(
                f"pooling by {sorted(unknown)[0]!r}: it is one of {', '.join(self.WAYS)}, or several with +"
            )
        if "attention" in self.ways:
            self.hidden = keras.layers.Dense(64, activation="tanh", name="hidden")
            self.score = keras.layers.Dense(1, use_bias=False, name="score")

    def build(self, steps_shape, state_shape=None, keep_mask_shape=None):
        if "attention" in self.ways:
            self.hidden.build(steps_shape)
            self.score.build((*steps_shape[:2], 64))

    def call(self, steps, state, keep_mask):
        keep = ops.expand_dims(keep_mask, -1)  # [B, T, 1]
        pooled = {"last": state}
        if "max" in self.ways:
            pooled["max"] = ops.max(ops.where(keep, steps, ops.full_like(steps, -1e4)), axis=1)
        if "mean" in self.ways:
            weight = ops.cast(keep, steps.dtype)
            pooled["mean"] = ops.sum(ops.where(keep, steps, ops.zeros_like(steps)), axis=1) / ops.sum(weight, axis=1)
        if "attention" in self.ways:
            score = self.score(self.hidden(steps))
            weight = ops.softmax(ops.where(keep, score, ops.full_like(score, -1e9)), axis=1)
            pooled["attention"] = ops.sum(weight * steps, axis=1)
        return ops.concatenate([pooled[way] for way in self.ways], axis=-1)

    def compute_output_shape(self, steps_shape, state_shape=None, keep_mask_shape=None):
        return steps_shape[0], steps_shape[2] * len(self.ways)

    def compute_mask(self, *args, **kwargs):
        return None

    def get_config(self):
        return super().get_config() | {"by": self.by}


def streaming(model: keras.Model) -> tuple[Callable, int]:
    """Makes of a Functional model one that is fed piece by piece, with the same weights.

    Args:
        model: has one RecurrentEncoder, which reads forward only; all else looks at each step alone.
    Returns:
        a function of the model's inputs, any number of steps and none of them padding, and of float[B, state_size], the
        state before them; it returns the model's outputs and the state after. And state_size; zeros are the beginning.
    """
    (encoder,) = (layer for layer in model.layers if isinstance(layer, RecurrentEncoder))
    sequence, (steps, _) = encoder.input[0], encoder.output
    before, after = keras.Model(model.input, sequence), keras.Model((model.input, steps), model.output)

    def read_on(inputs, state):
        steps, state = encoder.resume(before(inputs, training=False), state)
        return after((inputs, steps), training=False), state

    return read_on, encoder.state_size
