"""Laws of CTC: loss, gradient and alignment equal brute force over all alignments; padding adds nothing."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo.layers import ctc
from zoo.training.losses import CTCLoss

LENGTHS = np.array([5, 1, 4, 3, 2])
TIME, SYMBOLS = 5, 3
KEEP = np.arange(TIME) < LENGTHS[:, None]
TEXTS = np.array([[0, 0, 2], [1, -1, -1], [2, 1, 2], [-1, -1, -1], [1, 1, -1]])  # the last one needs three steps
FITS = np.array([True, True, True, True, False])


def scores_of(seed=0, time=TIME):
    return np.random.default_rng(seed).normal(size=(len(TEXTS), time, SYMBOLS + 1)).astype("float32") * 2


def alignments(log_probs: np.ndarray, text: list[int]):
    """All alignments of one text, and the log-probability of each."""
    for path in itertools.product(range(SYMBOLS + 1), repeat=len(log_probs)):
        said = [symbol for symbol, _ in itertools.groupby(path) if symbol != SYMBOLS]
        if said == text:
            yield path, sum(log_probs[t, symbol] for t, symbol in enumerate(path))


def row(scores, i) -> tuple[np.ndarray, list[int]]:
    logits = scores[i, : LENGTHS[i]].astype("float64")
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), [int(s) for s in TEXTS[i] if s >= 0]


def nll(scores, keep=KEEP, texts=TEXTS):
    return ctc.text_nll(texts, ctc.CTC(SYMBOLS)(scores, keep))


def gradient(scores, keep=KEEP, texts=TEXTS):
    scores = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        loss = tf.reduce_sum(nll(scores, keep, texts))
    return tape.gradient(loss, scores).numpy()


def test_the_loss_is_that_of_all_alignments():
    found = ops.convert_to_numpy(nll(scores_of()))
    for i in np.flatnonzero(FITS):
        chances = [chance for _, chance in alignments(*row(scores_of(), i))]
        assert found[i] == pytest.approx(-np.logaddexp.reduce(chances), rel=1e-5)


def test_a_text_that_cannot_be_said_has_no_loss_and_no_gradient():
    assert ops.convert_to_numpy(ctc.steps_needed(TEXTS)).tolist() == [4, 1, 3, 0, 3]
    assert ops.convert_to_numpy(ctc.steps_of(ctc.CTC(SYMBOLS)(scores_of(), KEEP))).tolist() == LENGTHS.tolist()
    assert ops.convert_to_numpy(nll(scores_of()))[~FITS].tolist() == [0.0]
    assert not gradient(scores_of())[~FITS].any()


def test_the_gradient_is_that_of_all_alignments():
    """Of the scores, through the softmax: softmax − the share of alignments that have the class at the step."""
    scores, found = scores_of(), gradient(scores_of())
    for i in np.flatnonzero(FITS):
        log_probs, text = row(scores, i)
        expected = np.exp(log_probs)
        paths, chances = zip(*alignments(log_probs, text), strict=True)
        for path, share in zip(paths, np.exp(chances - np.logaddexp.reduce(chances)), strict=True):
            expected[np.arange(LENGTHS[i]), path] -= share
        np.testing.assert_allclose(found[i, : LENGTHS[i]], expected, atol=1e-5)
        assert not found[i, LENGTHS[i] :].any()


def test_the_alignment_is_the_best_of_all():
    found = ops.convert_to_numpy(ctc.align(TEXTS, ctc.CTC(SYMBOLS)(scores_of(), KEEP)))
    for i in np.flatnonzero(FITS):
        log_probs, text = row(scores_of(), i)
        path, _ = max(alignments(log_probs, text), key=lambda one: one[1])
        begins = [t for t, symbol in enumerate(path) if symbol != SYMBOLS and (t == 0 or path[t - 1] != symbol)]
        assert found[i].tolist() == begins + [0] * (len(TEXTS[i]) - len(text))


def test_padding_changes_nothing():
    wide = np.concatenate([scores_of(), scores_of(1)], axis=1)
    keep = np.pad(KEEP, ((0, 0), (0, TIME)))
    texts = np.pad(TEXTS, ((0, 0), (0, 4)), constant_values=-1)
    np.testing.assert_allclose(nll(wide, keep, texts), nll(scores_of()), rtol=1e-6)
    np.testing.assert_allclose(gradient(wide, keep, texts)[:, :TIME], gradient(scores_of()), atol=1e-6)
    assert not gradient(wide, keep, texts)[:, TIME:].any()


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_long_rows_stay_finite(scale):
    """Also where the only alignments are at the edge of what fits, and where classes are impossible in float32."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(2, 400, SYMBOLS + 1)).astype("float32") * scale
    texts = np.stack([np.arange(398) % SYMBOLS, np.full(398, -1)])
    keep = np.ones([2, 400], bool)
    found = ops.convert_to_numpy(nll(scores, keep, texts))
    assert np.isfinite(found).all()
    assert np.isfinite(gradient(scores, keep, texts)).all()
    for i in range(2):
        logits = scores[i].astype("float64")
        log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        assert found[i] == pytest.approx(-forward(log_probs, texts[i][texts[i] >= 0]), rel=1e-4)


def forward(log_probs: np.ndarray, text: np.ndarray) -> float:
    """The plain recursion of Graves et al. 2006, section 4.1, in float64."""
    places = np.full(2 * len(text) + 1, SYMBOLS)
    places[1::2] = text
    sums = np.full(len(places), -np.inf)
    sums[:2] = log_probs[0, places[:2]]
    for step in log_probs[1:]:
        before = sums
        sums = before.copy()
        sums[1:] = np.logaddexp(sums[1:], before[:-1])
        jumps = np.flatnonzero(places[2:] != places[:-2]) + 2
        sums[jumps] = np.logaddexp(sums[jumps], before[jumps - 2])
        sums += step[places]
    return np.logaddexp.reduce(sums[-2:])


def test_the_loss_weighs_rows():
    log_probs = ctc.CTC(SYMBOLS)(scores_of(), KEEP)
    assert CTCLoss.weighs == "rows"
    each = ops.convert_to_numpy(ctc.text_nll(TEXTS, log_probs))
    assert float(CTCLoss()(TEXTS, log_probs, np.array([1.0, 1, 0, 0, 0]))) == pytest.approx(each[:2].mean())


def test_a_wrong_size_is_named():
    with pytest.raises(ValueError, match="expected \\[batch, time, 4\\]"):
        ctc.CTC(SYMBOLS)(np.zeros([1, 2, 3], "float32"), np.ones([1, 2], bool))


def test_the_layer_survives_its_config():
    layer = ctc.CTC(SYMBOLS)
    assert keras.layers.deserialize(keras.layers.serialize(layer)).symbols == SYMBOLS
