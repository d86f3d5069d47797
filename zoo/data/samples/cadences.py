"""The bundled sample of music: short pieces in four voices that follow the rules of voice leading, in several keys."""

import random
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from zoo.data import notes

KEYS = (-5, -3, 0, 2, 4)  # semitones from C
MAJOR = (0, 2, 4, 5, 7, 9, 11)
# Degree of the scale → degrees that may follow, 0 being the tonic.
FOLLOWS = {0: (3, 4, 5, 1), 1: (4,), 3: (4, 1, 0), 4: (0, 5), 5: (1, 3)}
RANGES = ((43, 62), (50, 67), (55, 72), (60, 79))  # bass, tenor, alto, soprano
LARGEST = 7  # semitones that an upper voice moves
BROKEN = 1_000  # the cost of a broken rule
BAR = 4  # steps


def examples(split: str) -> Iterator[dict]:
    """{"piece": str, "name": str}: 240 for "train" and 40 for "test", 16 to 32 steps; no "validation".

    A chord lasts one or two steps, in which its notes are held or the soprano moves to another note of the chord. Four
    bars end with a cadence. Voices move as little as they can, without parallel fifths or octaves and without overlaps
    where there is such a way.
    """
    rng = random.Random(f"cadences {split}")
    for number in range({"train": 240, "test": 40}[split]):
        yield {"piece": notes.write(_piece(rng)), "name": f"{split} {number + 1}"}


def _piece(rng: random.Random) -> list[notes.Chord]:
    key = rng.choice(KEYS)
    steps: list[notes.Chord] = []
    voices: list[int] | None = None
    for _ in range(rng.choice((1, 1, 2))):  # phrases
        for degree, length in _phrase(rng):
            options = _voicings(degree, key)
            before = voices
            if before is None:
                voices = rng.choice(options.tolist())
            else:
                costs = _costs(np.array(before), options)
                nearest = np.argsort(costs, kind="stable")[: 1 + (rng.random() < 0.5)]  # seldom the nearest one but one
                voices = options[nearest[-1] if costs[nearest[-1]] < BROKEN else nearest[0]].tolist()
            steps += _figure(rng, before, voices, length)
    return steps


def _phrase(rng: random.Random) -> list[tuple[int, int]]:
    """Degrees and lengths of 16 steps that end on a cadence."""
    found, left, degree = [], 4 * BAR - 6, 0
    while left:
        length = min(rng.choice((1, 2, 2)), left)
        found.append((degree, length))
        left -= length
        degree = rng.choice(FOLLOWS[degree])
    return [*found, (rng.choice((1, 3)), 1), (4, 1), (0, 4)]


@cache
def _voicings(degree: int, key: int) -> np.ndarray:
    """int[N, 4]: all ways to set a chord, from the bass up: the root below, each note of the chord somewhere."""
    root, third, fifth = ((MAJOR[(degree + i) % 7] + key) % 12 for i in (0, 2, 4))
    grid = np.meshgrid(*(np.arange(low, high + 1) for low, high in RANGES), indexing="ij")
    found = np.stack([voice.ravel() for voice in grid], axis=1)
    names = found % 12
    spread = np.diff(found, axis=1)
    right = (names[:, 0] == root) & (spread > 0).all(axis=1) & (spread[:, 1:] <= 12).all(axis=1)
    right &= np.isin(names, (root, third, fifth)).all(axis=1)
    right &= (names == third).any(axis=1) & (names == fifth).any(axis=1)
    return found[right]


def _costs(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """How far the voices move from a chord int[4] to each of int[N, 4]; a broken rule costs more than any move."""
    moves = after - before
    broken = (abs(moves[:, 1:]) > LARGEST).sum(axis=1)
    broken += (after[:, :-1] > before[1:]).sum(axis=1) + (after[:, 1:] < before[:-1]).sum(axis=1)
    for low in range(4):
        for high in range(low + 1, 4):
            interval = (after[:, high] - after[:, low]) % 12
            same = interval == (before[high] - before[low]) % 12
            broken += (moves[:, low] != 0) & (moves[:, high] != 0) & same & np.isin(interval, (0, 7))
    return abs(moves).sum(axis=1) + BROKEN * broken


def _figure(rng: random.Random, before: Sequence[int] | None, chord: Sequence[int], length: int) -> list[notes.Chord]:
    """The steps of one chord. A bass or an inner voice that stays from the chord before is held."""
    kept = [before is not None and before[i] == chord[i] and rng.random() < 0.5 and i < 3 for i in range(4)]
    steps: list[notes.Chord] = [list(zip(chord, kept, strict=True))]
    steps += [[(pitch, True) for pitch in chord] for _ in range(length - 1)]
    if length == 2 and rng.random() < 0.4:  # the soprano moves to the next note of the chord
        *others, soprano = chord
        higher = [pitch for pitch in range(soprano + 3, soprano + 6) if pitch % 12 in {p % 12 for p in chord}]
        if higher and higher[0] <= RANGES[3][1]:
            steps[1] = [*((pitch, True) for pitch in others), (higher[0], False)]
    return steps
