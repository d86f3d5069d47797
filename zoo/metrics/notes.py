"""Metrics of music: nats per time step, frame accuracy, and statistics of how pieces repeat and move."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from zoo.data import notes
from zoo.metrics.perplexity import Perplexity
from zoo.training.losses import token_crossentropy

PASSAGE = 8  # steps of a passage that may come back


@keras.saving.register_keras_serializable("zoo")
class NatsPerStep(Perplexity):
    """−log probability of the notes of a step, mean over the steps. The token that ends a piece does not count."""

    def __init__(self, name: str = "nll", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch; see `Perplexity`."""
        tokens = ops.cast(y_true, "int32")
        loss = token_crossentropy(ops.cast(y_true, "float32"), y_pred)
        weight = ops.ones_like(loss) if sample_weight is None else ops.cast(sample_weight, loss.dtype)
        weight = weight * ops.cast(tokens != notes.END_ID, loss.dtype)
        self.total.assign_add(ops.sum(loss * weight))
        self.count.assign_add(ops.sum(weight * ops.cast(tokens == notes.STEP_ID, loss.dtype)))

    def result(self):
        return self.total / ops.maximum(self.count, 1.0)


def by_step(tokens: tf.Tensor, log_probabilities: tf.Tensor, likeliest: tf.Tensor) -> dict[str, tf.Tensor]:
    """What `scores` takes, from tokens and what a model said about them; in graph.

    Args:
        tokens: int32[B, T], 0 on padding.
        log_probabilities: float[B, T].
        likeliest: [B, T], the tokens that were expected.
    Returns:
        nats float[B, S]; notes, hits and false_notes int32[B, S].
    """
    likeliest = tf.cast(likeliest, tf.int32)
    is_note, says_note = (tf.cast(ids >= notes.FIRST_NOTE, tf.int32) for ids in (tokens, likeliest))
    right = tf.cast(tokens == likeliest, tf.int32)
    counts = {"notes": is_note, "hits": is_note * right, "false_notes": says_note * (1 - right)}
    return {"nats": notes.add_up(-log_probabilities, tokens)} | {
        name: notes.add_up(count, tokens) for name, count in counts.items()
    }


def scores(answers: Sequence[dict]) -> dict[str, float]:
    """The metrics of scored pieces, all teacher forced: every note is predicted from the true notes before it.

    nll is the mean of the nats over all steps, each summed over its notes, as in Boulanger-Lewandowski et al. 2012,
    https://arxiv.org/abs/1206.6392. nll_by_piece is the mean over pieces of their means, and weighs steps of short
    pieces more. nats_per_note divides by the notes instead of the steps. frame_accuracy is TP / (TP + FP + FN) of
    the notes that were the likeliest where they were predicted (Bay et al. 2009).

    Args:
        answers: dicts with float or int [steps]: nats, and of the step's notes how many there are (notes), how many
            were predicted (hits), and how many others were (false_notes).
    """
    nats, counts, hits, false_notes = (
        np.concatenate([np.asarray(answer[name], np.float64) for answer in answers])
        for name in ("nats", "notes", "hits", "false_notes")
    )
    return {
        "nll": float(nats.mean()),
        "nll_by_piece": float(np.mean([np.mean(answer["nats"]) for answer in answers])),
        "nats_per_note": float(nats.sum() / max(counts.sum(), 1)),
        "frame_accuracy": float(hits.sum() / max(counts.sum() + false_notes.sum(), 1)),
    }


def statistics(pieces: Iterable[str]) -> dict[str, float]:
    """How pieces repeat and move, as means over the pieces.

    Returns:
        steps and notes per step; lowest and highest pitch; repeated_steps, the share of steps with the pitches of the
        step before; repeated_passages, the share of passages of 8 steps that the piece has had before, which is near 1
        in a loop; overlaps, the share of moves between chords of equal size in which a voice goes beyond the place that
        its neighbour has just left. Voices cannot cross within a chord, because its notes are written lowest first.
    """
    rows = []
    for piece in pieces:
        chords = [tuple(pitch for pitch, _ in chord) for chord in notes.read(piece)]
        sounding = [pitch for chord in chords for pitch in chord]
        pairs = list(pairwise(chords))
        passages = [tuple(chords[i : i + PASSAGE]) for i in range(len(chords) - PASSAGE + 1)]
        moves = [pair for pair in pairs if len(pair[0]) == len(pair[1]) > 1]
        rows.append(
            {
                "steps": len(chords),
                "notes_per_step": len(sounding) / max(len(chords), 1),
                "lowest": min(sounding, default=np.nan),
                "highest": max(sounding, default=np.nan),
                "repeated_steps": _share([one == other for one, other in pairs]),
                "repeated_passages": 1 - len(set(passages)) / len(passages) if passages else np.nan,
                "overlaps": _share([_overlaps(*move) for move in moves]),
            }
        )
    return {name: _mean([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _overlaps(before: Sequence[int], after: Sequence[int]) -> bool:
    return any(after[i] > before[i + 1] or after[i + 1] < before[i] for i in range(len(before) - 1))


def _share(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _mean(values: Sequence[float]) -> float:
    real = [value for value in values if not np.isnan(value)]
    return float(np.mean(real)) if real else np.nan
