"""Perplexity, against NumPy."""

import numpy as np
import pytest

from zoo.metrics import perplexity
from zoo.metrics.perplexity import Perplexity

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(2, 3, 5)).astype("float32")
TOKENS = np.array([[1, 4, 0], [2, 0, 0]])
WEIGHT = np.array([[1, 1, 1], [1, 0, 0]], "float32")
LOG_PROBS = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
NLL = -np.take_along_axis(LOG_PROBS, TOKENS[..., None], -1)[..., 0]


def test_perplexity_is_that_of_all_tokens_however_they_are_batched():
    whole, parts = Perplexity(), Perplexity()
    whole.update_state(TOKENS, LOGITS, WEIGHT)
    for row in (0, 1):  # three tokens, then one: a mean of batches would count the one as much as the three
        parts.update_state(TOKENS[[row]], LOGITS[[row]], WEIGHT[[row]])
    expected = np.exp((NLL * WEIGHT).sum() / WEIGHT.sum())
    assert float(whole.result()) == pytest.approx(expected, rel=1e-5)
    assert float(parts.result()) == pytest.approx(expected, rel=1e-5)


def test_perplexity_of_no_knowledge_is_the_vocabulary():
    metric = Perplexity()
    metric.update_state(TOKENS, np.zeros_like(LOGITS))
    assert float(metric.result()) == pytest.approx(5, rel=1e-5)


def test_measures_per_character_and_word_compare_tokenisations():
    """The same text with the same probability, once as 3 words and ends, once as characters."""
    texts = ["ab cd", "e"]
    characters, words = perplexity.size_of(texts)
    assert (characters, words) == (8, 5)  # two line ends among them
    nats = 8 * np.log(2)  # one bit a character
    by_word = perplexity.of_text(nats, tokens=5, characters=characters, words=words)
    by_character = perplexity.of_text(nats, tokens=8, characters=characters, words=words)
    assert by_word.pop("perplexity") == pytest.approx(2 ** (8 / 5))
    assert by_character.pop("perplexity") == pytest.approx(2)
    assert by_word == by_character
    assert by_word["bits_per_character"] == pytest.approx(1)
    assert by_word["nats_per_character"] == pytest.approx(np.log(2))
    assert by_word["word_perplexity"] == pytest.approx(2 ** (8 / 5))
    assert perplexity.nats_per_character(2, tokens=8, characters=8) == pytest.approx(np.log(2))


def test_a_measure_without_a_size_is_left_out():
    assert set(perplexity.of_text(1.0, tokens=2)) == {"perplexity"}
    assert perplexity.of_text(1e6, tokens=1)["perplexity"] == np.inf
