"""From the errors of a network to scores and alarms, a step at a time; a whole series is the same step in a loop.

frame → network → errors (per sensor) → score → follow(…): in relation to the recent past → alarm
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from zoo.data import frames
from zoo.data.frames import Inputs, SeriesScales

CHUNK = 256  # steps that are judged at a time, which bounds the memory that a long series takes
MEMORY = 4  # numbers that `follow` carries: mean and variance of recent scores, how many there were, quiet steps left
FEWEST = 20  # scores that must be known before one is judged by the recent past
NOISE = 0.1  # added to the deviation of recent scores, in usual errors, so that a flat past does not make alarms


def errors(estimate: tf.Tensor, frame: Inputs, *, usual: tf.Tensor, last: int) -> tf.Tensor:
    """The root mean square error of each sensor at the end of frames, in usual errors; 0 where nothing was observed.

    Args:
        estimate: float[B, L, C], of `frame.scaled`.
        usual: float32[C], the error that is normal for each sensor.
        last: steps at the end of a frame that count.
    Returns:
        float32[B, C].
    """
    back = frame.lengths[:, None] - tf.range(tf.shape(estimate)[1])  # [B, L]; 1 is the last real step
    counted = tf.cast(frame.seen & (back <= last)[:, :, None], tf.float32)
    square = tf.square(tf.cast(estimate, tf.float32) - frame.scaled) * counted
    mean = tf.reduce_sum(square, axis=1) / tf.maximum(tf.reduce_sum(counted, axis=1), 1.0)  # [B, C]
    return tf.sqrt(mean) / usual


def score(errors: tf.Tensor) -> tf.Tensor:
    """The root mean square over the sensors that were observed, which are those with an error: [..., C] → [...]."""
    seen = tf.cast(errors > 0, tf.float32)
    return tf.sqrt(tf.reduce_sum(tf.square(errors), axis=-1) / tf.maximum(tf.reduce_sum(seen, axis=-1), 1.0))


class Judged(NamedTuple):
    """Of the last steps of frames: errors [..., C] of each sensor in usual errors, score [...], and the values that the
    network expected, in the user's units: [..., C]. float32."""

    errors: tf.Tensor
    score: tf.Tensor
    expected: tf.Tensor


def judge(
    estimate: Callable,
    history: tf.Tensor,
    lengths: tf.Tensor,
    place: tf.Tensor,
    *,
    usual: Any,
    scales: SeriesScales,
    length: int,
    last: int,
) -> Judged:
    """Judges the last real step of each row: [B, ...]. The score is 0 until a frame is full.

    Args:
        estimate: the network: `frames.Inputs.past` → float[B, L, C].
        history, lengths, place, scales, length: as in `frames.inputs`.
        usual: float32[C], the error that is normal for each sensor, or a number.
        last: steps at the end of a frame whose errors count.
    """
    found = frames.inputs(history, lengths, place, scales=scales, length=length)
    guess = estimate(found.past)
    off = errors(guess, found, usual=usual, last=last)
    newest = tf.gather(tf.cast(guess, tf.float32), found.lengths - 1, batch_dims=1)
    mean, std = (tf.gather(tf.constant(part, tf.float32), place) for part in (scales.mean, scales.std))
    return Judged(off, tf.where(found.lengths < length, 0.0, score(off)), newest * std + mean)


def judge_steps(
    estimate: Callable, history: tf.Tensor, place: tf.Tensor, steps: tf.Tensor, *, length: int, **how: Any
) -> Judged:
    """Judges some steps int32[S] of whole series float32[B, T, C]: [B, S, ...]; see `judge`."""
    raw, lengths = frames.up_to(history, steps, length=length)
    rows, count = tf.shape(history)[0], tf.shape(steps)[0]
    raw = tf.reshape(raw, [-1, length, raw.shape[3]])
    found = judge(estimate, raw, tf.tile(lengths, [rows]), tf.repeat(place, count), length=length, **how)
    return Judged(*(tf.reshape(part, tf.concat([[rows, count], tf.shape(part)[1:]], axis=0)) for part in found))


def judge_all(estimate: Callable, history: tf.Tensor, place: tf.Tensor, **how: Any) -> Judged:
    """Judges every step of whole series float32[B, T, C], some at a time: [B, T, ...]; see `judge`."""
    length = tf.shape(history)[1]
    size = tf.minimum(length, CHUNK)
    parts = tf.map_fn(
        lambda first: judge_steps(estimate, history, place, first + tf.range(size), **how),
        tf.range(0, length, size),
        fn_output_signature=Judged(tf.float32, tf.float32, tf.float32),
    )  # [T / size, B, size, ...]
    return Judged(*(_joined(part)[:, :length] for part in parts))


def _joined(parts: tf.Tensor) -> tf.Tensor:
    """Pieces of a time axis [N, B, size, ...] end to end: [B, N · size, ...]."""
    size = tf.shape(parts)
    parts = tf.transpose(parts, [1, 0, *range(2, parts.shape.rank)])
    return tf.reshape(parts, tf.concat([[size[1], size[0] * size[2]], size[3:]], axis=0))


class Followed(NamedTuple):
    """The scores that are compared with the threshold, float32[B] or [B, T], and whether there is an alarm, bool."""

    score: tf.Tensor
    alarm: tf.Tensor


def follow(
    score: tf.Tensor, memory: tf.Tensor, *, threshold: tf.Tensor, recent: int, quiet: int
) -> tuple[Followed, tf.Tensor]:
    """Judges one step.

    With `recent`, a score is counted in standard deviations from the mean of the scores before it. Both fade
    exponentially, as in an EWMA chart (Roberts 1959). The idea to judge errors by their recent distribution is that of
    Ahmad et al. 2017, section 3.2, https://doi.org/10.1016/j.neucom.2017.04.070

    Args:
        score: float32[B], in usual errors.
        memory: float32[B, MEMORY], zeros at the beginning of a series.
        threshold: float32[B].
        recent: the span of the recent past in steps; 0: the score itself is compared.
        quiet: steps after an alarm without another one.
    """
    mean, variance, count, pause = tf.unstack(memory, axis=1)
    judged = score
    if recent:
        judged = tf.where(count < FEWEST, 0.0, (score - mean) / (tf.sqrt(variance) + NOISE))
        rate = tf.maximum(2 / (recent + 1), 1 / (count + 1))
        off = score - mean
        mean, variance = mean + rate * off, (1 - rate) * (variance + rate * off * off)
    alarm = (judged > threshold) & (pause < 1)
    pause = tf.where(alarm, float(quiet), tf.maximum(pause - 1, 0.0))
    return Followed(judged, alarm), tf.stack([mean, variance, count + 1, pause], axis=1)


@tf.function(autograph=False, reduce_retracing=True)
def follow_all(scores: tf.Tensor, *, threshold: tf.Tensor, recent: int, quiet: int) -> Followed:
    """Judges every step of whole series: float32[B, T] → [B, T] each."""

    def step(carried, score):
        return follow(score, carried[1], threshold=threshold, recent=recent, quiet=quiet)

    rows = tf.shape(scores)[0]
    first = Followed(tf.zeros([rows]), tf.zeros([rows], tf.bool)), tf.zeros([rows, MEMORY])
    found, _ = tf.scan(step, tf.transpose(scores), first)
    return Followed(*(tf.transpose(part) for part in found))
