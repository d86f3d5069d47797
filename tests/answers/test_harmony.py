"""Laws of harmonisation: the given voice is kept, and a row depends on its seed alone; checked against enumeration."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from zoo.answers import harmony, search
from zoo.data.notes import END_ID, FIRST_NOTE, STEP_ID

SIZE = FIRST_NOTE + 128
TABLE = np.random.default_rng(0).normal(size=[SIZE, SIZE]).astype("float32")
LOW = 6  # pitches that the model can write


def step(last, state):
    """A bigram model whose notes ascend; the state is the highest note of the open step, or 0."""
    note = last >= FIRST_NOTE
    state = tf.where(note[:, None], tf.cast(last, tf.float32)[:, None], 0.0)
    tokens = tf.range(SIZE)[None]
    possible = (tokens == STEP_ID) | ((tokens >= FIRST_NOTE) & (tokens < FIRST_NOTE + LOW))
    possible &= tf.cast(tokens, tf.float32) > tf.where(state > 0, state, -1.0)
    possible |= tokens == STEP_ID
    return tf.where(possible, tf.gather(TABLE, last), -1e4), state, None


def harmonise(kept, *, top, seeds, particles=64, voices=3, lengths=None):
    kept = tf.constant(kept, tf.int32)
    return harmony.harmonise(
        step,
        tf.zeros([len(kept), 1]),
        kept,
        tf.fill([len(kept)], kept.shape[1]) if lengths is None else tf.constant(lengths),
        top=tf.constant(top),
        seeds=tf.constant(seeds),
        temperature=tf.ones([len(kept)]),
        particles=particles,
        voices=voices,
    )


def chords(tokens) -> list[list[int]]:
    found: list[list[int]] = [[]]
    for token in np.asarray(tokens).tolist():
        if token == STEP_ID:
            found.append([])
        elif token:
            found[-1].append(token)
    return found[:-1]


MELODY = [FIRST_NOTE + 4, 0, FIRST_NOTE + 2, FIRST_NOTE + 5]


def test_the_given_voice_is_kept():
    found = harmonise([MELODY, MELODY], top=[True, False], seeds=[1, 2])
    for row, place in ((0, -1), (1, 0)):
        written = chords(found.tokens[row])
        assert len(written) == 4
        assert [chord[place] for i, chord in enumerate(written) if i != 1] == [MELODY[0], *MELODY[2:]]
        assert all(chord == sorted(set(chord)) and len(chord) <= 3 for chord in written)


def test_a_row_depends_on_its_own_seed_alone():
    short = [[*MELODY[:2], 0, 0], MELODY]
    together = harmonise(short, top=[True, False], seeds=[7, 8], lengths=[2, 4], particles=8)
    alone = harmonise([MELODY[:2]], top=[True], seeds=[7], particles=8)
    assert chords(together.tokens[0]) == chords(alone.tokens[0])
    assert float(together.log_probability[0]) == pytest.approx(float(alone.log_probability[0]), abs=1e-5)
    several = {str(chords(harmonise([MELODY], top=[True], seeds=[seed], particles=2).tokens[0])) for seed in range(3)}
    assert len(several) > 1


@pytest.mark.parametrize("top", [True, False])
def test_the_estimate_is_the_probability_of_the_voice(top):
    """Summed over all chords of at most three notes with the kept note on top, or at the bottom."""
    note, total = FIRST_NOTE + 3, 0.0
    others = [FIRST_NOTE + p for p in (range(3) if top else range(4, LOW))]
    chances = {token: tf.nn.softmax(step(tf.constant([token]), tf.zeros([1, 1]))[0])[0] for token in range(SIZE)}
    for count in range(3):
        for rest in itertools.combinations(others, count):
            last = END_ID
            probability = 1.0
            for token in [*((*rest, note) if top else (note, *rest)), STEP_ID]:
                probability *= float(chances[last][token])
                last = token
            total += probability
    found = [harmonise([[note]], top=[top], seeds=[seed], particles=1000).log_probability for seed in range(4)]
    assert np.exp(np.array(found)).mean() == pytest.approx(total, rel=0.05)


def test_a_search_writes_so_many_steps():
    found = search.sample(
        harmony.limited(search.without(step, [0]), 2),
        (tf.zeros([2, 1]), tf.constant([3, 1]), tf.zeros([2], tf.int32)),
        tf.fill([2], END_ID),
        end=END_ID,
        max_length=tf.constant([10, 10]),
        seeds=tf.constant([0, 1]),
    )
    for row, steps in ((0, 3), (1, 1)):
        written = chords(found.tokens[row])
        assert len(written) == steps
        assert max(map(len, written)) <= 2
