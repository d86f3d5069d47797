"""Neither padding nor the other rows of a batch change an output, a loss, a metric or an answer."""

import keras
import numpy as np
import pytest

from tests.laws.conftest import ROWS, assert_same_answer, pad
from zoo.data import batching


def wider(batch: batching.Batch, steps: int = 5, dummies: int = 0) -> batching.Batch:
    return batching.Batch(np.append(batch.rows, np.full(dummies, -1)), tuple(edge + steps for edge in batch.edges))


def test_padding_never_changes_an_output(trained, few):
    encoded, batch = few
    plain = trained.run.model.predict_on_batch(pad(trained.run, encoded, batch)[0])
    padded = trained.run.model.predict_on_batch(pad(trained.run, encoded, wider(batch, dummies=2))[0])
    weights = pad(trained.run, encoded, batch)[2]
    for one, other, weight in zip(*map(keras.tree.flatten, (plain, padded, weights)), strict=True):
        cut = other[tuple(slice(0, n) for n in one.shape)]
        real = weight > 0  # outputs at padding mean nothing
        np.testing.assert_allclose(cut[real], one[real], atol=1e-5)


def test_neighbours_never_change_an_output(trained, few):
    encoded, batch = few
    x, _, weights = pad(trained.run, encoded, batch)
    together = trained.run.model.predict_on_batch(x)
    for row in range(ROWS):
        one = batching.Batch(batch.rows[[row]], batch.edges)
        alone = trained.run.model.predict_on_batch(pad(trained.run, encoded, one)[0])
        for mine, all_rows, weight in zip(*map(keras.tree.flatten, (alone, together, weights)), strict=True):
            keep = weight[row] > 0
            np.testing.assert_allclose(mine[0][keep], all_rows[row][keep], atol=1e-5)


def test_padding_never_changes_the_loss_or_a_metric(trained, few):
    encoded, batch = few
    measured = []
    for each in (batch, wider(batch), wider(batch, dummies=3)):
        x, y, weight = pad(trained.run, encoded, each)
        trained.run.model.reset_metrics()
        measured.append(trained.run.model.test_on_batch(x, y, sample_weight=weight, return_dict=True))
    for name, value in measured[0].items():
        assert measured[1][name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
        assert measured[2][name] == pytest.approx(value, rel=1e-5, abs=1e-5), name


def test_neighbours_never_change_an_answer(trained):
    examples = trained.run.first_examples(ROWS)
    together = trained.run.predict(examples)
    alone = [trained.run.predict([example])[0] for example in examples]
    for one, among_many in zip(alone, together, strict=True):
        assert_same_answer(one, among_many)
