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


def test_phrase_f1_knows_the_order_of_words():
    references = ["a square below a circle", "a circle above a square"]
    assert captions.phrase_f1("a square below a circle", references=references) == 1
    assert captions.phrase_f1("a circle below a square", references=references) < 1
    assert captions.phrase_f1("", references=references) == 0
