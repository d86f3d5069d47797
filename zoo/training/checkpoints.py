"""Checkpoints: an interrupted run continues and gives the result of an uninterrupted run, bit for bit.

    all variables (weights, optimizer, random states of dropout, metric sums), best weights, state of the callbacks
    → one .npz, written under a temporary name and then renamed; the last two are kept

A checkpoint is taken between two steps. The batches that follow depend on seed, epoch and step alone
(`zoo.data.batching`), so they need no state.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.errors import InputError

KEPT = 2  # the last but one too, because a disk can lose the last write


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal and can be resumed; the message says how.

    Attributes:
        signal: the number of the signal.
    """

    def __init__(self, text: str, signal: int):
        super().__init__(text)
        self.signal = signal


class Stop:
    """Notes that Ctrl-C or SIGTERM arrived. While `patient`, the run continues until it can save a checkpoint.

    A second signal raises KeyboardInterrupt at once.
    """

    def __init__(self) -> None:
        self.signal, self.patient = 0, False

    def __call__(self, number: int, frame: Any) -> None:
        again, self.signal = bool(self.signal), number
        if again or not self.patient:
            raise KeyboardInterrupt


@contextlib.contextmanager
def resumable(directory: Path, task: str) -> Iterator[Stop]:
    """Turns Ctrl-C, SIGTERM and a full disk into an error of one line that says how to resume the run in `directory`.

    Raises:
        Interrupted: a signal arrived.
        InputError: a file could not be read or written, as on a full disk.
    """
    stop = Stop()
    main = threading.current_thread() is threading.main_thread()  # only the main thread gets signals
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM) if main}

    def how() -> str:
        begun = (directory / "config.toml").exists()
        return f"continue with: zoo train {task} --resume {directory}" if begun else "nothing has been written"

    try:
        yield stop
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {how()}", stop.signal or signal.SIGINT) from None
    except OSError as error:
        raise InputError(f"{error.filename or directory}: {error.strerror or error}; {how()}") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class State:
    """The state of a run between two steps.

    Attributes:
        epoch, steps: the epoch from 0, and how many of its steps are done.
        run: "config" and "data"; both must be the same when the run is resumed.
        callbacks: class of a callback → its attributes.
        variables: those of the model, the optimizer and the metrics, in their order.
        best: the weights of the best epoch so far, in the order of `model.weights`; empty in the first epoch.
    """

    epoch: int
    steps: int
    run: dict[str, Any]
    callbacks: dict[str, dict[str, Any]]
    variables: Sequence[np.ndarray]
    best: Sequence[np.ndarray]

    def save(self, folder: Path) -> None:
        """Writes `folder`/EPOCH-STEPS.npz, completely or not at all, and removes all but the last two."""
        folder.mkdir(exist_ok=True)
        about = {"epoch": self.epoch, "steps": self.steps, "run": self.run, "callbacks": self.callbacks}
        arrays = {f"variables-{i:04}": value for i, value in enumerate(self.variables)}
        arrays |= {f"best-{i:04}": value for i, value in enumerate(self.best)}
        temporary = folder / "writing.tmp"
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
                file.flush()
                os.fsync(file.fileno())  # otherwise a power cut could leave an empty file under the new name
            temporary.replace(folder / f"{self.epoch:04}-{self.steps:08}.npz")
        finally:
            temporary.unlink(missing_ok=True)  # left over if the disk is full
        for old in _files(folder)[KEPT:]:
            old.unlink()

    @classmethod
    def load(cls, path: Path) -> State:
        """Reads a checkpoint.

        Raises:
            OSError, ValueError, KeyError, zipfile.BadZipFile: the file is incomplete or damaged.
        """
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            about = json.loads(saved["about"].tobytes())
            arrays = {name: saved[name] for name in sorted(saved)}
        variables, best = (
            [value for name, value in arrays.items() if name.startswith(kind)] for kind in ("variables", "best")
        )
        return cls(about["epoch"], about["steps"], about["run"], about["callbacks"], variables, best)


def _files(folder: Path) -> list[Path]:
    """The checkpoint files, newest first."""
    return sorted(folder.glob("*.npz"), reverse=True)


def readable(folder: Path) -> Iterator[State]:
    """The checkpoints that can be read, newest first. Prints the names of the others."""
    for path in _files(folder):
        try:
            yield State.load(path)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            print(f"{path} is incomplete or damaged", flush=True)


def latest(folder: Path) -> State | None:
    """The newest checkpoint that can be read; None if there is no checkpoint.

    Raises:
        InputError: there are checkpoints, but none can be read.
    """
    state = next(readable(folder), None)
    if not state and _files(folder):
        raise InputError(f"no checkpoint in {folder} can be read; delete the folder to start again")
    return state


def make_metrics(model: keras.Model, batch: tuple) -> None:
    """Makes the variables of the metrics, so that they can be restored. Keras makes them at the first step.

    Args:
        batch: x, y and sample_weight.
    """
    x, y, sample_weight = batch
    model.test_on_batch(x, y, sample_weight=sample_weight)


class Checkpoint(keras.callbacks.Callback):
    """Saves a checkpoint every `seconds`, after each epoch's steps, and when the run is asked to stop; restores one.

    It must be the first callback: SwapEMAWeights puts averaged weights into the model before validation, and a
    checkpoint must have the weights themselves.

    Args:
        folder: the checkpoints.
        seconds: the time between two of them.
        run: "config" and "data", see `State`.
        attributes: callback → the names of the attributes to save, apart from the best weights.
        stopping: the callback that has the best weights.
        stop: says whether the run was asked to stop.
        resume: the checkpoint to go on from; None starts at the beginning.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float,
        run: dict[str, Any],
        attributes: dict[keras.callbacks.Callback, Sequence[str]],
        stopping: keras.callbacks.EarlyStopping,
        stop: Stop,
        resume: State | None,
    ):
        super().__init__()
        self.folder, self.seconds, self.run, self.stop, self.resume = folder, seconds, run, stop, resume
        self.attributes, self.stopping = attributes, stopping
        self._saved, self._done, self._step = time.monotonic(), 0, None

    def _variables(self) -> list[keras.Variable]:
        model = self.model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]

    def _save(self, steps: int) -> None:
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        State(
            self.epoch,
            steps,
            self.run,
            {type(of).__name__: {name: getattr(of, name) for name in names} for of, names in self.attributes.items()},
            [keras.ops.convert_to_numpy(variable) for variable in self._variables()],
            self.stopping.best_weights or [],
        ).save(self.folder)
        self._saved = time.monotonic()

    def good_weights(self) -> list[np.ndarray] | None:
        """The latest finite weights: of the best epoch, else of a checkpoint, in the order of `model.weights`."""
        place = {id(variable): i for i, variable in enumerate(self._variables())}
        saved = (
            [state.variables[place[id(weight)]] for weight in self.model.weights] for state in readable(self.folder)
        )
        known = chain([self.stopping.best_weights] if self.stopping.best_weights else [], saved)
        return next((weights for weights in known if all(np.isfinite(weight).all() for weight in weights)), None)

    def _restore(self, state: State) -> None:
        for what in self.run:
            if state.run[what] != self.run[what]:
                raise InputError(f"the {what} has changed since the checkpoints in {self.folder} were made")
        variables = self._variables()
        if [v.shape for v in variables] != [v.shape for v in state.variables]:
            raise InputError(f"the checkpoints in {self.folder} are of another model; delete the folder to start again")
        for variable, value in zip(variables, state.variables, strict=True):
            variable.assign(value)
        for of, names in self.attributes.items():
            for name in names:
                setattr(of, name, state.callbacks[type(of).__name__][name])
        self.stopping.best_weights = list(state.best) or None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.stop.patient = epoch, True
        if not self.resume:
            return
        self._restore(self.resume)  # here, because Keras has just reset metrics and callbacks
        # Keras counts the steps of an epoch from 0. The steps that were done before are counted again, but not run.
        counted = self.model.get_metrics_result()
        self._done, self._step = self.resume.steps, self.model.train_function
        self.model.train_function = lambda *given: (
            (counted, given[0]) if len(given) > 1 else counted
        )  # JAX passes a state, TensorFlow does not
        self.resume = None

    def _run_steps_again(self) -> None:
        if self._step:
            self.model.train_function, self._step = self._step, None

    def on_train_batch_begin(self, batch, logs=None):
        if self._step and batch < self._done:
            return
        self._run_steps_again()
        begun = batch or self.epoch  # before the first step, some variables do not exist
        if begun and (self.stop.signal or time.monotonic() - self._saved >= self.seconds):
            self._save(batch)
        if self.stop.signal:
            raise KeyboardInterrupt

    def on_test_begin(self, logs=None):  # validation
        self._run_steps_again()
        self._save(self.params["steps"])
        self.stop.patient = False
        if self.stop.signal:
            raise KeyboardInterrupt
