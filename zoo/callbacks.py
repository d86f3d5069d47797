"""What watches a training run: clock, gradient norm, early stopping, logs."""

import time
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


def for_run(cfg, directory: Path, *, monitor: str, mode: str) -> list[keras.callbacks.Callback]:
    """The callbacks of a run, in the order that they rely on: who adds to the logs comes before who writes them."""
    averaging = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if cfg.average_weights else []
    return [
        *averaging,
        Progress(),
        keras.callbacks.EarlyStopping(monitor, mode=mode, patience=cfg.patience, restore_best_weights=True),
        keras.callbacks.CSVLogger(directory / "history.csv"),
        keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False),
    ]
