"""BLEU and chrF."""

import pytest

from zoo.metrics import translation


def test_scores_are_those_of_sacrebleu():
    truth = ["Der Hund schläft jetzt.", "Eine Katze sieht den Hund."]
    perfect = translation.scores(truth, truth=truth)
    assert (perfect["bleu"], perfect["chrf"]) == pytest.approx((100, 100))
    assert "tok:13a" in perfect["bleu_signature"]
    assert "case:mixed" in perfect["bleu_signature"]
    lower = translation.scores([text.lower() for text in truth], truth=truth)
    assert lower["bleu"] < 100, "case counts"
    assert translation.sentence_chrf(truth[0], truth=truth[0]) == pytest.approx(100)
