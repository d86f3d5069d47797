"""Metrics of music on values that a person can check."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.data import notes
from zoo.metrics import notes as metrics

TOKENS = tf.constant([[63, 67, 2, 2, 70, 2, 1, 0]])
NATS = np.array([[1.0, 2.0, 0.5, 0.25, 3.0, 0.5, 9.0, 9.0]])
EXPECTED = tf.constant([[63, 66, 2, 60, 2, 2, 1, 5]])


def test_steps_have_nats_and_hits():
    found = {name: value.numpy()[0].tolist() for name, value in metrics.by_step(TOKENS, -NATS, EXPECTED).items()}
    assert found == {"nats": [3.5, 0.25, 3.5], "notes": [2, 0, 1], "hits": [1, 0, 0], "false_notes": [1, 1, 0]}
    scored = metrics.scores([found, {"nats": [1.0], "notes": [1], "hits": [1], "false_notes": [0]}])
    assert scored["nll"] == pytest.approx((3.5 + 0.25 + 3.5 + 1.0) / 4)
    assert scored["nll_by_piece"] == pytest.approx((7.25 / 3 + 1.0) / 2)
    assert scored["nats_per_note"] == pytest.approx(8.25 / 4)
    assert scored["frame_accuracy"] == pytest.approx(2 / (4 + 2))


def test_the_metric_of_training_counts_steps_and_no_end():
    logits = np.random.default_rng(0).normal(size=[2, 5, 131]).astype("float32")
    tokens, weight = np.array([[63, 2, 2, 1, 0], [2, 70, 2, 2, 1]]), np.array([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]])
    metric = metrics.NatsPerStep()
    metric.update_state(tokens, logits, weight)
    nats = -np.take_along_axis(np.asarray(keras.ops.log_softmax(logits)), tokens[:, :, None], axis=-1)[:, :, 0]
    counted = (weight > 0) & (tokens != notes.END_ID)
    assert float(metric.result()) == pytest.approx(nats[counted].sum() / 5, rel=1e-5)


def test_statistics_of_a_loop_and_of_an_overlap():
    loop = "60 64 | 62 65 | " * 20
    found = metrics.statistics([loop])
    assert found["repeated_passages"] > 0.9
    assert found["repeated_steps"] == 0
    assert (found["lowest"], found["highest"], found["steps"], found["notes_per_step"]) == (60, 65, 40, 2)
    assert metrics.statistics(["60 64 | 65 69 | 65 69 |"])["overlaps"] == 0.5  # the lower voice goes above 64
    assert metrics.statistics(["60 64 | 60 64 |"])["repeated_steps"] == 1
    assert metrics.statistics([]) == {}
    assert np.isnan(metrics.statistics(["|"])["lowest"])
