"""Span metrics: by hand, and as nervaluate counts them."""

import numpy as np
import pytest

from zoo.data import spans
from zoo.metrics import spans as metrics

TAGS = spans.bio(["LOC", "ORG", "PER"])


def random_tags(rng, length):
    """A valid sequence with many spans."""
    tags, before = [], len(TAGS)
    for _ in range(length):
        before = rng.choice(np.flatnonzero(spans.allowed(TAGS)[before]))
        tags.append(TAGS[before])
    return tags


def random_pairs(seed=0, count=60):
    """(truth, prediction): a prediction repeats part of the truth, so that all kinds of errors and hits occur."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth, other = random_tags(rng, 12), random_tags(rng, 12)
        cut = rng.integers(0, 12)
        yield truth, spans.to_bio(truth[:cut] + other[cut:], "BIO")


def test_scores_by_hand():
    truth = [spans.read(["B-PER", "I-PER", "O", "B-LOC"]), spans.read(["B-ORG", "O"]), []]
    found = [spans.read(["B-PER", "I-PER", "O", "B-ORG"]), spans.read(["O", "O"]), spans.read(["B-PER"])]
    tokens = [["Ann", "Lee", "in", "Oslo"], ["Oslo", "."], ["I"]]
    scores = metrics.scores(found, truth=truth, tokens=tokens, known={"oslo"})
    assert scores["precision"] == 1 / 3
    assert scores["recall"] == 1 / 3
    assert scores["f1"] == pytest.approx(1 / 3)
    assert scores["unseen_f1"] == pytest.approx(2 / 3)  # true: Ann Lee; predicted: Ann Lee, I
    assert metrics.errors(found, truth=truth) == {"boundary": 0, "type": 1, "missed": 1, "invented": 1}
    assert sorted(metrics.pairs(found, truth=truth)) == [
        ("LOC", "ORG"),
        ("ORG", metrics.NOTHING),
        ("PER", "PER"),
        (metrics.NOTHING, "PER"),
    ]
    assert [metrics.quality(*pair) for pair in zip(found, truth, strict=True)] == [0.5, 0, 0]
    assert metrics.quality([], []) == 1
    assert np.isnan(metrics.scores([[]], truth=[[]], tokens=[["a"]], known=())["f1"])
    table = metrics.table(found, truth=truth)
    assert table.split("PER")[1].split("\n")[0].split() == ["0.500", "1.000", "0.667", "1", "2"]
    assert "invented      1" in table


def test_scores_and_errors_are_those_of_nervaluate():
    evaluator = pytest.importorskip("nervaluate").Evaluator
    truth, found = zip(*random_pairs(), strict=True)
    referee = evaluator(list(truth), list(found), tags=["LOC", "ORG", "PER"], loader="list").evaluate()
    strict, partial = referee["overall"]["strict"], referee["overall"]["ent_type"]
    mine = [[spans.read(tags) for tags in part] for part in (found, truth)]
    scores = metrics.scores(mine[0], truth=mine[1], tokens=[["a"] * 12] * len(truth), known=())
    for name in ("precision", "recall", "f1"):
        assert scores[name] == pytest.approx(getattr(strict, name)), name
    for row in metrics.by_type(mine[0], truth=mine[1]):
        assert row["f1"] == pytest.approx(referee["entities"][row["type"]]["strict"].f1)
    errors = metrics.errors(mine[0], truth=mine[1])
    assert all(errors.values())
    assert partial.spurious >= errors["invented"]  # there, a span that overlaps a span already matched is spurious too
    assert partial.missed >= errors["missed"]


def test_the_metric_of_training_is_that_of_the_answers():
    truth, found = zip(*random_pairs(1), strict=True)
    metric = metrics.SpanF1(TAGS)
    for start in range(0, 60, 20):
        part = slice(start, start + 20)
        true, guessed = (
            np.array([[TAGS.index(tag) for tag in tags] for tags in side[part]]) for side in (truth, found)
        )
        log_probs = np.where(np.eye(len(TAGS), dtype=bool)[guessed], 0.0, -9.0).astype("float32")
        weights = np.pad(np.ones(true.shape, "float32"), ((0, 0), (0, 3)))
        true, log_probs = np.pad(true, ((0, 0), (0, 3))), np.pad(log_probs, ((0, 0), (0, 3), (0, 0)))
        metric.update_state(true, log_probs, sample_weight=weights * 0.5)
    mine = [[spans.read(tags) for tags in part] for part in (found, truth)]
    expected = metrics.scores(mine[0], truth=mine[1], tokens=[["a"] * 12] * 60, known=())["f1"]
    assert float(metric.result()) == pytest.approx(expected)
    metric.reset_state()
    metric.update_state(np.array([[-1, -1]]), np.where(np.arange(len(TAGS)) == 0, 0.0, -9.0) * np.ones([1, 2, 1]))
    assert float(metric.result()) == 0  # −1 is a tag that training does not have
    assert metrics.SpanF1.from_config(metric.get_config()).tags == TAGS
