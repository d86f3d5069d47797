"""Every task can learn: each weight gets a gradient, four examples can be memorised, the history is complete."""

import dataclasses
import warnings

import keras
import numpy as np
import pytest

from tests.laws.conftest import pad
from zoo import run_dir


def test_every_trainable_weight_gets_a_gradient(trained, few):
    """By one step of plain gradient descent, which every backend has."""
    x, y, weight = pad(trained.run, *few)
    model = keras.Model(trained.run.model.input, trained.run.model.output)
    model.compile(keras.optimizers.SGD(1.0), trained.run.model.loss)
    before = model.get_weights()
    trained_before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_weights]
    with warnings.catch_warnings(category=UserWarning, action="error"):  # Keras warns of a gradient that is None
        model.train_on_batch(x, y, sample_weight=weight)
    for variable, old in zip(model.trainable_weights, trained_before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(variable) - old).max() > 0, variable.path
    model.set_weights(before)


def test_four_examples_can_be_memorised(trained, few):
    encoded, batch = few
    x, y, weight = pad(trained.run, encoded, dataclasses.replace(batch, rows=batch.rows[:4]))
    cfg = dataclasses.replace(trained.run.cfg, dropout=0.0)
    model = trained.task.model(cfg, trained.run.codec)
    model.optimizer.learning_rate = 0.02
    first = model.test_on_batch(x, y, sample_weight=weight, return_dict=True)["loss"]
    for _ in range(10):  # ends early where it can: steps take time
        for _ in range(20):
            model.train_on_batch(x, y, sample_weight=weight)
        model.reset_metrics()
        loss = model.test_on_batch(x, y, sample_weight=weight, return_dict=True)["loss"]
        if loss < 0.1 * first:
            return
    pytest.fail(f"the loss fell from {first:.3f} to {loss:.3f} only")


def test_history_has_the_gradient_norm(trained):
    history = run_dir.read_history(trained.run.directory)
    assert all(norm > 0 for norm in history["gradient_norm"])
    assert {"loss", "val_loss", "learning_rate"} <= history.keys()
