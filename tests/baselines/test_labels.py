"""NB-SVM as a baseline: better than chance, for two labels and for more."""

import numpy as np
import pytest

from zoo.baselines import labels
from zoo.data.examples import Examples, limit_characters
from zoo.data.samples import reviews


def accuracy(answers, examples) -> float:
    return float(
        np.mean([answer["label"] == example["label"] for answer, example in zip(answers, examples, strict=True)])
    )


def examples(rows: list[dict]) -> Examples:
    return Examples(lambda: iter(rows))


def test_it_beats_chance_on_the_sample():
    train, test = (examples(list(reviews.examples(split))[:500]) for split in ("train", "test"))
    baseline = labels.nbsvm(train, test, seed=0)
    assert accuracy(baseline.answers, test) > 0.6
    for answer in baseline.answers:
        assert sum(answer["probabilities"]) == pytest.approx(1)
        assert answer["label"] == answer["labels"][int(np.argmax(answer["probabilities"]))]


def test_it_tells_more_than_two_labels():
    rows = [{"text": f"{a} {b} {c}", "label": b} for a in "xyz" for b in ("red", "green", "blue") for c in "xyz"]
    baseline = labels.nbsvm(examples(rows), examples(rows[:9]), seed=0)
    assert accuracy(baseline.answers, rows[:9]) == 1
    assert baseline.answers[0]["labels"] == ["blue", "green", "red"]


def test_large_data_is_sampled_and_the_name_says_so():
    rows = [{"text": f"{word} film", "label": word} for word in ("good", "bad") for _ in range(50)]
    assert len(limit_characters(examples(rows), 100, seed=0)) < 20
    assert len(limit_characters(examples(rows), 10_000, seed=0)) == 100
    baseline = labels.nbsvm(examples(rows), examples(rows[:1]), seed=0, characters=400)
    assert "learned from" in baseline.name
