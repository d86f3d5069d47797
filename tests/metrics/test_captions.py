"""BLEU, CIDEr and ROUGE-L of captions."""

import pytest

from zoo.metrics import captions

SENTENCE = "a red circle left of a blue square"


def test_a_caption_that_a_person_wrote_scores_highest():
    others = [[SENTENCE, "a circle and a square"], ["a dog", "a dog runs"]]
    right = captions.scores([SENTENCE, "a dog runs"], references=others)
    wrong = captions.scores(["a dog", SENTENCE], references=others)
    assert right["bleu_1"] == pytest.approx(1)
    assert right["cider"] > wrong["cider"]
    assert right["rouge_l"] == pytest.approx(1)
