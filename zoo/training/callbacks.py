"""The callbacks of a training run: clock, gradient norm, early stopping, logs, checkpoints."""

import csv
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from zoo.data import atomic
from zoo.data.batching import Planned
from zoo.errors import InputError
from zoo.metrics.metric import Metric, direction
from zoo.training import checkpoints, devices, optimizers


class Progress(keras.callbacks.Callback):
    """Adds the gradient norm and the learning rate to the logs of each epoch, and times the run.

    Attributes:
        seconds: seconds spent in training steps so far, without validation.
        total: seconds spent in training and validation so far.
        epochs: the number of finished epochs.
    """

    def __init__(self):
        super().__init__()
        self.seconds = self.total = 0.0
        self.epochs = 0
        self._last = time.perf_counter()

    def _tick(self, *, training: bool) -> None:
        now = time.perf_counter()
        self.total += now - self._last
        self.seconds += now - self._last if training else 0
        self._last = now

    def on_train_begin(self, logs=None):
        self._last = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        self._tick(training=True)

    def on_test_begin(self, logs=None):  # validation, within the epoch
        self._tick(training=True)

    def on_epoch_end(self, epoch, logs=None):
        self._tick(training=False)
        self.epochs = epoch + 1
        if logs is not None:
            logs["gradient_norm"] = optimizers.of(self.model).gradient_norm
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        optimizers.of(self.model).reset_gradient_norm()


class KeepMemory(keras.callbacks.Callback):
    """Keeps freed memory at every step; see `devices.keep_freed_memory`. It takes microseconds."""

    def on_train_batch_begin(self, batch, logs=None):
        devices.keep_freed_memory()

    def on_test_batch_begin(self, batch, logs=None):
        devices.keep_freed_memory()


class History(keras.callbacks.History):
    """Keeps the logs of all epochs, also in a CSV file, which is replaced after every epoch."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        names = sorted(self.history)
        text = io.StringIO()
        csv.writer(text).writerows([["epoch", *names], *zip(self.epoch, *map(self.history.get, names), strict=True)])
        atomic.write(self.path, text.getvalue())


class FreeRunning(keras.callbacks.Callback):
    """Scores the model's own answers to the validation split after each epoch, such as BLEU, and logs them as val_NAME.

    The other validation metrics feed the true sequence to the decoder (teacher forcing).

    Args:
        score: () → metrics by name; those that are floats are logged.
    """

    def __init__(self, score: Callable[[], dict]):
        super().__init__()
        self.score = score

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs.update({f"val_{name}": value for name, value in self.score().items() if isinstance(value, float)})


class Ramp(keras.callbacks.Callback):
    """Raises a scalar weight in equal steps from 0 in the first epoch to `highest` in the last."""

    def __init__(self, weight, *, highest: float):
        super().__init__()
        self.weight, self.highest = weight, highest

    def on_epoch_begin(self, epoch, logs=None):
        self.weight.assign(self.highest * epoch / max(self.params["epochs"] - 1, 1))


class Diverged(InputError):
    """The loss is NaN or infinite."""


class StopAtNaN(keras.callbacks.Callback):
    """Ends the run at the step whose loss is NaN or infinite, and writes the rows of its batch to diverged.json."""

    def __init__(self, cfg, directory: Path, batches: Planned):
        super().__init__()
        self.cfg, self.path, self.batches = cfg, directory / "diverged.json", batches

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if math.isfinite(logs["loss"]):
            return
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        rows = [int(row) for row in self.batches.plan(self.epoch)[batch].rows if row >= 0]
        norms = [f"{norm:.3g}" for norm in optimizers.of(self.model).recent_norms]
        where = {"epoch": self.epoch + 1, "step": batch + 1, "rows of train": rows, "gradient norms": norms}
        atomic.write(self.path, json.dumps(where) + "\n")
        raise Diverged(
            f"the loss is {logs['loss']} in epoch {self.epoch + 1}, step {batch + 1}: rows {rows[0]}, … of train, "
            f"gradient norms {', '.join(norms)} (all in {self.path}). Try a lower --learning-rate (now "
            f"{self.cfg.learning_rate}) or --clip-norm ({self.cfg.clip_norm}), or look at these examples."
        )


@dataclass(frozen=True)
class Watch:
    """The callbacks of a run in their order, and two of them by name.

    Attributes:
        callbacks: all of them.
        progress: has the times.
        saving: has the checkpoints.
    """

    callbacks: list[keras.callbacks.Callback]
    progress: Progress
    saving: checkpoints.Checkpoint


def for_run(
    cfg,
    directory: Path,
    batches: Planned,
    *,
    metrics: Sequence[Metric],
    own: Sequence[keras.callbacks.Callback] = (),
    data: str,
    stop: checkpoints.Stop,
    resume: checkpoints.State | None,
) -> Watch:
    """The callbacks of a run. Callbacks that add to the logs come before callbacks that read them.

    Args:
        cfg: options monitor, patience, checkpoint_seconds, average_weights, learning_rate, clip_norm; to_toml().
        directory: the run directory.
        batches: the training batches.
        metrics: the task's declarations; they say whether the monitored metric is minimised.
        own: the task's own callbacks. If weights are averaged, the model has the average when they run.
        data: a fingerprint of the data; a checkpoint of other data cannot be resumed.
        stop: tells the checkpoint callback to save and stop.
        resume: the checkpoint to go on from; None starts at the beginning.
    Raises:
        InputError: the monitored metric is not declared.
    """
    progress = Progress()
    stopping = keras.callbacks.EarlyStopping(
        cfg.monitor, mode=direction(cfg.monitor, metrics), patience=cfg.patience, restore_best_weights=True
    )
    history = History(directory / "history.csv")
    saving = checkpoints.Checkpoint(
        directory / "checkpoints",
        seconds=cfg.checkpoint_seconds,
        run={"config": cfg.to_toml(), "data": data},
        attributes={
            progress: ("seconds", "total", "epochs"),
            stopping: ("wait", "best", "best_epoch"),
            history: ("epoch", "history"),
        },
        stopping=stopping,
        stop=stop,
        resume=resume,
    )
    averaging = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if cfg.average_weights else []
    logs = keras.callbacks.TensorBoard(directory / "tensorboard", write_graph=False)
    finite = StopAtNaN(cfg, directory, batches)
    return Watch([KeepMemory(), saving, finite, *averaging, progress, *own, stopping, history, logs], progress, saving)
