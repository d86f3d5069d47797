"""The optimizer and what watches it."""

import random

import keras
import numpy as np
import pytest

from zoo.metrics import Metric
from zoo.task import Config
from zoo.training import callbacks, checkpoints, optimizers


def test_gradient_norm_is_the_mean_before_clipping():
    weight = keras.Variable([0.0, 0.0])
    optimizer = optimizers.AdamW(0.1, clip_norm=1.0)
    optimizer.build([weight])
    for gradient in ([3.0, 4.0], [0.0, 1.0]):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    assert optimizer.gradient_norm == pytest.approx((5 + 1) / 2)
    optimizer.reset_gradient_norm()
    assert optimizer.gradient_norm == 0


def test_the_rate_rises_then_falls():
    rate = optimizers.schedule(Config(learning_rate=1.0, warmup=0.1), 100)
    values = [float(rate(step)) for step in (0, 5, 10, 55, 100)]
    assert values[0] < values[1] < values[2] == pytest.approx(1.0)
    assert values[2] > values[3] > values[4] == pytest.approx(0.01, abs=1e-3)


def fit(tmp_path, **options):
    cfg = Config(epochs=6, learning_rate=0.5, patience=2, **options)
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


def test_averaged_weights_are_the_moving_average():
    weight = keras.Variable([1.0])
    optimizer = optimizers.adamw(Config(average_weights=0.5, learning_rate=0.1))
    optimizer.build([weight])
    seen = []
    for _ in range(2):
        optimizer.apply([keras.ops.ones(1)], [weight])
        seen.append(float(weight[0]))
    average = float(optimizer._model_variables_moving_average[0][0])
    assert average == pytest.approx(0.5 * seen[0] + 0.5 * seen[1], abs=1e-5)


def test_what_is_scored_freely_can_be_watched():
    logs = {"loss": 1.0}
    callbacks.FreeRunning(lambda: {"bleu": 12.5, "bleu_signature": "…"}).on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "val_bleu": 12.5}


def test_a_ramp_goes_from_nothing_to_its_height():
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
    cfg = Config(monitor="val_wer", patience=9)
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
