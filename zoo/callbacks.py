"""What watches a training run: clock, gradient norm, early stopping, logs."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras


class Progress(keras.callbacks.Callback):
    """Adds the gradient norm and the learning rate to each epoch's logs, and times the training steps alone.

    Attributes:
        seconds: time in training steps so far, without validation.
        epochs: epochs finished.
    """

    def __init__(self):
        super().__init__()
        self.seconds = 0.0
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        if self.model.optimizer.built:
            self.model.optimizer.reset_gradient_norm()
        self._began, self._running = time.perf_counter(), True

    def _stop_clock(self):
        if self._running:
            self.seconds += time.perf_counter() - self._began
        self._running = False

    def on_test_begin(self, logs=None):  # validation, within the epoch
        self._stop_clock()

    def on_epoch_end(self, epoch, logs=None):
        self._stop_clock()
        self.epochs = epoch + 1
        if logs is not None:
            logs["gradient_norm"] = self.model.optimizer.gradient_norm
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


class FreeRunning(keras.callbacks.Callback):
    """Adds to each epoch's logs, as val_NAME, what the model scores when nobody holds its hand, such as BLEU.

    Args:
        score: () → metrics of the model's own answers to the validation split.
    """

    def __init__(self, score: Callable[[], dict]):
        super().__init__()
        self.score = score

    def on_epoch_end(self, epoch, logs=None):
        numbers = {f"val_{name}": value for name, value in self.score().items() if isinstance(value, float)}
        print("free running: " + " ".join(f"{name} {value:.2f}" for name, value in numbers.items()), flush=True)
        if logs is not None:
            logs.update(numbers)


class Ramp(keras.callbacks.Callback):
    """Moves a scalar weight in a line from 0 in the first epoch to `highest` in the last."""

    def __init__(self, weight, *, highest: float):
        super().__init__()
        self.weight, self.highest = weight, highest

    def on_epoch_begin(self, epoch, logs=None):
        self.weight.assign(self.highest * epoch / max(self.params["epochs"] - 1, 1))


def for_run(cfg, directory: Path, *, own: Sequence[keras.callbacks.Callback] = ()) -> list[keras.callbacks.Callback]:
    """The callbacks of a run, in the order that they rely on: who adds to the logs comes before who reads them.

    Args:
        own: the task's. They find the averaged weights in the model where there are some.
    """
    averaging = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if cfg.average_weights else []
    return [
        *averaging,
        Progress(),
        *own,
        keras.callbacks.EarlyStopping(
            cfg.monitor, mode=better(cfg.monitor), patience=cfg.patience, restore_best_weights=True
        ),
        keras.callbacks.CSVLogger(directory / "history.csv"),
        keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False),
    ]


def better(monitor: str) -> str:
    """ "min" or "max": where the better values of a metric lie."""
    return "min" if monitor.endswith(("loss", "perplexity")) else "max"
