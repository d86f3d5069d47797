"""Harmonisation: one voice of a piece is given, and a model of the next note writes the others, in graph.

Notes of a step are drawn from the lowest to the highest, so a model that draws freely does not know which melody note
has to come last. Several drafts (particles) of each piece are therefore written side by side. Each is weighted by the
probability of the kept note given the notes that the draft has, and after every step the drafts are drawn anew by their
weights: sequential Monte Carlo, Doucet & Johansen 2011, https://www.stats.ox.ac.uk/~doucet/doucet_johansen_tutorialPF2011.pdf
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from zoo.answers import draws
from zoo.data.notes import END_ID, FIRST_NOTE, PITCHES, STEP_ID


class Harmonised(NamedTuple):
    """The result of `harmonise`.

    tokens: int32[B, N]; zeros stand between the steps and must be skipped.
    log_probability: float32[B], the estimate of the log probability of the kept voice, at the given temperature.
    """

    tokens: tf.Tensor
    log_probability: tf.Tensor


def harmonise(
    step: Callable,
    state: tf.Tensor,
    kept: tf.Tensor,
    lengths: tf.Tensor,
    *,
    top: tf.Tensor,
    seeds: tf.Tensor,
    temperature: tf.Tensor,
    particles: int,
    voices: int,
) -> Harmonised:
    """Writes chords around a given voice.

    Args:
        step: tokens int32[N], state → logits float32[N, V], state, and None, as in `zoo.answers.search`.
        state: float[B, S] before the first token.
        kept: int32[B, T], T ≥ 1, the token of the kept note in each step, 0 for a rest, where the model is free.
        lengths: int32[B], the steps of each row.
        top: bool[B], True if the kept note is the highest of each step, False if it is the lowest.
        seeds: int32[B], one per row; a row's draws depend on its seed alone.
        temperature: float32[B], divides the logits.
        particles: drafts of each row.
        voices: notes of a step at most.
    """
    rows, steps = tf.shape(kept)[0], tf.shape(kept)[1]
    width = voices + 1  # tokens of a step, its end included
    each = particles * width + 2
    numbers = draws.uniform(seeds, steps * each) * (1 - 1e-6)  # so that no draw reaches a token of probability 0
    numbers = tf.reshape(numbers, [steps, each, rows])

    def spread(values):  # [B, ...] → [B * particles, ...]
        return tf.repeat(values, particles, axis=0)

    top, temperature = spread(top), tf.maximum(spread(temperature), 1e-6)[:, None]
    count = rows * particles
    drafts: dict[str, Any] = {
        "t": tf.constant(0),
        "last": tf.fill([count], END_ID),
        "state": spread(state),
        "tokens": tf.zeros([steps, count, width], tf.int32),
        "log_probability": tf.zeros([rows]),
    }

    def write_chord(t, last, state):
        """A step of every draft → its last token, the state before that, its tokens [N, width] and its log weight."""
        note = spread(kept[:, t])

        def body(k, last, state, chord, weight):
            logits, after, _ = step(last, state)
            found = tf.nn.log_softmax(logits / temperature)  # [N, V]
            allowed = _allowed(k, note, chord, top=top, size=found.shape[-1], voices=voices)
            values = tf.where(allowed, found, -math.inf)
            mass = tf.reduce_logsumexp(values, axis=-1)
            number = tf.reshape(tf.transpose(numbers[t, k * particles : (k + 1) * particles]), [-1, 1])
            cumulative = tf.cumsum(tf.exp(values - mass[:, None]), axis=-1)
            chosen = tf.reduce_sum(tf.cast(cumulative <= number * cumulative[:, -1:], tf.int32), axis=-1)
            chosen = tf.minimum(chosen, found.shape[-1] - 1)
            closed = _complete(chord)
            chosen = tf.where(closed, 0, chosen)
            place = tf.one_hot(k, width, dtype=tf.int32)
            return (
                k + 1,
                tf.where(closed, last, chosen),
                tf.where(closed[:, None], state, after),
                chord + place * chosen[:, None],
                weight + tf.where(closed, 0.0, mass),
            )

        start = tf.constant(0), last, state, tf.zeros([count, width], tf.int32), tf.zeros([count])

        def unfinished(k, last, state, chord, weight):
            return tf.reduce_any(~_complete(chord))

        _, last, state, chord, weight = tf.while_loop(unfinished, body, start, maximum_iterations=width)
        return last, state, chord, weight

    def body(drafts):
        t = drafts["t"]
        last, state, chord, weight = write_chord(t, drafts["last"], drafts["state"])
        active = t < lengths  # [B]
        weight = tf.where(active[:, None], tf.reshape(weight, [rows, particles]), 0.0)
        chances = tf.cumsum(tf.nn.softmax(weight), axis=-1)  # [B, particles]
        # Systematic resampling: one number places all of them.
        places = (tf.range(particles, dtype=tf.float32) + numbers[t, -2][:, None]) / particles
        parents = tf.reduce_sum(tf.cast(chances[:, None, :] <= places[:, :, None], tf.int32), axis=-1)
        parents = tf.where(active[:, None], tf.minimum(parents, particles - 1), tf.range(particles))
        parents = tf.reshape(parents + particles * tf.range(rows)[:, None], [-1])
        chord = tf.where(spread(active)[:, None], chord, 0)
        tokens = tf.tensor_scatter_nd_update(drafts["tokens"], [[t]], chord[None])
        gained = tf.reduce_logsumexp(weight, axis=-1) - math.log(particles)
        return (
            {
                "t": t + 1,
                "last": tf.gather(last, parents),
                "state": tf.gather(state, parents),
                "tokens": tf.gather(tokens, parents, axis=1),
                "log_probability": drafts["log_probability"] + tf.where(active, gained, 0.0),
            },
        )

    shapes = {name: value.shape for name, value in drafts.items()}
    shapes |= {"tokens": tf.TensorShape([None, None, width]), "last": tf.TensorShape([None])}
    shapes["state"] = tf.TensorShape([None, state.shape[-1]])
    (drafts,) = tf.while_loop(lambda drafts: drafts["t"] < steps, body, (drafts,), shape_invariants=(shapes,))
    # One of the drafts, which are equally likely after the last resampling.
    ends = tf.maximum(lengths - 1, 0)
    number = tf.gather(tf.transpose(numbers[:, -1]), ends, batch_dims=1)
    chosen = tf.cast(number * particles, tf.int32) + particles * tf.range(rows)
    tokens = tf.transpose(tf.gather(drafts["tokens"], chosen, axis=1), [1, 0, 2])  # [B, T, width]
    return Harmonised(tf.reshape(tokens, [rows, -1]), drafts["log_probability"])


def limited(step: Callable, voices: int) -> Callable:
    """The same `step` of a search, which writes so many steps of music and ends.

    Its state is (state, left int32[B], the steps to write, one more if the first token read ends a step; and int32[B],
    the notes of the open step). A step gets at most `voices` notes.
    """

    def allowed(last, state):
        state, left, size = state
        left = left - tf.cast(last == STEP_ID, tf.int32)
        size = tf.where(last >= FIRST_NOTE, size + 1, 0)
        logits, state, weights = step(last, state)
        tokens = tf.range(logits.shape[-1])[None]
        full = (size >= voices)[:, None] & (tokens >= FIRST_NOTE)
        done = (left <= 0)[:, None] & (tokens != END_ID)
        return tf.where(full | done, -1e9, logits), (state, left, size), weights

    return allowed


def _complete(chord: tf.Tensor) -> tf.Tensor:
    """int32[N, width], zeros behind the tokens so far → bool[N], True where the step has ended."""
    return tf.reduce_any(chord == STEP_ID, axis=1)


def _allowed(k, note, chord, *, top, size: int, voices: int):
    """bool[N, V]: tokens that keep the given note in the chord, as token k of a step."""
    tokens = tf.range(size)[None]
    is_note = tokens >= FIRST_NOTE
    kept = (note > 0)[:, None]
    it = tokens == note[:, None]
    has = tf.reduce_any(chord == note[:, None], axis=1)[:, None]
    lower = is_note & ((tokens - FIRST_NOTE) % PITCHES < ((note - FIRST_NOTE) % PITCHES)[:, None])
    full = k >= voices
    end = tokens == STEP_ID
    free = end | (is_note & ~full)
    below = tf.where(has, end, it | (lower & (k < voices - 1)))
    above = tf.where(k == 0, it, free)
    return tf.where(kept, tf.where(top[:, None], below, above), free)
