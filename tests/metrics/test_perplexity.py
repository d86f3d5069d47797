"""Perplexity, against NumPy."""

import numpy as np
import pytest

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
