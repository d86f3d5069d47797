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


def test_the_support_vector_machine_is_scikit_learns_own():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    train, test = (list(reviews.examples(split))[:300] for split in ("train", "test"))
    texts, truth = ([example[key] for example in train] for key in ("text", "label"))
    asked = [example["text"] for example in test]
    answers, cost = labels.linear_svm(texts, truth, asked, seed=0)
    assert cost in labels.COSTS
    ngrams = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    machine = LinearSVC(C=cost, random_state=0).fit(ngrams.fit_transform(texts), truth)
    assert answers == machine.predict(ngrams.transform(asked)).tolist()


def test_the_support_vector_machine_takes_the_smallest_data():
    answers, _ = labels.linear_svm(["red apple", "green pear"], ["a", "p"], ["red apple", "a pear"], seed=0)
    assert answers == ["a", "p"]
