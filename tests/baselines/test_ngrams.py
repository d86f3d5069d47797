"""Kneser-Ney: distributions that sum to 1, values computed by hand, and a slow twin that follows the formula."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.baselines import ngrams
from zoo.baselines.ngrams import KneserNey

SIZE = 12
RANDOM = np.random.default_rng(0)


def zipf(count: int) -> np.ndarray:
    """Tokens of which some are frequent and some are rare; the last two ids never occur."""
    return np.minimum(RANDOM.zipf(1.4, count) - 1, SIZE - 3)


TRAIN = zipf(800)


def slow(train: list[int], context: list[int], word: int, *, order: int) -> float:
    """P of one token, from the definition: no packed keys, no interpolation over arrays."""
    probability = 1 / SIZE
    for length in range(1, order + 1):
        if length - 1 > len(context):
            break
        grams = [tuple(train[i : i + length]) for i in range(len(train) - length + 1)]
        if length < order:
            longer = {tuple(train[i : i + length + 1]) for i in range(len(train) - length)}
            counts = Counter(gram[1:] for gram in longer)
        else:
            counts = Counter(grams)
        n = Counter(counts.values())
        if n[1] and n[2] and n[3]:
            y = n[1] / (n[1] + 2 * n[2])
            discounts = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        else:
            discounts = [0, 0.5, 1, 1.5]
        if min(discounts[1:]) <= 0:
            discounts = [0, 0.5, 1, 1.5]
        before = tuple(context[len(context) - length + 1 :])
        following = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == before}
        total = sum(following.values())
        if total:
            free = sum(discounts[min(count, 3)] for count in following.values())
            count = following.get(word, 0)
            probability = (count - discounts[min(count, 3)] + free * probability) / total
    return probability


def test_a_corpus_that_can_be_computed_by_hand():
    """a b a b a c: two "ab", two "ba", one "ac"; too small to estimate discounts, so they are 0.5, 1 and 1.5.

    Each of a, b and c follows one token: P(w) = (1 − 0.5) / 3 + (3 · 0.5) / 3 · 1/3 = 1/3.
    After "a": γ = (1 + 0.5) / 3 = 1/2, so P(a) = 1/2 · 1/3, P(b) = (2 − 1) / 3 + 1/6, P(c) = (1 − 0.5) / 3 + 1/6.
    """
    model = KneserNey.fit(np.array([0, 1, 0, 1, 0, 2]), order=2, size=3)
    np.testing.assert_allclose(model.distribution([]), [1 / 3] * 3)
    np.testing.assert_allclose(model.distribution([0]), [1 / 6, 1 / 2, 1 / 3])
    np.testing.assert_allclose(model.distribution([1]), [(2 - 1) / 2 + 1 / 2 / 3, 1 / 6, 1 / 6])
    np.testing.assert_allclose(model.distribution([2]), [1 / 3] * 3)  # "c" never had a token after it
    np.testing.assert_allclose(np.exp(model.log_probs([0, 1, 2])), [1 / 3, 1 / 2, 1 / 6])
    np.testing.assert_allclose(np.exp(model.log_probs([1, 2], before=[0])), [1 / 2, 1 / 6])


def test_a_unigram_model_counts_tokens():
    model = KneserNey.fit(np.array([0, 0, 0, 1]), order=1, size=4)
    free = (1.5 + 0.5) / 4
    np.testing.assert_allclose(model.distribution([]), [1.5 / 4 + free / 4, 0.5 / 4 + free / 4, free / 4, free / 4])


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_agrees_with_the_definition(order):
    train, test = TRAIN.tolist(), zipf(40).tolist()
    model = KneserNey.fit(TRAIN, order=order, size=SIZE)
    expected = [slow(train, test[:i], word, order=order) for i, word in enumerate(test)]
    np.testing.assert_allclose(np.exp(model.log_probs(test)), expected, rtol=1e-5)


@given(
    st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=120),
    st.lists(st.integers(0, SIZE - 1), max_size=8),
    st.integers(1, 6),
)
@settings(max_examples=150, deadline=None)
def test_every_distribution_sums_to_one(train, context, order):
    for ids in (np.array(train), np.concatenate([TRAIN, train])):
        model = KneserNey.fit(ids, order=order, size=SIZE)
        for seen in (context, train[:5], train[-3:]):
            distribution = model.distribution(seen)
            assert distribution.sum() == pytest.approx(1, abs=1e-6)
            assert (distribution > 0).all()


@given(st.lists(st.integers(0, SIZE - 1), min_size=2, max_size=30), st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_a_score_is_the_distribution_after_the_tokens_before_it(test, order):
    """So a score never depends on the tokens after it, nor on tokens that the order does not reach."""
    model = KneserNey.fit(TRAIN, order=order, size=SIZE)
    scores = model.log_probs(test)
    one_by_one = [np.log(model.distribution(test[max(i - order + 1, 0) : i])[word]) for i, word in enumerate(test)]
    np.testing.assert_allclose(scores, one_by_one, rtol=1e-5)
    np.testing.assert_array_equal(model.log_probs(test[:-1]), scores[:-1])
    np.testing.assert_allclose(model.log_probs(test[1:], before=test[:1]), scores[1:])


def test_a_longer_context_helps_where_it_matters():
    """Pairs repeat: "0 0 1 1 …" cannot be told from one token, and from two it can."""
    train = np.tile([0, 0, 1, 1], 300)
    perplexities = [np.exp(-KneserNey.fit(train, order=k, size=2).log_probs(train).mean()) for k in (1, 2, 3)]
    assert perplexities[0] == pytest.approx(2, abs=0.01)
    assert perplexities[1] == pytest.approx(2, abs=0.01)
    assert perplexities[2] < 1.02


def test_the_baseline_gives_metrics():
    baseline = ngrams.kneser_ney(TRAIN, TRAIN[:100], order=3, size=SIZE, characters=50)
    assert baseline.name == "modified Kneser-Ney, order 3"
    assert baseline.answers is None
    assert baseline.metrics["nats_per_character"] == pytest.approx(2 * np.log(baseline.metrics["perplexity"]))
    assert set(ngrams.kneser_ney(TRAIN, TRAIN, order=2, size=SIZE).metrics) == {"perplexity"}


@pytest.mark.parametrize(
    ("ids", "order", "message"),
    [
        ([0, 3], 2, "ids from 0 to 3: expected 0 to 2"),
        ([-1], 2, "ids from -1 to -1"),
        ([], 2, "at least one token"),
        ([0], 0, "order is 0"),
    ],
)
def test_a_corpus_that_cannot_be_counted(ids, order, message):
    with pytest.raises(ValueError, match=message):
        KneserNey.fit(np.array(ids), order=order, size=3)
    model = KneserNey.fit(np.array([0, 1]), order=2, size=3)
    with pytest.raises(ValueError, match="expected 0 to 2"):
        model.distribution([3])
