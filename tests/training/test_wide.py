"""Scale and weight: those with the smallest loss, and 0 for a model that tells nothing."""

import numpy as np
import pytest

from zoo.data.examples import Examples
from zoo.errors import InputError
from zoo.tasks import sentiment
from zoo.training import devices, wide

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(2, size=2000)
NOISE = RANDOM.normal(size=(2, 2000))


def log_odds(z: np.ndarray) -> np.ndarray:
    return np.stack([-z / 2, z / 2], axis=1)


def test_two_models_of_equal_worth_are_added():
    """Log odds 2 s + 2 noise of s = ±1 are calibrated: N(2 s, 4). Independent ones add up."""
    signs = 2 * TRUTH - 1
    deep, other = (2 * signs + 2 * noise for noise in NOISE)
    assert wide.best(log_odds(deep), log_odds(other), TRUTH) == pytest.approx((1, 1), abs=0.2)
    assert wide.best(log_odds(deep), log_odds(2 * other), TRUTH) == pytest.approx((1, 0.5), abs=0.1)
    assert wide.best(log_odds(4 * deep), log_odds(other), TRUTH) == pytest.approx((0.25, 1), abs=0.2)  # overconfident


def test_a_model_that_is_wrong_gets_no_weight():
    signs = 2 * TRUTH - 1
    scale, weight = wide.best(log_odds(2 * signs + 2 * NOISE[0]), log_odds(-1.0 * signs + 3 * NOISE[1]), TRUTH)
    assert (scale, weight) == pytest.approx((1, 0), abs=0.15)
    assert weight == 0
    assert wide.best(log_odds(-1.0 * signs + NOISE[0]), log_odds(2 * signs + 2 * NOISE[1]), TRUTH)[0] == wide.LOWEST[0]


def test_several_processes_are_refused(monkeypatch):
    train = Examples(lambda: iter([{"text": "good", "label": "b"}, {"text": "bad", "label": "a"}]))
    monkeypatch.setattr(devices, "share", lambda: (0, 2))
    assert wide.parts(sentiment.Config(), train, ["a", "b"]) == {}
    with pytest.raises(InputError, match="--wide ngrams trains in one process"):
        wide.parts(sentiment.Config(wide="ngrams"), train, ["a", "b"])
