"""Which values of a series were observed: the numbers that a model reads where some are missing. All of it in graph.

    raw values with NaN → latest(…) → marked(…) → scaled values, whether each was observed, and the steps since

A missing value is NaN or infinite. What stands in its cell never changes an answer.
"""

from typing import NamedTuple

import tensorflow as tf


class Marked(NamedTuple):
    """Values with their masks and gaps, [B, T, C] each.

    scaled: float32, (value − centre) / width; 0 where nothing was observed.
    seen:   float32, 1 where a value was observed.
    gap:    float32, the log of 1 + the steps since the last observation, or since one step before the first step.
    last:   int32, the last step up to each one at which a value was observed; −1 before the first.
    """

    scaled: tf.Tensor
    seen: tf.Tensor
    gap: tf.Tensor
    last: tf.Tensor


def latest(history: tf.Tensor, lengths: tf.Tensor, *, lookback: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The last `lookback` real steps of each row, right-padded.

    Args:
        history: float32[B, T, C]; the first `lengths` steps of each row are real.
        lengths: int32[B]; 0 or more than T: all of them are real.
    Returns:
        values float32[B, ≤ lookback, C] and the real steps of each row, int32[B].
    Raises:
        tf.errors.InvalidArgumentError: T is 0.
    """
    steps = tf.shape(history)[1]
    with tf.control_dependencies([tf.debugging.assert_positive(steps, message="the history has no step")]):
        lengths = tf.where((lengths < 1) | (lengths > steps), steps, lengths)
    first = tf.maximum(lengths - lookback, 0)
    lengths = lengths - first
    index = tf.range(tf.minimum(steps, lookback))
    place = tf.where(index < lengths[:, None], first[:, None] + index, 0)
    return tf.gather(history, place, batch_dims=1), lengths


def append(
    history: tf.Tensor, steps: tf.Tensor, observation: tf.Tensor, *, lookback: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """A history with one more step, for live use. Where it is full, its first step makes room.

    Args:
        history: float32[B, T, C], right-padded.
        steps: int32[B], the real steps of each row; 0 at the beginning.
        observation: float32[B, C].
    Returns:
        history float32[B, lookback, C] and steps int32[B].
    """
    history = history[:, :lookback]
    steps = tf.clip_by_value(steps, 0, tf.shape(history)[1])
    history = tf.pad(history, [[0, 0], [0, lookback - tf.shape(history)[1]], [0, 0]])
    history = tf.where((steps == lookback)[:, None, None], tf.roll(history, -1, axis=1), history)
    place = tf.minimum(steps, lookback - 1)
    here = tf.range(lookback) == place[:, None]  # [B, lookback]
    return tf.where(here[:, :, None], observation[:, None], history), place + 1


def marked(values: tf.Tensor, seen: tf.Tensor, centre: tf.Tensor, width: tf.Tensor, *, longest: int) -> Marked:
    """Value, mask and interval of every cell, as in GRU-D: Che et al. 2018, section 2,
    https://doi.org/10.1038/s41598-018-24271-9

    Args:
        values: float32[B, T, C].
        seen: bool[B, T, C], true where a value was observed; false in padding.
        centre, width: float32[C], or with leading axes that broadcast.
        longest: the most steps T can have.
    """
    last = _last_seen(seen, longest)
    index = tf.range(tf.shape(values)[1])[None, :, None]
    gap = tf.math.log(1 + tf.cast(index - last, tf.float32))
    return Marked(scaled(values, seen, centre, width), tf.cast(seen, tf.float32), gap, last)


def features(found: Marked, real: tf.Tensor) -> tf.Tensor:
    """The numbers that a model reads: 1 at real steps, the values, the masks and the gaps, float32[B, T, 1 + 3 C].

    Args:
        real: bool[B, T, 1]; elsewhere all of them are 0.
    """
    return tf.concat([tf.cast(real, tf.float32), found.scaled, found.seen, tf.where(real, found.gap, 0.0)], axis=2)


def observed(values: tf.Tensor) -> tf.Tensor:
    """False for NaN and infinities. `tf.math.is_finite` and `<=` are true for NaN after conversion by tf2onnx 1.17."""
    return tf.abs(values) < tf.float32.max


def scaled(values: tf.Tensor, seen: tf.Tensor, centre: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """(values − centre) / width, and 0 where nothing was seen."""
    return tf.where(seen, (or_zero(values, seen) - centre) / width, 0.0)


def or_zero(values: tf.Tensor, seen: tf.Tensor) -> tf.Tensor:
    """The values, and 0 where nothing was seen. `tf.where` is a product in ONNX, in which 0 · NaN is NaN."""
    flat = tf.reshape(values, [-1])
    size = tf.shape(flat)[0]
    place = tf.where(tf.reshape(seen, [-1]), tf.range(size), size)
    return tf.reshape(tf.gather(tf.concat([flat, [0.0]], axis=0), place), tf.shape(values))


def _last_seen(seen: tf.Tensor, longest: int) -> tf.Tensor:
    steps = tf.shape(seen)[1]
    last = tf.where(seen, tf.range(steps)[None, :, None], -1)
    hop = 1
    while hop < longest:  # a running maximum in log2(T) operations
        moved = tf.pad(last, [[0, 0], [hop, 0], [0, 0]], constant_values=-1)[:, :steps]
        last = tf.maximum(last, moved)
        hop *= 2
    return last
