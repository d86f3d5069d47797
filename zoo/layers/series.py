"""Forecasts of all steps at once: a decoder that reads the known future, a network of segments, and quantiles in order.

state after the history, known future → ForecastDecoder → float[B, H, units]
history → SegmentForecaster → float[B, H, N, Q]
float[B, H, N, Q] → Quantiles → quantiles that never cross, calibrated
"""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.layers.decoders import DecoderCell


@keras.saving.register_keras_serializable("zoo")
class ForecastDecoder(keras.layers.Layer):
    """Reads the future as far as it is known, from the state after the history: one vector for each step to predict.

    No step waits for the forecast of the step before it (direct forecasts; Wen et al. 2017, section 3,
    https://arxiv.org/abs/1711.11053), so all of them are computed on the fast path.

    Args:
        units: size of the state.
        cell: "gru" or "lstm".

    Call arguments:
        state:  float[B, D], the encoder's state after the last observation.
        future: float[B, H, F], all that is known of the steps to predict.
    Returns:
        float[B, H, units].

    >>> import numpy as np
    >>> decoder = ForecastDecoder(5, cell="lstm")
    >>> tuple(decoder(np.ones([2, 4], "float32"), np.ones([2, 3, 1], "float32")).shape)
    (2, 3, 5)
    """

    def __init__(self, units: int, *, cell: str = "gru", **kwargs):
        super().__init__(**kwargs)
        self.units, self.cell = units, cell
        self.recurrence = DecoderCell(units, cell=cell, dtype=self.dtype_policy, name="cell")
        self.bridge = keras.layers.Dense(
            units * self.recurrence.parts, activation="tanh", dtype=self.dtype_policy, name="bridge"
        )

    def build(self, state_shape, future_shape):
        self.bridge.build(state_shape)
        self.recurrence.build((None, future_shape[-1]))

    def call(self, state, future, training=None):
        start = ops.split(self.bridge(state), self.recurrence.parts, axis=-1)
        return self.recurrence(future, start, training=training)

    def compute_output_shape(self, state_shape, future_shape):
        return (*future_shape[:2], self.units)

    def get_config(self):
        return super().get_config() | {"units": self.units, "cell": self.cell}


@keras.saving.register_keras_serializable("zoo")
class SegmentForecaster(keras.layers.Layer):
    """A GRU over segments of the history instead of its steps, and one step of it for each segment to predict.

    Each target is read on its own with the same weights. The GRU reads one vector per segment of `segment` steps. From
    its last state it makes one step for every segment of the horizon, all at the same time; the input of that step says
    which segment and which target it is. SegRNN, Lin et al. 2023, sections 3.2 and 3.3,
    https://arxiv.org/abs/2308.11200

    Args:
        units: size of the state.
        segment: steps in a segment.
        lookback, horizon: steps of the history that are read, and steps to predict.
        targets, columns: N and C of `past`, whose entries are: real or padding, C values, C flags of those that were
            observed, and others.
        outputs: numbers for each step and target.
        dropout: share of the state dropped before the output, 0 to 1.

    Call arguments:
        past:   float[B, T, P], right-padded; see `zoo.data.series.Inputs`.
        future: float[B, H, F]; its length alone is used.
        anchor: float[B, H, N]; what it holds at the first step is taken off the values.
    Returns:
        float[B, H, N, outputs], differences from the anchor.

    >>> import numpy as np
    >>> layer = SegmentForecaster(8, segment=2, lookback=6, horizon=3, targets=1, columns=1, outputs=5)
    >>> past, future, anchor = np.ones([2, 4, 3], "float32"), np.zeros([2, 3, 1]), np.zeros([2, 3, 1], "float32")
    >>> tuple(layer(past, future, anchor).shape)
    (2, 3, 1, 5)
    """

    def __init__(
        self,
        units: int,
        *,
        segment: int,
        lookback: int,
        horizon: int,
        targets: int,
        columns: int,
        outputs: int,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units, self.segment, self.lookback, self.horizon = units, segment, lookback, horizon
        self.targets, self.columns, self.outputs, self.dropout = targets, columns, outputs, dropout
        self.project = keras.layers.Dense(units, activation="relu", dtype=self.dtype_policy, name="project")
        self.recurrence = DecoderCell(units, dtype=self.dtype_policy, name="cell")
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="dropout")
        self.out = keras.layers.Dense(segment * outputs, dtype=self.dtype_policy, name="out")

    def build(self, past_shape, future_shape=None, anchor_shape=None):
        self.project.build((None, None, 2 * self.segment))
        self.recurrence.build((None, self.units))
        self.out.build((None, self.units))
        half = self.units // 2
        self.segments = -(-self.horizon // self.segment)
        self.place = self.add_weight(shape=(self.segments, half), initializer="random_normal", name="place")
        self.target = self.add_weight(
            shape=(self.targets, self.units - half), initializer="random_normal", name="target"
        )

    def call(self, past, future, anchor, training=None):
        N, width = self.targets, self.segment
        batch, steps = ops.shape(past)[0], ops.shape(future)[1]
        # The last whole segments of the history, missing where it is shorter.
        count = -(-self.lookback // width)
        lengths = ops.cast(ops.round(ops.sum(past[:, :, 0], axis=1)), "int32")
        index = lengths[:, None] - count * width + ops.arange(count * width, dtype="int32")  # [B, T]
        found = ops.take_along_axis(past, ops.maximum(index, 0)[:, :, None], axis=1)
        real = ops.cast(index >= 0, past.dtype)[:, :, None]
        flags = found[:, :, 1 + self.columns : 1 + self.columns + N] * real
        values = (found[:, :, 1 : 1 + N] - anchor[:, :1]) * flags
        both = ops.reshape(ops.stack([values, flags], axis=-1), (batch, count, width, N, 2))
        both = ops.reshape(ops.transpose(both, (0, 3, 1, 2, 4)), (-1, count, 2 * width))  # [B * N, count, 2 * width]
        start = [ops.zeros((ops.shape(both)[0], self.units), both.dtype)]
        state = self.recurrence(self.project(both), start, training=training)[:, -1]  # [B * N, units]

        ahead = (steps + width - 1) // width  # segments to predict
        which = ops.minimum(ops.arange(ahead, dtype="int32"), self.segments - 1)
        place = ops.broadcast_to(ops.take(self.place, which, axis=0), (batch, N, ahead, self.units // 2))
        target = ops.broadcast_to(self.target[:, None], (batch, N, ahead, self.units - self.units // 2))
        asked = ops.reshape(ops.concatenate([place, target], axis=-1), (-1, self.units))  # [B * N * ahead, units]
        asked = ops.cast(asked, state.dtype)
        (state,) = self.recurrence.advance(self.recurrence.project(asked), [ops.repeat(state, ahead, axis=0)])
        made = self.out(self.drop(state, training=training))
        made = ops.transpose(ops.reshape(made, (batch, N, ahead * width, self.outputs)), (0, 2, 1, 3))
        return made[:, :steps]

    def compute_output_shape(self, past_shape, future_shape, anchor_shape):
        return (*future_shape[:2], self.targets, self.outputs)

    def get_config(self):
        names = ("units", "segment", "lookback", "horizon", "targets", "columns", "outputs", "dropout")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable("zoo")
class Quantiles(keras.layers.Layer):
    """Turns free numbers into quantiles that never cross: the middle one, and softplus steps away from it.

    Outside of training it adds `offset`, which conformal calibration sets (`zoo.training.conformal`), and sorts the
    sums.

    Args:
        levels: Q ascending shares of probability.
        horizon, targets: H and N.

    Call arguments:
        free:   float[B, H, N, Q].
        anchor: float[B, H, N]; forecasts are differences from it.
    Returns:
        float32[B, H, N, Q], ascending along the last axis.

    >>> import numpy as np
    >>> free, anchor = np.zeros([1, 1, 1, 3], "float32"), np.full([1, 1, 1], 10.0, "float32")
    >>> [round(float(q), 2) for q in Quantiles([0.1, 0.5, 0.9], horizon=1, targets=1)(free, anchor)[0, 0, 0]]
    [9.31, 10.0, 10.69]
    """

    def __init__(self, levels: Sequence[float], *, horizon: int, targets: int, **kwargs):
        super().__init__(dtype="float32", **{key: value for key, value in kwargs.items() if key != "dtype"})
        self.levels, self.horizon, self.targets = tuple(levels), horizon, targets
        self.middle = min(range(len(self.levels)), key=lambda i: abs(self.levels[i] - 0.5))

    def build(self, free_shape, anchor_shape=None):
        shape = (self.horizon, self.targets, len(self.levels))
        self.offset = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="offset")

    def call(self, free, anchor, training=False):
        m = self.middle
        middle = free[..., m : m + 1] + anchor[..., None]
        above = ops.cumsum(ops.softplus(free[..., m + 1 :]), axis=-1)
        below = ops.flip(ops.cumsum(ops.softplus(ops.flip(free[..., :m], axis=-1)), axis=-1), axis=-1)
        quantiles = ops.concatenate([middle - below, middle, middle + above], axis=-1)
        if training:
            return quantiles
        steps = ops.minimum(ops.arange(ops.shape(free)[1], dtype="int32"), self.horizon - 1)
        return ops.sort(quantiles + ops.take(self.offset, steps, axis=0), axis=-1)

    def compute_output_shape(self, free_shape, anchor_shape=None):
        return tuple(free_shape)

    def get_config(self):
        return super().get_config() | {"levels": self.levels, "horizon": self.horizon, "targets": self.targets}
