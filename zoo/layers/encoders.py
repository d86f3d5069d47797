"""From a sequence of vectors to a sequence that knows its context, or to one vector.

word ids → WordDropout → embedding → RecurrentEncoder → one vector per step, and the final state → Pooling → one vector
"""

from collections.abc import Callable
from typing import Any, get_args

import keras
from keras import ops

from zoo.layers.carried import CarriedState
from zoo.layers.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from zoo.layers.self_attention import Transformer
from zoo.options import Cell

RECURRENT = {"simple": SimpleRNN, "lstm": LSTM, "gru": GRU}
CELLS = get_args(Cell)


@keras.saving.register_keras_serializable("zoo")
class WordDropout(keras.layers.Layer):
    """Replaces random words by <unk> in training, so that a model learns to read sentences with unknown words.

    Iyyer et al. 2015, https://aclanthology.org/P15-1162, delete the words instead.

    Args:
        rate: share of words that are replaced, 0 to 1.
        unknown: the id of <unk>.

    Call arguments:
        words: int[B, T]; 0 = padding, which is never replaced.
    Returns:
        int[B, T].

    >>> import numpy as np
    >>> words = np.array([[5, 6, 0]])
    >>> WordDropout(1.0, unknown=1)(words, training=True).numpy().tolist()
    [[1, 1, 0]]
    >>> WordDropout(1.0, unknown=1)(words).numpy().tolist()
    [[5, 6, 0]]
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
    """Reads a sequence with stacked recurrent layers, from both ends if `bidirectional`; or with a Transformer.

    Args:
        units: size of the state in each direction.
        cell: "simple", "lstm" or "gru"; or "transformer", self-attention with as many weights as the LSTM of the same
            units, layers and directions. Its steps see all others if `bidirectional`, else those before them.
        layers: number of layers on top of each other.
        bidirectional: read the sequence in both directions.
        residual: add the input of each layer to its output, from the second layer on. A Transformer always does.
        dropout: share of features dropped before each layer, 0 to 1.
        variational: drop the same features at all steps of a row (Gal & Ghahramani 2016, section 4,
            https://arxiv.org/abs/1512.05287, applied between layers, outside the cell).
        carry: the number of streams whose state is carried from batch to batch (truncated backpropagation through
            time); row i of a batch goes on with row i of the batch before. Forwards only; 0 carries nothing.
        window: steps before it that a step of a Transformer sees in each layer, if not `bidirectional`. That many steps
            are its state, so it carries and resumes as a recurrent layer does.

    Call arguments:
        sequence:  float[B, T, F].
        keep_mask: bool[B, T], True = real step; right-padded, at least one real step in every row. None: all are real.
        fresh:     int or bool[B], true where the state of a row begins at zero although states are carried.
    Returns:
        steps float[B, T, D] and state float[B, D]. The state is the output of each direction of the top layer after
        all real steps; of a Transformer, the last real step, which has seen all the others it may see. D = units, or
        2 * units if bidirectional.
    Raises:
        ValueError: an unknown `cell`, or `carry` with `bidirectional`.

    >>> import numpy as np
    >>> encoder = RecurrentEncoder(5, cell="gru", layers=2)
    >>> sequence = np.ones([2, 3, 4], "float32")                       # [B, T, F]
    >>> keep_mask = np.array([[True, True, True], [True, False, False]])  # True = real step
    >>> steps, state = encoder(sequence, keep_mask)
    >>> tuple(steps.shape), tuple(state.shape)
    ((2, 3, 10), (2, 10))
    """

    OPTIONS = ("units", "cell", "layers", "bidirectional", "residual", "dropout", "variational", "carry", "window")

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
        carry: int = 0,
        window: int = 256,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True  # a mask that Keras attaches is ignored, not an error
        if cell not in CELLS:
            raise ValueError(f"unknown cell {cell!r}; expected one of {', '.join(CELLS)}")
        if carry and bidirectional:
            raise ValueError("carry needs bidirectional=False: the backward direction begins at the end of a sequence")
        self.units, self.cell, self.layers, self.bidirectional = units, cell, layers, bidirectional
        self.residual, self.dropout, self.variational, self.carry = residual, dropout, variational, carry
        self.window = window
        drop = keras.layers.SpatialDropout1D if variational else keras.layers.Dropout
        self.dropouts = [drop(dropout, name=f"dropout_{i}") for i in range(1 if cell == "transformer" else layers)]
        self.stack = []
        if cell == "transformer":
            options: dict[str, Any] = {"bidirectional": bidirectional, "variational": variational, "dropout": dropout}
            self.stack.append(Transformer(units, layers=layers, window=window, **options, name=cell))
        for i in range(layers if cell in RECURRENT else 0):
            layer = RECURRENT[cell](units, return_sequences=True, return_state=True, name=f"{cell}_{i}")
            self.stack.append(Bidirectional(layer, name=f"bidirectional_{i}") if bidirectional else layer)
        self.carried = CarriedState(carry, self.state_size, name="carried") if carry else None

    @classmethod
    def of(cls, cfg, **changes) -> "RecurrentEncoder":
        """Makes an encoder from the options of a task.

        Args:
            cfg: any object with attributes named as in `OPTIONS`. The encoder's default replaces a missing one.
            changes: arguments of the encoder that do not come from `cfg`, such as `name`.
        """
        options = {name: getattr(cfg, name) for name in cls.OPTIONS if hasattr(cfg, name)}
        return cls(**options | changes)

    def build(self, input_shape):
        for i, (drop, layer) in enumerate(zip(self.dropouts, self.stack, strict=True)):
            shape = input_shape if i == 0 else (*input_shape[:2], self.width)
            drop.build(shape)
            layer.build(shape)

    @property
    def width(self) -> int:
        """D, the size of an output vector."""
        return self.units * (2 if self.bidirectional else 1)

    def call(self, sequence, keep_mask=None, fresh=None, training=None):
        carried = None
        if self.carried:
            fresh = ops.zeros((ops.shape(sequence)[0],), "int32") if fresh is None else fresh
            carried = ops.cast(self.carried.read(fresh, training=training), self.compute_dtype)
        steps, last, after = self.read(sequence, carried, keep_mask, training)
        if self.carried:
            self.carried.write(ops.concatenate(after, axis=-1), training=training)
        return steps, last

    def read(self, sequence, state=None, keep_mask=None, training=None):
        """One pass that carries nothing: from `state` float[B, state_size], or from zero.

        Returns:
            steps float[B, T, D], the state float[B, D] as in a call, and all states after the steps, each float[B, …].
        """
        if self.cell == "transformer":
            sequence = self.dropouts[0](sequence, training=training)
            steps, after = self.stack[0](sequence, keep_mask, state, training=training)
            if keep_mask is None:
                return steps, steps[:, -1], [after]
            lengths = ops.sum(ops.cast(keep_mask, "int32"), axis=1)
            return steps, ops.take_along_axis(steps, lengths[:, None, None] - 1, axis=1)[:, 0], [after]
        parts = ops.split(state, self.state_size // self.units, axis=-1) if state is not None else []
        each = len(parts) // self.layers  # 2 for an LSTM: h and c
        after = []
        for i, (drop, layer) in enumerate(zip(self.dropouts, self.stack, strict=True)):
            before = {"initial_state": parts[each * i : each * (i + 1)]} if parts else {}
            steps, *states = layer(drop(sequence, training=training), mask=keep_mask, **before)  # [B, T, D]
            after += states
            sequence = sequence + steps if self.residual and i > 0 else steps
        hidden = states[:: 2 if self.cell == "lstm" else 1]  # of each direction of the top layer; an LSTM's are h, c
        return sequence, ops.concatenate(hidden, axis=-1), after

    @property
    def state_size(self) -> int:
        """Size of the state that `resume` takes and returns: all states of all layers."""
        if self.cell == "transformer":
            return self.stack[0].state_size
        return self.layers * self.units * (2 if self.cell == "lstm" else 1)

    def resume(self, sequence, state, keep_mask=None):
        """Continues from the state after an earlier call, so that a sequence can be read in pieces as it arrives.

        Args:
            sequence: float[B, T, F].
            state: float[B, state_size]; zeros at the beginning.
            keep_mask: bool[B, T], True = real step, as in a call; None: all are real.
        Returns:
            steps float[B, T, D] and the state float[B, state_size] after the last real step.
        Raises:
            ValueError: the encoder is bidirectional.
        """
        if self.bidirectional:
            raise ValueError("a bidirectional encoder needs the whole sequence; build it with bidirectional=False")
        steps, _, after = self.read(sequence, ops.cast(state, self.compute_dtype), keep_mask, False)
        return steps, ops.cast(ops.concatenate(after, axis=-1), state.dtype)

    def compute_output_shape(self, sequence_shape, keep_mask_shape=None, fresh_shape=None):
        return (*sequence_shape[:2], self.width), (sequence_shape[0], self.width)

    def compute_mask(self, *args, **kwargs):
        return None, None  # masks are passed explicitly, never propagated

    def get_config(self):
        return super().get_config() | {name: getattr(self, name) for name in self.OPTIONS}


@keras.saving.register_keras_serializable("zoo")
class Pooling(keras.layers.Layer):
    """Summarizes the real steps of a sequence as one vector.

    Args:
        by: "last" (the final state), "max" or "mean" over the real steps, "attention" (a mean weighted by a learned
            score, Yang et al. 2016, section 2.2, https://aclanthology.org/N16-1174), or several joined by "+".

    Call arguments:
        steps:     float[B, T, D].
        state:     float[B, D].
        keep_mask: bool[B, T], True = real step.
    Returns:
        float[B, D × number of ways].
    Raises:
        ValueError: an unknown way.

    >>> import numpy as np
    >>> steps = np.array([[[1.0, 4.0], [3.0, 2.0], [9.0, 9.0]]], "float32")  # [B, T, D], the last step is padding
    >>> state = np.array([[3.0, 2.0]], "float32")
    >>> keep_mask = np.array([[True, True, False]])
    >>> Pooling("max+mean")(steps, state, keep_mask).numpy().tolist()
    [[3.0, 4.0, 2.0, 3.0]]
    """

    WAYS = ("last", "max", "mean", "attention")

    def __init__(self, by: str = "max", **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.by = by
        self.ways = by.split("+")
        if unknown := set(self.ways) - set(self.WAYS):
            raise ValueError(
                f"unknown pooling {sorted(unknown)[0]!r}; expected one or more, joined by +, of {', '.join(self.WAYS)}"
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
    """Turns a Functional model into a function that reads a sequence in pieces, with the same weights.

    Args:
        model: contains one RecurrentEncoder with bidirectional=False. All its other layers treat each step alone.
    Returns:
        read_on, state_size. `read_on(inputs, state)` takes the model's inputs for any number of steps, without padding,
        and the state float[B, state_size] before them (zeros at the beginning); it returns the model's outputs and the
        state after them.
    Raises:
        ValueError: the model has no RecurrentEncoder, or more than one.
    """
    (encoder,) = (layer for layer in model.layers if isinstance(layer, RecurrentEncoder))
    sequence, (steps, _) = encoder.input[0], encoder.output
    before, after = keras.Model(model.input, sequence), keras.Model((model.input, steps), model.output)

    def read_on(inputs, state):
        steps, state = encoder.resume(before(inputs, training=False), state)
        return after((inputs, steps), training=False), state

    return read_on, encoder.state_size
