"""The order of a run, from raw examples to a finished run directory. Read it after a task file.

examples → codec → encode → cache and plan → model → fit → evaluate → metrics.json
"""

import atexit
import dataclasses
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import __version__, run_dir
from zoo import task as tasks
from zoo.data import atomic, batching, cache, examples, remarks
from zoo.data.codec import Codec
from zoo.data.examples import Examples
from zoo.data.remarks import say
from zoo.errors import InputError
from zoo.layers import carried, recurrent
from zoo.metrics.metric import direction, from_model, reported_first
from zoo.options import Training
from zoo.plots import learning, lengths
from zoo.run import Run, load_splits
from zoo.task import Task
from zoo.training import callbacks, checkpoints, devices, losses, optimizers


def train(
    task: Task,
    cfg: Training | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    recipe: str = "defaults",
    command: str = "",
    test: bool = True,
) -> Run:
    """Trains, evaluates on the test split once, and records everything in a new run directory.

    Args:
        cfg: the options; by default the task's own defaults.
        directory: where the run goes; by default runs/TASK/N.
        recipe, command: recorded with the numbers.
        test: False leaves the test split unread; the recorded metrics are those of validation.
    Raises:
        InputError: unusable data, or `directory` exists. Nothing has been written then.
        checkpoints.Interrupted: Ctrl-C or SIGTERM; `resume` continues.
    """
    path = run_dir.new(tasks.name_of(task), directory) if devices.writes() else _scratch()
    origin = {"recipe": recipe, "command": command, "commit": run_dir.commit()}
    with checkpoints.resumable(path, tasks.name_of(task)) as stop:
        return _run(task, cfg if cfg is not None else task.Config(), path, origin, stop, test=test)


def resume(task: Task, directory: str | os.PathLike[str], *, test: bool = True) -> Run:
    """Continues an interrupted run and gives the result of an uninterrupted one.

    Args:
        test: as for `train`.
    Raises:
        InputError: there is no such run, it is finished, or its files or data have changed.
    """
    path = Path(directory)
    found, cfg, origin = run_dir.read_config(path)
    if found is not task:
        raise InputError(f"{path} is a run of {tasks.name_of(found)}: python -m zoo.tasks.{tasks.name_of(found)}")
    if run_dir.is_finished(path):
        raise InputError(f"{path} is finished: evaluate, predict and export take it; --init starts from its weights")
    state = checkpoints.latest(path / "checkpoints")
    say(f"resuming {path}: " + (f"epoch {state.epoch + 1}, {state.steps} steps done" if state else "from the start"))
    with checkpoints.resumable(path, tasks.name_of(task)) as stop:
        return _run(task, cfg, path, origin, stop, state, test=test)


def _run(
    task: Task,
    cfg: Training,
    directory: Path,
    origin: dict[str, Any],
    stop: checkpoints.Stop,
    state: checkpoints.State | None = None,
    *,
    test: bool,
) -> Run:
    began = time.perf_counter()
    device = devices.prepare(precision=cfg.precision, seed=cfg.seed)
    say(f"device: {device}")

    reported_first(task.METRICS, cfg.reported)  # a wrong name is an error now, not after hours of training
    # 1. Raw examples, and everything that is learned from the training split except the weights.
    data = load_splits(task, cfg, test=test)
    first = _first(task, cfg) if cfg.init and not state else None
    codec: Codec = (
        first.codec if first else run_dir.read_codec(directory, origin) if state else task.codec(cfg, data["train"])
    )

    # 2. Encoded once, kept on disk; then planned: which examples share a batch, padded to which length.
    report: dict[str, Any] = {}
    caches = {split: _encode(task, cfg, codec, data, split, report) for split in ("train", "validation")}
    batches = tasks.optional(task, "plan", batching.bucketed)(
        cfg,
        caches["train"],
        seed=cfg.seed,
        replicas=device.replicas,
        share=devices.share(),
        longest=caches["validation"].lengths.max(axis=0),
    )
    efficiency = batching.efficiency(caches["train"].lengths, batches.planned)
    say(f"batches: {len(batches)} an epoch, {len(batches.shapes)} shapes; {efficiency:.1%} of the positions are real")
    compiled = devices.compiles_loops(cfg.jit, batches.planned, cfg.epochs)
    device = devices.describe(cfg.precision, compiled=compiled)
    say(f"recurrent layers: {device.recurrence}")

    # 3. The model, its schedule, and the weights to start from.
    with devices.scope():
        model = task.model(cfg, codec)
    recurrent.compile_loops(model, compiled)
    batches.weigh = losses.weighs(model.loss)
    validation = batches.like(caches["validation"])
    with devices.scope():
        optimizers.plan(model, cfg, len(batches))
        model.optimizer.build(model.trainable_variables)  # now: a step that makes variables is traced twice
    if first:
        _copy_weights(first, model)
    elif not state and (start := tasks.optional(task, "start")):
        report["started from"] = start(cfg, model)

    # 4. From here on the run can be resumed.
    run_dir.make(directory)
    if state:
        checkpoints.make_metrics(model, validation[0])
    else:
        run_dir.begin(directory, task, cfg, codec, origin)
    run = Run(task, cfg, codec, model, directory)
    run.data = data
    report["repeated"] = {split: _repeated(run, data["train"], data[split]) for split in data if split != "train"}
    atomic.write(directory / "data.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    watch = callbacks.for_run(
        cfg,
        directory,
        batches,
        metrics=task.METRICS,
        own=_own_callbacks(task, run, data["validation"]),
        data="-".join(split.fingerprint() for split in caches.values()),
        stop=stop,
        resume=state,
    )
    seconds = {"setup": time.perf_counter() - began}
    epoch, step = (state.epoch, state.steps) if state else (0, 0)
    try:
        history = model.fit(
            batches.for_training(epoch, step),
            steps_per_epoch=len(batches),
            validation_data=validation.for_validation(),
            initial_epoch=epoch,
            epochs=cfg.epochs,
            shuffle=False,  # the plan has mixed the examples already
            callbacks=watch.callbacks,
            verbose=1 if sys.stdout.isatty() else 2,
        ).history
    except callbacks.Diverged as error:
        if weights := watch.saving.good_weights():
            model.set_weights(weights)
            run_dir.save_model(model, directory)
            raise InputError(f"{error} --init {directory} starts from the last good weights") from error
        raise
    stop.patient = False
    if not devices.writes():
        return run

    # 5. Saved, drawn, evaluated once on the test split unless that is left out, recorded.
    seconds["train"] = watch.progress.total
    run_dir.save_model(model, directory)
    finished = _finish(task, run, data["validation"])
    choose = np.argmin if direction(cfg.monitor, task.METRICS) == "min" else np.argmax
    best = int(choose(history[cfg.monitor]))
    plots = directory / "plots"
    learning.curve(history, plots / "learning_curve.png", monitor=cfg.monitor, best=best)
    learning.gradient_norm(history, plots / "gradient_norm.png", clip_norm=cfg.clip_norm)
    edges = np.array([edges for _, edges in batches.shapes])
    lengths.histogram(caches["train"].lengths, edges, plots / "lengths.png", efficiency=efficiency)
    kept = {key: values[best] for key, values in history.items() if key.startswith("val_")} | finished
    if test:
        scores = run.report()
        if len(scores["baselines"]) == 1:
            del scores["baselines"]
    else:
        scores = {"metrics": {key.removeprefix("val_"): value for key, value in kept.items()}}
    seconds |= scores.pop("seconds", {})
    run.metrics = run_dir.rounded(
        {
            "task": tasks.name_of(task),
            "recipe": origin["recipe"],
            "data": cfg.data,
            "split": "test" if test else "validation",
            "examples": {split: len(part) for split, part in data.items()},
            **scores,
            "validation": kept,
            "seconds": seconds,
            "tokens_per_second": int(caches["train"].lengths.sum()) * watch.progress.epochs / watch.progress.seconds,
            "padding_efficiency": efficiency,
            "parameters": carried.count_weights(model),
            "trainable_parameters": carried.count_trainable(model),
            "seed": cfg.seed,
            "epochs": {"run": watch.progress.epochs, "kept": best + 1},
            **dataclasses.asdict(device),
            "commit": origin["commit"],
            "versions": {"python": platform.python_version(), "zoo": __version__}
            | {name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
            "config": dataclasses.asdict(cfg),
            "command": origin["command"],
        }
    )
    run_dir.finish(directory, run.metrics)
    return run


def _first(task: Task, cfg: Training) -> Run:
    """The run that --init names."""
    first = Run.load(str(cfg.init))
    if first.task is not task:
        raise InputError(f"--init {cfg.init} is a run of {tasks.name_of(first.task)}, not of {tasks.name_of(task)}")
    return first


def _copy_weights(run: Run, model: keras.Model) -> None:
    if [weight.shape for weight in run.model.weights] != [weight.shape for weight in model.weights]:
        raise InputError(
            f"--init {run.directory}: its model has other sizes; {run.directory}/config.toml has its options"
        )
    model.set_weights(run.model.get_weights())


def _encode(
    task: Task, cfg: Training, codec: Codec, data: dict[str, Examples], split: str, report: dict[str, Any]
) -> cache.Cache:
    """Encodes a split and prints how much was cut, replaced or left out; the same goes into `report`."""
    with remarks.collect() as seen:
        encoded = cache.encode(data[split], lambda batch: task.encode(cfg, codec, batch), progress=f"encoding {split}")
    report[split] = {what: str(count) for what, count in seen.items() if count.happened}
    for what, count in report[split].items():
        say(f"  {count} {what}")
    return encoded


def _repeated(run: Run, train: Examples, other: Examples) -> list[int]:
    """The rows of `other` whose input, the answer aside, occurs in `train` too. Prints how many."""
    first = next(iter(train))
    keys = [key for key in run.service.question(first)[1] if key in first]
    rows = examples.repeated(train, other, keys)
    if rows:
        example = next(iter(other.select(np.array(rows[:1]))))
        named = " ".join(str(example[key]) for key in keys)[:80]
        say(f"  {len(rows):,} of {len(other):,} are in train too: row {rows[0]}, {named!r}, …")
    return rows


def _own_callbacks(task: Task, run: Run, validation: Examples) -> list[keras.callbacks.Callback]:
    """The task's callbacks that this backend can run.

    Raises:
        InputError: the epoch to keep depends on one that it cannot run.
    """
    watch = tasks.optional(task, "watch")
    own = watch(run, validation) if watch else []
    if keras.config.backend() == "tensorflow":
        return own
    possible = [callback for callback in own if not isinstance(callback, callbacks.FreeRunning)]
    without_search = from_model(task.METRICS)
    if len(possible) < len(own) and run.cfg.monitor not in without_search:
        raise InputError(
            f"--monitor {run.cfg.monitor}: searching for answers during training needs KERAS_BACKEND=tensorflow; "
            f"with {keras.config.backend()}, monitor one of {', '.join(without_search)}"
        )
    return possible


def _finish(task: Task, run: Run, validation: Examples) -> dict[str, float]:
    """Lets the task choose on validation what training does not learn, and saves the model again."""
    finish = tasks.optional(task, "finish")
    found = finish(run, validation) if finish else {}  # its answers may come from a child process that reads the run
    if found:
        run_dir.save_model(run.model, run.directory)
    return found


def _scratch() -> Path:
    """A temporary directory for a process that takes part in the training but does not write the run."""
    directory = Path(tempfile.mkdtemp(prefix="zoo-run-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
