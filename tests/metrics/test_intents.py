"""Scores of a few requests, computed by hand and by scikit-learn."""

import numpy as np
import pytest

from zoo.metrics import intents

LABELS = ["light", "music"]


def answer(intent: str, *chances: float) -> dict:
    return {"intent": intent, "labels": LABELS, "probabilities": list(chances)}


def test_scores_by_hand():
    examples = [{"intent": name} for name in ("light", "light", "music", "", "")]
    answers = [
        answer("light", 0.9, 0.1),
        answer("", 0.55, 0.45),  # right, but rejected: counts as wrong
        answer("light", 0.8, 0.2),
        answer("", 0.5, 0.5),
        answer("music", 0.3, 0.7),
    ]
    scores = intents.scores(answers, examples=examples)
    assert scores["accuracy"] == pytest.approx(1 / 3)
    assert scores["out_of_scope_recall"] == 1 / 2
    assert scores["out_of_scope_precision"] == 1 / 2
    assert scores["macro_f1"] == pytest.approx((0.5 + 0.0) / 2)  # light: 1 of 2 given, 1 of 2 found; music: none right
    assert scores["calibration_error"] == pytest.approx((0.1 + 0.45 + 0.8) / 3)  # three bins of one request


def test_without_requests_out_of_scope_their_metrics_are_nan():
    scores = intents.scores([{"intent": "light"}, {"intent": ""}], examples=[{"intent": "light"}, {"intent": "music"}])
    assert scores["accuracy"] == 0.5
    missing = {name for name, value in scores.items() if np.isnan(value)}
    assert missing == {"out_of_scope_recall", "out_of_scope_precision", "calibration_error", "slot_f1"}
    assert scores["whole_request_accuracy"] == 0.5  # without slots, that of the intents


def test_a_whole_request_needs_its_intent_and_all_its_slots():
    truth = [("light", ["O", "B-room"]), ("light", ["B-room", "I-room"]), ("music", ["O"]), ("", ["O"])]
    given = [("light", ["O", "B-room"]), ("light", ["B-room", "O"]), ("light", ["O"]), ("", ["B-room"])]
    rows = [[{"intent": name, "slots": slots} for name, slots in part] for part in (given, truth)]
    scores = intents.scores(rows[0], examples=rows[1])
    assert scores["whole_request_accuracy"] == pytest.approx(1 / 3)  # out of scope does not count
    assert scores["slot_f1"] == pytest.approx(2 * 1 / (3 + 2))  # one of three found, one of two true


def test_macro_f1_is_that_of_scikit_learn():
    from sklearn.metrics import f1_score

    draw = np.random.default_rng(0)
    truth, given = (draw.choice(["a", "b", "c", "d"], 200).tolist() for _ in range(2))
    found = intents.scores([{"intent": g} for g in given], examples=[{"intent": t} for t in truth])
    assert found["macro_f1"] == pytest.approx(f1_score(truth, given, average="macro"))


def test_reliability_is_that_of_scikit_learn():
    from sklearn.calibration import calibration_curve

    draw = np.random.default_rng(0)
    confidence = draw.random(500)
    right = draw.random(500) < confidence**2
    counts, sure, accurate = intents.reliability(confidence, right, bins=10)
    share, mean = calibration_curve(right, confidence, n_bins=10)
    np.testing.assert_allclose(accurate[counts > 0], share)
    np.testing.assert_allclose(sure[counts > 0], mean)


def test_calibration_error_of_honest_and_of_boastful_answers():
    draw = np.random.default_rng(1)
    confidence = draw.uniform(0.5, 1, 50_000)
    assert intents.calibration_error(confidence, draw.random(50_000) < confidence) < 0.01
    assert intents.calibration_error(np.full(1000, 0.99), np.arange(1000) < 600) == pytest.approx(0.39)
    assert intents.calibration_error(np.ones(3), np.ones(3, bool)) == 0
    assert np.isnan(intents.calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_most_confused_pairs():
    truth = ["a", "a", "b", "c", "c", "a"]
    given = ["b", "b", "b", "a", "", "a"]
    assert intents.confused(given, truth=truth, most=2) == [("a", "b", 2), ("c", "", 1)]
    assert intents.confused(truth, truth=truth, most=5) == []
