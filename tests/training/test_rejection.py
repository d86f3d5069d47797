"""Temperature and threshold of made-up classifiers whose best values are known."""

import numpy as np
import pytest

from zoo.training import rejection


@pytest.mark.parametrize("true_heat", [0.5, 1.0, 3.0])
def test_temperature_is_the_one_that_the_labels_were_drawn_with(true_heat):
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 3, (20_000, 4))
    chances = rejection.softmax(logits / true_heat)
    truth = (draw.random(len(logits))[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    assert rejection.temperature(logits, truth) == pytest.approx(true_heat, rel=0.05)


def test_a_validation_split_without_mistakes_leaves_the_probabilities_below_one():
    logits = np.tile([[4.0, 0.0, 0.0]], (50, 1))
    heat = rejection.temperature(logits, np.zeros(50, int))
    assert 0.9 < rejection.softmax(logits / heat).max() < 0.999
    assert rejection.temperature(logits[:0], np.zeros(0, int)) == 1.0


def test_threshold_by_hand():
    score = np.array([0.9, 0.8, 0.6, 0.7, 0.3])
    right = np.array([True, True, False, False, False])
    known = np.array([True, True, True, False, False])
    found = rejection.threshold(score, right, known, out_of_scope_share=0.4)
    assert 0.7 < found <= 0.8  # the wrong answer goes with the two requests out of scope


def test_the_expected_share_moves_the_threshold():
    draw = np.random.default_rng(0)
    score = np.concatenate([draw.beta(5, 2, 900), draw.beta(2, 5, 300)])
    known = np.arange(1200) < 900
    limits = [rejection.threshold(score, known, known, out_of_scope_share=share) for share in (0.01, 0.2, 0.8)]
    assert limits == sorted(limits)
    assert limits[0] < limits[2]


def test_equal_scores_are_rejected_together():
    score, known = np.array([0.5, 0.5, 0.5]), np.array([True, False, False])
    assert rejection.threshold(score, known, known, out_of_scope_share=0.9) > 0.5
    assert rejection.threshold(score, known, known, out_of_scope_share=0.1) == 0.0
