"""Callbacks: the epoch that is kept, the logs, the ramp."""

import random
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.metrics import Metric
from zoo.options import Training
from zoo.training import callbacks, checkpoints, optimizers


def fit(tmp_path, **options):
    cfg = Training(epochs=6, learning_rate=0.5, patience=2, **options)
    random.seed(0)
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile(optimizers.adamw(cfg), "mse")
    x = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    y = x.sum(1, keepdims=True)
    watch = callbacks.for_run(cfg, tmp_path, None, metrics=(), data="", stop=checkpoints.Stop(), resume=None).callbacks
    history = model.fit(x, y, validation_data=(x, y), epochs=6, callbacks=watch, verbose=0).history
    return model, history, model.evaluate(x, y, verbose=0)


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_training_ends_on_the_best_epoch(tmp_path, average):
    _, history, loss = fit(tmp_path, average_weights=average)
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-4)
    assert len(history["gradient_norm"]) == len(history["loss"])
    assert (tmp_path / "history.csv").read_text().startswith("epoch,gradient_norm,learning_rate")


def test_scores_of_answers_are_added_to_the_logs():
    logs = {"loss": 1.0}
    callbacks.FreeRunning(lambda: {"bleu": 12.5, "bleu_signature": "…"}).on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "val_bleu": 12.5}


def test_a_ramp_goes_from_0_to_its_highest_value():
    weight = keras.Variable(9.0)
    ramp = callbacks.Ramp(weight, highest=0.3)
    ramp.set_params({"epochs": 4})
    seen = []
    for epoch in range(4):
        ramp.on_epoch_begin(epoch)
        seen.append(float(weight))
    assert seen == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_the_epoch_with_the_lowest_error_rate_is_kept(tmp_path):
    """The declaration of the metric says so: its name does not end in "loss" or "perplexity"."""
    cfg = Training(monitor="val_wer", patience=9)
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile(optimizers.adamw(cfg), "mse")
    rates, weights = [0.5, 0.2, 0.4], []

    class WordErrorRate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_wer"] = rates[epoch]
            weights.append(model.get_weights())

    watch = callbacks.for_run(
        cfg,
        tmp_path,
        None,
        metrics=[Metric("wer", better="min", format=".1%")],
        own=[WordErrorRate()],
        data="",
        stop=checkpoints.Stop(),
        resume=None,
    )
    x, y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")
    model.fit(x, y, validation_data=(x, y), epochs=3, callbacks=watch.callbacks, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], weights[1][0])
    assert np.abs(weights[1][0] - weights[2][0]).max() > 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_kept_after_tensorflow_has_read_a_generator():
    """Otherwise each step faults its memory in again, which takes a third of the time of a large model."""

    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            np.ones(2**20)  # 8 MB, 2,048 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    dataset = tf.data.Dataset.from_generator(lambda: iter([1]), output_signature=tf.TensorSpec([], tf.int32))
    assert [int(value) for value in dataset] == [1]
    callbacks.KeepMemory().on_train_batch_begin(0)
    np.ones(2**20)
    assert faults() < 2 * 2_048
