"""Tagging scores of a few words, computed by hand."""

import numpy as np

from zoo.metrics import tags


def test_scores_by_hand():
    examples = [
        {"tokens": ["The", "zog", "runs"], "tags": ["D", "N", "V"]},
        {"tokens": ["zog", "the"], "tags": ["N", "D"]},
    ]
    answers = [{"tags": ["D", "V", "V"]}, {"tags": ["N", "D"]}]
    scores = tags.scores(answers, examples=examples, known={"The", "runs"})  # unknown: zog, zog and "the", case counts
    assert scores == {"accuracy": 4 / 5, "oov_accuracy": 2 / 3, "sentence_accuracy": 1 / 2}
    assert np.isnan(tags.scores(answers, examples=examples, known={"The", "the", "zog", "runs"})["oov_accuracy"])


def test_table_has_a_line_for_every_tag():
    table = tags.table(["NOUN", "NOUN", "X"], truth=["NOUN", "VERB", "VERB"])
    assert table.split("NOUN")[1].split("\n")[0].split() == ["0.500", "1.000", "0.667", "1"]
    assert {"VERB", "X"} <= set(table.split())
