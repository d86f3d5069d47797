"""The musical context equals that of a plain loop over the tokens, in one piece or in many."""

import numpy as np
import pytest

from zoo.layers import ChordContext, IntervalLogits

END, STEP, FIRST = 1, 2, 3


def context(carry: int = 0) -> ChordContext:
    return ChordContext(4, vocabulary=FIRST + 256, bar=3, end=END, step=STEP, first=FIRST, carry=carry)


def pieces(seed: int, length: int = 40) -> list[int]:
    rng = np.random.default_rng(seed)
    found: list[int] = []
    while len(found) < length:
        found.append(END)
        for _ in range(rng.integers(0, 6)):
            pitches = np.sort(rng.choice(128, rng.integers(0, 4), replace=False))
            found += [*(FIRST + pitches + 128 * rng.integers(0, 2, len(pitches))), STEP]
    return found[:length]


def plain(tokens: list[int]):
    """The chord before, the notes so far and the number of the step, after each token."""
    before, now, step = set(), set(), 0
    for token in tokens:
        if token == END:
            before, now, step = set(), set(), 0
        elif token == STEP:
            before, now, step = now, set(), step + 1
        else:
            now = now | {(token - FIRST) % 128}
        yield before, now, step


TOKENS = np.array([pieces(seed) for seed in range(3)])


def test_the_context_is_that_of_a_plain_loop():
    layer = context()
    vectors, allowed, before, now = (np.asarray(part) for part in layer(TOKENS))
    kernels = {name: np.asarray(kernel) for name, kernel in layer.kernels.items()}
    for row, tokens in enumerate(TOKENS):
        for t, (chord, notes, step) in enumerate(plain(tokens)):
            assert set(np.flatnonzero(before[row, t])) == chord
            assert set(np.flatnonzero(now[row, t])) == notes
            expected = kernels["before"][list(chord)].sum(axis=0) + kernels["now"][list(notes)].sum(axis=0)
            expected = expected + kernels["place"][len(notes)] + kernels["beat"][step % 3]
            np.testing.assert_allclose(vectors[row, t], expected, atol=1e-5)
            top = max(notes, default=-1)
            higher = [*range(top + 1, 128)]
            follow = {STEP, *([] if notes else [END]), *(FIRST + copy * 128 + p for copy in (0, 1) for p in higher)}
            assert set(np.flatnonzero(allowed[row, t])) == follow


@pytest.mark.parametrize("width", [1, 7])
def test_reading_on_is_reading_as_a_whole(width):
    layer = context()
    whole = layer(TOKENS)[:3]
    state, parts = np.zeros([3, layer.state_size], "float32"), []
    for start in range(0, TOKENS.shape[1], width):
        *found, _, state = layer.resume(TOKENS[:, start : start + width], state)
        parts.append(found)
    for expected, found in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=1e-5)


def test_streams_carry_the_chords_from_window_to_window():
    layer = context(carry=3)
    expected = context()(TOKENS)[2]
    first = layer(TOKENS[:, :19], np.ones(3), training=True)[2]
    second = layer(TOKENS[:, 19:], np.zeros(3), training=True)[2]
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), expected)
    again = layer(TOKENS[:, 19:], np.ones(3), training=True)[2]  # fresh: nothing was read before
    assert not np.array_equal(again, second)


def test_padding_changes_no_state():
    layer = context()
    padded = np.pad(TOKENS, ((0, 0), (0, 5)))
    start = np.zeros([3, layer.state_size], "float32")
    np.testing.assert_array_equal(layer.resume(padded, start)[-1], layer.resume(TOKENS, start)[-1])


def test_interval_logits_move_with_the_notes():
    """The same notes in another key give the same logits, moved."""
    layer = IntervalLogits(5, copies=2)
    features = np.random.default_rng(0).normal(size=[2, 3, 4]).astype("float32")
    before, now = (np.random.default_rng(seed).integers(0, 2, [2, 3, 128]).astype("float32") for seed in (1, 2))
    logits = np.asarray(layer(features, before, now)).reshape(2, 3, 2, 128)
    moved = np.asarray(layer(features, np.roll(before, 4, -1), np.roll(now, 4, -1))).reshape(2, 3, 2, 128)
    np.testing.assert_allclose(moved[..., 14:110], logits[..., 10:106], atol=1e-5)
    weights = np.asarray(layer.weigh(features))[0, 0].reshape(16, 2)
    p = 60
    expected = weights[:11].T @ before[0, 0, p - 5 : p + 6] + weights[11:].T @ now[0, 0, p - 5 : p]
    np.testing.assert_allclose(logits[0, 0, :, p], expected, atol=1e-5)
