"""What a run needs to go on where it was stopped, as if it had never been: the same weights, the same metrics.

    all variables (weights, optimizer, dropout's random states, metric sums), best weights, what the callbacks know
    → one .npz, written under a temporary name and renamed; the last two stay

A checkpoint stands between two steps. The batches that follow are a function of seed, epoch and step
(`zoo.data.batching`), so they need no state of their own.
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

KEPT = 2  # the one before last as well: a disk can lose what was written last


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop and can go on later; the text says how.

    Attributes:
        signal: which signal asked.
    """

    def __init__(self, text: str, signal: int):
        super().__init__(text)
        self.signal = signal


class Stop:
    """Whether Ctrl-C or SIGTERM asked the run to stop. While `patient`, it goes on to where it can be saved.

    A second signal does not wait.
    """

    def __init__(self) -> None:
        self.signal, self.patient = 0, False

    def __call__(self, number: int, frame: Any) -> None:
        again, self.signal = bool(self.signal), number
        if again or not self.patient:
            raise KeyboardInterrupt


@contextlib.contextmanager
def resumable(directory: Path, task: str) -> Iterator[Stop]:
    """Ctrl-C, SIGTERM or a disk that is full, within it, end in a line that says how to go on with the run there.

    Raises:
        Interrupted: by a signal.
        InputError: a file could not be read or written.
    """
    stop = Stop()
    main = threading.current_thread() is threading.main_thread()  # signals reach no other
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM) if main}

    def how() -> str:
        begun = (directory / "config.toml").exists()
        return f"python -m zoo.tasks.{task} --resume {directory}  goes on" if begun else "nothing has been written"

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
    """A moment between two steps of a run.

    Attributes:
        epoch, steps: the epoch, and how many steps of it are done.
        run: what must be the same for the run to go on: its config and its data.
        callbacks: attributes by callback and name.
        variables: of model, optimizer and metrics, in their order.
        best: the weights of the best epoch so far, in the order of `model.weights`; empty before there is one.
    """

    epoch: int
    steps: int
    run: dict[str, Any]
    callbacks: dict[str, dict[str, Any]]
    variables: Sequence[np.ndarray]
    best: Sequence[np.ndarray]

    def save(self, folder: Path) -> None:
        """Writes `folder`/EPOCH-STEPS.npz, whole or not at all, and removes all but the last two."""
        folder.mkdir(exist_ok=True)
        about = {"epoch": self.epoch, "steps": self.steps, "run": self.run, "callbacks": self.callbacks}
        arrays = {f"variables-{i:04}": value for i, value in enumerate(self.variables)}
        arrays |= {f"best-{i:04}": value for i, value in enumerate(self.best)}
        temporary = folder / "writing.tmp"
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave the new name with nothing behind it
            temporary.replace(folder / f"{self.epoch:04}-{self.steps:08}.npz")
        finally:
            temporary.unlink(missing_ok=True)  # of a full disk
        for old in _files(folder)[KEPT:]:
            old.unlink()

    @classmethod
    def load(cls, path: Path) -> State:
        """Raises OSError, ValueError, KeyError or zipfile.BadZipFile where the file is not whole."""
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            about = json.loads(saved["about"].tobytes())
            arrays = {name: saved[name] for name in sorted(saved)}
        variables, best = (
            [value for name, value in arrays.items() if name.startswith(kind)] for kind in ("variables", "best")
        )
        return cls(about["epoch"], about["steps"], about["run"], about["callbacks"], variables, best)


def write(path: Path, text: str) -> None:
    """Replaces a text file as a whole: what reads it finds the old text or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8", newline="")
    temporary.replace(path)


def _files(folder: Path) -> list[Path]:
    """The checkpoints, the last one first."""
    return sorted(folder.glob("*.npz"), reverse=True)


def whole(folder: Path) -> Iterator[State]:
    """The checkpoints that can be read, the last one first; says which cannot."""
    for path in _files(folder):
        try:
            yield State.load(path)
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
            print(f"{path} is not whole", flush=True)


def latest(folder: Path) -> State | None:
    """The last whole checkpoint; None where there is no checkpoint.

    Raises:
        InputError: there are some and none is whole.
    """
    state = next(whole(folder), None)
    if not state and _files(folder):
        raise InputError(f"no checkpoint in {folder} is whole; without that folder the run starts again")
    return state


def make_metrics(model: keras.Model, batch: tuple) -> None:
    """Has Keras make the metrics' variables, as it does at the first step, so that they can be restored before it."""
    x, y, sample_weight = batch
    model.test_on_batch(x, y, sample_weight=sample_weight)


class Checkpoint(keras.callbacks.Callback):
    """Saves the run every `seconds`, at the end of each epoch's steps, and when it is asked to stop; restores it.

    To be the first of the callbacks: before averaged weights are put in place of the others for validation.

    Args:
        folder: where the checkpoints lie.
        seconds: between two of them.
        run: what must be the same for the run to go on.
        attributes: callback → names of its attributes that are its state, other than best weights.
        stopping: holds the best weights.
        stop: whether the run is to stop.
        resume: the state to go on from.
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
        """The last finite ones: of the best epoch, else of a checkpoint, in the order of `model.weights`."""
        place = {id(variable): i for i, variable in enumerate(self._variables())}
        saved = ([state.variables[place[id(weight)]] for weight in self.model.weights] for state in whole(self.folder))
        known = chain([self.stopping.best_weights] if self.stopping.best_weights else [], saved)
        return next((weights for weights in known if all(np.isfinite(weight).all() for weight in weights)), None)

    def _restore(self, state: State) -> None:
        for what in self.run:
            if state.run[what] != self.run[what]:
                raise InputError(f"the {what} is no longer what the checkpoints in {self.folder} were made with")
        variables = self._variables()
        if [v.shape for v in variables] != [v.shape for v in state.variables]:
            raise InputError(f"{self.folder} is of another model; without that folder the run starts again")
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
        self._restore(self.resume)  # now: metrics and callbacks have just been reset
        # Keras counts the steps of an epoch from 0: those that were done before are counted again, but not run again.
        counted = self.model.get_metrics_result()
        self._done, self._step = self.resume.steps, self.model.train_function
        self.model.train_function = lambda *given: (counted, given[0]) if len(given) > 1 else counted  # as JAX, as TF
        self.resume = None

    def _run_steps_again(self) -> None:
        if self._step:
            self.model.train_function, self._step = self._step, None

    def on_train_batch_begin(self, batch, logs=None):
        if self._step and batch < self._done:
            return
        self._run_steps_again()
        begun = batch or self.epoch  # before the first step there is nothing to save, and Keras has not made all of it
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
