"""The classical baselines of music: notes that are independent, a Markov chain for each note, and n-grams of notes."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from zoo.baselines.baseline import Baseline
from zoo.baselines.ngrams import KneserNey
from zoo.data import notes
from zoo.data.notes import PITCHES
from zoo.metrics import notes as metrics

OFF, STRUCK, SOUNDS_ON = range(3)  # a pitch in a step


def rolls(pieces: Iterable[str]) -> list[np.ndarray]:
    """Each piece as int8[T, 128]: `OFF`, `STRUCK` or `SOUNDS_ON`, if held notes are told apart."""
    found = []
    for piece in pieces:
        chords = notes.read(piece)
        roll = np.zeros((len(chords), PITCHES), np.int8)
        for step, chord in enumerate(chords):
            for pitch, held in chord:
                roll[step, pitch] = SOUNDS_ON if held else STRUCK
        found.append(roll)
    return found


def independent(train: Sequence[str], test: Sequence[str]) -> Baseline:
    """Each note by its own frequency in the training data, whatever else sounds."""
    states = _states(train)
    counts = sum((np.eye(states)[roll].sum(axis=0) for roll in rolls(train)), np.zeros((PITCHES, states)))
    chances = _smooth(counts)  # [128, states]
    answers = [
        _scored(np.minimum(roll, states - 1), np.broadcast_to(chances, (len(roll), *chances.shape)))
        for roll in rolls(test)
    ]
    return Baseline("independent notes", answers)


def markov(train: Sequence[str], test: Sequence[str]) -> Baseline:
    """Each note given whether it sounded in the step before; before the first step none did."""
    states = _states(train)
    counts = np.zeros((PITCHES, states, states))
    for roll in rolls(train):
        before = np.concatenate([np.zeros((1, PITCHES), np.int8), roll[:-1]])
        np.add.at(counts, (np.arange(PITCHES), before, roll), 1)
    chances = _smooth(counts)  # [128, before, states]

    def answer(roll: np.ndarray) -> dict:
        roll = np.minimum(roll, states - 1)  # a held note, in data whose training part has none
        before = np.concatenate([np.zeros((1, PITCHES), np.int8), roll[:-1]])
        return _scored(roll, chances[np.arange(PITCHES), before])

    return Baseline("Markov chain of each note", [answer(roll) for roll in rolls(test)])


def ngrams(train: Iterable[np.ndarray], test: Iterable[np.ndarray], *, size: int, order: int = 9) -> Baseline:
    """Modified Kneser-Ney n-grams of the tokens; the default order reads a chord of four notes and one before it.

    Args:
        train, test: int32[N], the tokens of each piece with `END_ID` behind them.
        size: number of tokens.
    """
    model = KneserNey.fit(np.concatenate([[notes.END_ID], *train]), order=order, size=size)
    likeliest: dict[bytes, int] = {}

    def answer(tokens: np.ndarray) -> dict:
        context = np.concatenate([[notes.END_ID], tokens])
        best = np.empty(len(tokens), np.int64)
        for place in range(len(tokens)):
            known = context[max(place + 2 - order, 0) : place + 1]
            key = known.tobytes()
            if key not in likeliest:
                likeliest[key] = int(model.distribution(known).argmax())
            best[place] = likeliest[key]
        log_probs = model.log_probs(tokens, before=[notes.END_ID])
        found = metrics.by_step(*(tf.constant(part[None]) for part in (tokens, log_probs, best)))
        return {name: values.numpy()[0] for name, values in found.items()}

    return Baseline(f"modified Kneser-Ney of notes, order {order}", [answer(tokens) for tokens in test])


def _states(pieces: Iterable[str]) -> int:
    return 3 if any(notes.HELD in piece for piece in pieces) else 2


def _smooth(counts: np.ndarray) -> np.ndarray:
    """Frequencies with half a case added to each (Krichevsky & Trofimov 1981)."""
    return (counts + 0.5) / (counts + 0.5).sum(axis=-1, keepdims=True)


def _scored(roll: np.ndarray, chances: np.ndarray) -> dict:
    """A piece int8[T, 128] under the chances of each state, float[T, 128, states]."""
    nats = -np.log(np.take_along_axis(chances, roll[:, :, None].astype(np.int64), axis=-1))[:, :, 0]
    expected = chances.argmax(axis=-1)
    return {
        "nats": nats.sum(axis=1),
        "notes": (roll > OFF).sum(axis=1),
        "hits": ((roll > OFF) & (roll == expected)).sum(axis=1),
        "false_notes": ((expected > OFF) & (roll != expected)).sum(axis=1),
    }
