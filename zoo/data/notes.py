"""Pieces of music as tokens: on a time grid, the notes of each step, the lowest first, and then the end of the step.

    notes = Notes(held=True)
    notes.encode(tf.constant(["48 64 | 48~ 65 | |"]))    # 48 64 |, 48 held and 65 |, a step of silence |

A piece is written as text: MIDI pitches, `~` behind a note that goes on sounding, and `|` after every step. In the
tokens, notes of a step ascend and each pitch occurs once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data import codec, text

PITCHES = 128  # of MIDI; 60 is middle C
END_ID, STEP_ID, FIRST_NOTE = 1, 2, 3  # 0 is padding
STEP, HELD = "|", "~"
EXPECTED = f"expected pitches from 0 to 127, {HELD} behind those that are held, and {STEP} after each step"
Chord = list[tuple[int, bool]]  # pitch, and whether it is held from the step before; ascending
Span = tuple[int, int, int]  # pitch, first step, and the step after the last


@codec.register(".notes")
class Notes(text.Vocabulary):
    """The tokens of pieces: padding, the end of a piece, the end of a step, and every pitch; perhaps every held pitch.

    Args:
        tokens: as `of` makes them.
    Attributes:
        held: whether held notes have tokens of their own. If not, they count as struck again.
    """

    def __init__(self, tokens: Sequence[str]):
        super().__init__(tokens)
        self.held = len(self.tokens) > FIRST_NOTE + PITCHES
        pitches = np.arange(PITCHES, dtype=np.int32)
        names = [STEP, *(f"{pitch}{mark}" for mark in ("", HELD) for pitch in pitches)]
        ids = np.concatenate([[STEP_ID], FIRST_NOTE + pitches, FIRST_NOTE + pitches + PITCHES * self.held])
        entries = tf.lookup.KeyValueTensorInitializer(tf.constant(names), tf.constant(ids, tf.int32))
        self._written = tf.lookup.StaticHashTable(entries, 0)

    @classmethod
    def of(cls, *, held: bool) -> "Notes":
        """The vocabulary with or without tokens of held notes."""
        names = [f"{pitch}{mark}" for mark in (["", HELD] if held else [""]) for pitch in range(PITCHES)]
        return cls([text.PADDING, text.END, STEP, *names])

    def encode(self, pieces: tf.Tensor, *, strict: bool = False) -> tf.RaggedTensor:
        """string[B] → int32[B, ragged]: each step's notes in order, each pitch once, and `STEP_ID`.

        Args:
            strict: a word that is neither a note nor the end of a step is an InvalidArgumentError. Else it is left out.
        """
        pieces = tf.strings.strip(tf.strings.regex_replace(pieces, r"\|", " | "))
        closed = tf.strings.regex_full_match(pieces, r"(?s).*\||")
        words = tf.strings.split(tf.where(closed, pieces, pieces + " |"))
        ids, rows = self._written.lookup(words.flat_values), words.value_rowids()
        if strict:
            tf.debugging.Assert(tf.reduce_all(ids > 0), [EXPECTED])
        known = ids > 0
        ids, rows = tf.boolean_mask(ids, known), tf.boolean_mask(rows, known)
        step = tf.cumsum(tf.cast(ids == STEP_ID, tf.int64), exclusive=True)  # over all rows, so that steps differ
        note = ids - FIRST_NOTE
        place = tf.where(ids == STEP_ID, PITCHES, note % PITCHES)  # in the step
        order = (step * (PITCHES + 1) + tf.cast(place, tf.int64)) * 2 + tf.cast(note >= PITCHES, tf.int64)
        sequence = tf.argsort(order, stable=True)  # the end of a row is the end of a step, so rows stay apart
        ids, rows, order = (tf.gather(part, sequence) for part in (ids, rows, order // 2))
        first = tf.concat([tf.ones_like(order[:1], tf.bool), order[1:] != order[:-1]], axis=0)
        ids, rows = tf.boolean_mask(ids, first), tf.boolean_mask(rows, first)
        return tf.RaggedTensor.from_value_rowids(ids, rows, nrows=tf.size(pieces, tf.int64), validate=False)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """int32[..., T] → string[...]; padding and the end of a piece are left out."""
        words = tf.where(ids >= STEP_ID, self.lookup(ids) + " ", "")
        return tf.strings.strip(tf.strings.reduce_join(words, axis=-1))


def add_up(values: tf.Tensor, tokens: tf.Tensor) -> tf.Tensor:
    """Sums over the tokens of each step; the end of a piece and padding do not count.

    Args:
        values: [B, T].
        tokens: int32[B, T], 0 on padding.
    Returns:
        [B, S], S ≥ 1 steps, in the dtype of `values`.
    """
    step = tf.cumsum(tf.cast(tokens == STEP_ID, tf.int32), axis=1, exclusive=True)
    rows, most = tf.shape(tokens)[0], tf.maximum(tf.reduce_max(steps_of(tokens)), 1)
    inside = tokens >= STEP_ID
    number = tf.where(inside, step, most) + tf.range(rows)[:, None] * (most + 1)
    found = tf.math.unsorted_segment_sum(tf.reshape(values, [-1]), tf.reshape(number, [-1]), rows * (most + 1))
    return tf.reshape(found, [rows, most + 1])[:, :-1]


def steps_of(tokens: tf.Tensor) -> tf.Tensor:
    """int32[B, T] → int32[B]: the number of steps."""
    return tf.math.count_nonzero(tokens == STEP_ID, axis=1, dtype=tf.int32)


def outer_voice(tokens: tf.Tensor, lowest: tf.Tensor) -> tf.Tensor:
    """One note of each step.

    Args:
        tokens: int32[B, T], each step in order, 0 on padding.
        lowest: bool[B], True for the lowest note, False for the highest.
    Returns:
        int32[B, S], tokens; 0 where a step is empty.
    """
    is_note = tokens >= FIRST_NOTE
    edge = tf.fill([tf.shape(tokens)[0], 1], STEP_ID)
    first = tf.concat([edge, tokens[:, :-1]], axis=1) == STEP_ID
    last = tf.concat([tokens[:, 1:], edge], axis=1) == STEP_ID
    chosen = is_note & tf.where(lowest[:, None], first, last)
    return add_up(tf.where(chosen, tokens, 0), tokens)


def write(chords: Sequence[Sequence[Any]]) -> str:
    """Chords as text.

    Args:
        chords: the notes of each step: pitches, or pairs of a pitch and whether it is held.
    """

    def name(note: Any) -> str:
        pitch, held = note if isinstance(note, tuple) else (note, False)
        return f"{pitch}{HELD * held}"

    return " ".join(word for chord in chords for word in [*map(name, chord), STEP])


def read(piece: str) -> list[Chord]:
    """The chords of a text that `write` or `Notes.decode` gave."""
    steps = piece.split(STEP)[:-1]
    return [[(int(word.removesuffix(HELD)), word.endswith(HELD)) for word in step.split()] for step in steps]


def spans(piece: str, *, join: bool) -> list[Span]:
    """The notes of a piece and how long they sound.

    Args:
        join: a pitch that is struck in successive steps sounds on, for pieces that do not tell held notes apart.
    """
    found: list[Span] = []
    sounding: dict[int, int] = {}
    chords = read(piece)
    for step, chord in enumerate([*chords, []]):
        going_on = {pitch for pitch, held in chord if held or join}
        for pitch in sorted(sounding.keys() - going_on):
            found.append((pitch, sounding.pop(pitch), step))
        for pitch, _ in chord:
            sounding.setdefault(pitch, step)
    return sorted(found, key=lambda span: (span[1], span[0]))


def head(piece: str, steps: int) -> str:
    """The first steps of a piece."""
    return STEP.join([*piece.split(STEP)[:-1][:steps], ""])


def transpose(tokens: np.ndarray, semitones: np.ndarray) -> np.ndarray:
    """Moves the notes of each row up or down, as far as pitches exist.

    Args:
        tokens: int32[B, T].
        semitones: int[B].
    """
    note = tokens >= FIRST_NOTE
    pitch = (tokens - FIRST_NOTE) % PITCHES
    down = np.where(note, pitch, PITCHES).min(axis=1)
    up = PITCHES - 1 - np.where(note, pitch, -1).max(axis=1)
    moved = np.where(note.any(axis=1), np.clip(semitones, -down, up), 0)
    return np.where(note, tokens + moved[:, None], tokens).astype(tokens.dtype)
