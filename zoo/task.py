"""What every task shares: its options, and the one fixed order of a run.

    examples → codec → encode → cache and plan → model → fit → serve → score → run directory → export

A task is a frozen Config and plain functions held by a `Task`; a file in `zoo/tasks/` is its own registration.
"""

from __future__ import annotations  # keras and tensorflow in them are not loaded for --help

import atexit
import base64
import csv
import dataclasses
import functools
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import types
import typing
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tomli_w

from zoo import __version__, callbacks, checkpoint, devices, optimizers, plots
from zoo.answers import service as services
from zoo.data import batching, cache, remarks, sources, text
from zoo.errors import InputError, did_you_mean
from zoo.export import process, publish, small_devices

FORMAT = 1  # of a run directory
LAST_LINE = "# end"  # of its config.toml: what is cut off behind an option would be its default


def option(default: Any, help: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A field of a Config: its default, a line for `--help`, and the bounds it must keep (inclusive)."""
    return field(default=default, metadata={"help": help, "low": low, "high": high})


@dataclass(frozen=True)
class Config:
    """The options that every task has. A task's own Config adds to them; all become flags and keys of a recipe.

    Raises:
        InputError: a value is of the wrong kind or out of bounds.
    """

    data: str = option("sample", "sample, tfds:NAME[/CONFIG], or a directory of files")
    limit: int | None = option(None, "use at most this many examples of each split", low=2)
    validation_share: float = option(0.1, "cut from train where there is no validation split", low=0.001, high=0.5)
    seed: int = option(0, "of weights, shuffling, dropout and the validation cut", low=0)
    epochs: int = option(5, "passes over the training data at most", low=1)
    monitor: str = option("val_loss", "what decides which epoch is kept")
    patience: int = option(3, "stop after so many epochs without a better validation result", low=1)
    batch_tokens: int = option(1024, "positions in a batch, padding included", low=1)
    shapes: int = option(6, "different padded lengths; fewer compile faster, more waste less", low=1)
    curriculum: int = option(0, "so many epochs first in which short examples come before long ones", low=0)
    learning_rate: float = option(4e-3, "the highest, after warm-up", low=0)
    warmup: float = option(0.1, "share of all steps in which the learning rate rises", low=0, high=1)
    weight_decay: float = option(0.0, "decoupled, on matrices only", low=0)
    clip_norm: float = option(1.0, "global norm that gradients are clipped to", low=1e-9)
    average_weights: float = option(0.0, "momentum of a moving average of the weights; 0 is off", low=0, high=0.99999)
    init: str | None = option(None, "a run directory to start from: its vocabularies and weights")
    checkpoint_seconds: float = option(
        60.0, "between two checkpoints for --resume; each epoch ends with one too", low=0
    )
    jit: Literal["auto", "on", "off"] = option("auto", "compile the recurrent loops with XLA; auto: in long runs")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = option(
        "float32", "of training; what is exported is float32"
    )

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            check_value(type(self), name, value)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Config:
        """The options in a recipe; what it leaves out keeps its default."""
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        known = [entry.name for entry in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(f"unknown option {name!r} in {path}{did_you_mean(name, known)}")
        return cls(**values)

    def to_toml(self) -> str:
        return tomli_w.dumps({name: value for name, value in dataclasses.asdict(self).items() if value is not None})


def kinds(config: type[Config], name: str) -> tuple[type, list[Any], bool]:
    """Of one option: the plain type, its choices (empty if free), and whether it may be None."""
    hint = typing.get_type_hints(config)[name]
    optional = isinstance(hint, types.UnionType) and type(None) in hint.__args__
    if optional:
        hint = next(part for part in hint.__args__ if part is not type(None))
    choices = list(hint.__args__) if typing.get_origin(hint) is Literal else []
    return (type(choices[0]) if choices else hint), choices, optional


def check_value(config: type[Config], name: str, value: Any) -> None:
    """Raises InputError unless `value` is of the kind and within the bounds of the option."""
    kind, choices, optional = kinds(config, name)
    if value is None and optional:
        return
    if choices and value not in choices:
        guess = did_you_mean(str(value), map(str, choices))
        raise InputError(f"{name} is {value!r}: expected one of {', '.join(map(str, choices))}{guess}")
    if not isinstance(value, (int, float) if kind is float else kind) or (kind is not bool and value is True):
        raise InputError(f"{name} is {value!r}: expected {kind.__name__}")
    bounds = next(entry.metadata for entry in dataclasses.fields(config) if entry.name == name)
    low, high = bounds.get("low"), bounds.get("high")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        between = f"at least {low}" if high is None else f"{low} to {high}"
        raise InputError(f"{name} is {value!r}: expected {between}")


@dataclass(frozen=True)
class Task:
    """One use of a sequence model. The functions are described in CONTRIBUTING.md.

    Attributes:
        examples: (cfg, split) → re-iterable of raw dicts, or None where the source has no such split.
        codec: (cfg, train) → what is learned from data and is not a weight.
        encode: (cfg, codec, batch of tensors) → x, y, ragged, not padded.
        model: (cfg, codec) → a compiled Functional model.
        serve: (cfg, codec, model) → Service; its main signature's input names are keys of an example. Lists whose
            length differs by row are answered padded, with the rows' `lengths` int[B], or `NAME_lengths` of NAME.
        score: (cfg, codec, answers, examples) → metrics; the first is the one that is reported.
        baseline: (cfg, codec, train with validation, test) → name and the classical model's answers to test.
        quality: (example, answer) → 0.0 (wrong) to 1.0 (right), to pick samples by.
        show: (example, answer) → one line for people; the truth in it where the example has it.
        draw: (run, answers, examples) → writes the task's own plots and tables into the run's directory.
        pictures: name → (run, question, file), a picture of how one question is answered: of the first test example in
            every run, of any input by `predict --NAME FILE.png`.
        watch: (run, validation examples) → callbacks of the task's own.
        forced: names of the model's own metrics that are reported beside those of `score`.
        labels: the key of an example's label; one that train has not is an error. Or of a list of labels, as a
            sentence's tags: one that train has not is said, and counts as a mistake.
        stratify: the key of an example whose values a split that is cut from train has in proportion.
    """

    name: str
    config: type[Config]
    examples: Callable
    codec: Callable
    encode: Callable
    model: Callable
    serve: Callable
    score: Callable
    baseline: Callable
    quality: Callable
    show: Callable
    draw: Callable | None = None
    pictures: Mapping[str, Callable] = field(default_factory=dict)
    watch: Callable | None = None
    forced: tuple[str, ...] = ()
    labels: str | None = None
    stratify: str | None = None

    def splits(self, cfg: Config) -> dict[str, sources.Examples]:
        """train, validation and test; what the source does not have is cut from train. Says so.

        Raises:
            InputError: a split is empty, or has an example whose label train has not.
        """
        found = {split: self.examples(cfg, split) for split in ("train", "validation", "test")}
        for split, examples in found.items():
            if examples is not None and not len(examples):
                raise InputError(f"--data {cfg.data}: the {split} split has no examples")
        cut = []
        for split in ("test", "validation"):
            if found[split] is None:
                if len(found["train"]) < 3:
                    raise InputError(
                        f"--data {cfg.data}: {len(found['train'])} examples are too few to cut {split} from"
                    )
                share, seed = cfg.validation_share, (cfg.seed if split == "validation" else 0)  # one test for all seeds
                found["train"], found[split] = sources.hold_out(
                    found["train"], fraction=share, seed=seed, by=self.stratify
                )
                cut.append(split)
        whole = {split: len(examples) for split, examples in found.items()}
        found = {split: sources.limit(examples, cfg.limit, seed=cfg.seed) for split, examples in found.items()}
        unseen = sources.unseen(found, self.labels) if self.labels else None
        remark = f"--data {cfg.data}: {self.labels} {unseen[1]!r} of {unseen[0]} is not in train" if unseen else ""
        if remark and not isinstance(next(iter(found["train"]))[self.labels], list):
            raise InputError(remark)
        counts = [
            f"{len(examples):,} {split}" + (f" of {whole[split]:,}" if len(examples) < whole[split] else "")
            for split, examples in found.items()
        ]
        note = f" ({' and '.join(cut)} cut from train)" if cut else ""
        say(f"data: {cfg.data}: {', '.join(counts)}{note}")
        if remark:
            say(f"  {remark}: no answer has it, so it counts as a mistake")
        return found

    def train(
        self,
        cfg: Config | None = None,
        *,
        run_dir: str | os.PathLike[str] | None = None,
        recipe: str = "",
        command: str = "",
    ) -> Run:
        """Trains, evaluates on the test split, and writes the run directory.

        Args:
            cfg: the options; the task's defaults without it.
            run_dir: a directory to make; runs/TASK/N without it.
            recipe, command: recorded with the numbers.
        Raises:
            InputError: unusable data, or `run_dir` exists. Nothing has been written then.
            checkpoint.Interrupted: Ctrl-C or SIGTERM; `resume` goes on.
        """
        directory = Path(run_dir) if run_dir else _next_directory(Path("runs") / self.name)
        if devices.writes() and directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise InputError(f"{directory} exists and is not empty; --run-dir names another, --resume goes on with it")
        origin = {"task": self.name, "format": FORMAT, "recipe": recipe, "command": command, "commit": _commit()}
        with checkpoint.resumable(directory, self.name) as stop:
            return self._run(cfg if cfg is not None else self.config(), directory, origin, stop)

    def resume(self, run_dir: str | os.PathLike[str]) -> Run:
        """Goes on with an interrupted run, to the weights and metrics that it would have had without the interruption.

        Raises:
            InputError: there is no such run, it is finished, or its files or data have changed.
        """
        directory = Path(run_dir)
        task, cfg, origin = read_config(directory)
        if task.name != self.name:
            raise InputError(f"{directory} is a run of {task.name}: python -m zoo.tasks.{task.name}")
        if (directory / "metrics.json").exists():
            raise InputError(
                f"{directory} is finished: evaluate, predict and export take it; --init begins a run with its weights"
            )
        state = checkpoint.latest(directory / "checkpoints")
        where = f"epoch {state.epoch + 1}, {state.steps} steps done" if state else "no checkpoint yet, from the start"
        say(f"resuming {directory}: {where}")
        with checkpoint.resumable(directory, self.name) as stop:
            return self._run(cfg, directory, origin, stop, state)

    def _run(
        self,
        cfg: Config,
        directory: Path,
        origin: dict[str, Any],
        stop: checkpoint.Stop,
        state: checkpoint.State | None = None,
    ) -> Run:
        """The order of a run, from the beginning or from `state` on."""
        began = time.perf_counter()
        device = devices.prepare(precision=cfg.precision, seed=cfg.seed)
        say(f"device: {device}")
        data = self.splits(cfg)
        first = Run.load(cfg.init) if cfg.init and not state else None
        if first and first.task.name != self.name:
            raise InputError(f"--init {cfg.init} is a run of {first.task.name}, not of {self.name}")
        known = first.codec if first else _load_codec(directory, origin) if state else None
        codec = known or self.codec(cfg, data["train"])

        def encode(split: str) -> cache.Cache:
            with remarks.collect() as seen:
                encoded = cache.encode(data[split], lambda e: self.encode(cfg, codec, e), progress=f"encoding {split}")
            report[split] = {what: str(count) for what, count in seen.items() if count.happened}
            for what, count in report[split].items():
                say(f"  {count} {what}")
            return encoded

        report: dict[str, Any] = {}
        caches = {split: encode(split) for split in ("train", "validation")}
        buckets = batching.choose_buckets(
            caches["train"].lengths,
            batch_tokens=cfg.batch_tokens,
            shapes=cfg.shapes,
            replicas=device.replicas,
            longest=caches["validation"].lengths.max(axis=0),
        )
        share = devices.share()
        batches = batching.Batches(caches["train"], buckets, seed=cfg.seed, curriculum=cfg.curriculum, share=share)
        validation = batching.Batches(caches["validation"], buckets, seed=None, share=share)
        efficiency = batching.efficiency(caches["train"].lengths, batches.planned)
        say(f"batches: {len(batches)} an epoch, {len(buckets.rows)} shapes; {efficiency:.1%} of the positions are real")
        devices.compile_loops(cfg.jit, batches.planned, cfg.epochs)
        device = devices.describe(cfg.precision)
        say(f"recurrent layers: {device.recurrence}")
        with devices.scope():
            model = self.model(cfg, codec)
            optimizers.of(model).learning_rate = optimizers.schedule(cfg, cfg.epochs * len(batches))
            model.optimizer.build(model.trainable_variables)  # now: a step that makes variables is traced twice
        if first:
            _copy_weights(first, model)
        if not devices.writes():
            directory = Path(tempfile.mkdtemp(prefix="zoo-run-"))
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
        _make(directory)
        if state:
            checkpoint.make_metrics(model, validation[0])
        else:
            codec.save(directory / "codec")
            origin["codec"] = cache.checksum(directory / "codec")
            checkpoint.write(directory / "config.toml", f"{_comments(origin)}{cfg.to_toml()}{LAST_LINE}\n")
        run = Run(self, cfg, codec, model, directory)
        run.data = data
        report["repeated"] = {split: run.repeated(data["train"], data[split]) for split in ("validation", "test")}
        checkpoint.write(directory / "data.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        watch = callbacks.for_run(
            cfg,
            directory,
            batches,
            own=_possible(self.watch(run, data["validation"]) if self.watch else [], cfg),
            data="-".join(split.fingerprint() for split in caches.values()),
            stop=stop,
            resume=state,
        )
        setup = time.perf_counter() - began
        epoch, step = (state.epoch, state.steps) if state else (0, 0)
        try:
            history = model.fit(
                batches.for_training(epoch, step),
                steps_per_epoch=len(batches),
                validation_data=validation.for_validation(),
                initial_epoch=epoch,
                epochs=cfg.epochs,
                shuffle=False,  # the plan has mixed them
                callbacks=watch.callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
            ).history
        except callbacks.Diverged as error:
            if weights := watch.saving.good_weights():
                model.set_weights(weights)
                _save_model(model, directory / "model.keras")
                raise InputError(f"{error} --init {directory} starts from the last good weights") from error
            raise
        stop.patient = False
        if not devices.writes():
            return run
        seconds = {"setup": setup, "train": watch.progress.total}
        _save_model(model, directory / "model.keras")
        best = int((np.argmax if callbacks.better(cfg.monitor) == "max" else np.argmin)(history[cfg.monitor]))
        pictures = directory / "plots"
        plots.learning_curve(history, pictures / "learning_curve.png", monitor=cfg.monitor, best=best)
        plots.gradient_norm(history, pictures / "gradient_norm.png", clip_norm=cfg.clip_norm)
        plots.length_histogram(caches["train"].lengths, buckets.edges, pictures / "lengths.png", efficiency=efficiency)
        scores = run.report()
        record = {
            "task": self.name,
            "recipe": origin["recipe"],
            "data": cfg.data,
            "split": "test",
            "examples": {split: len(examples) for split, examples in data.items()},
            "metrics": scores["metrics"],
            "baseline": scores["baseline"],
            "validation": {key: values[best] for key, values in history.items() if key.startswith("val_")},
            "seconds": seconds | scores["seconds"],
            "tokens_per_second": int(caches["train"].lengths.sum()) * watch.progress.epochs / watch.progress.seconds,
            "padding_efficiency": efficiency,
            "parameters": model.count_params(),
            "seed": cfg.seed,
            "epochs": {"run": watch.progress.epochs, "kept": best + 1},
            **dataclasses.asdict(device),
            "commit": origin["commit"],
            "versions": {"python": platform.python_version(), "zoo": __version__}
            | {name: metadata.version(name) for name in ("keras", "tensorflow", "numpy")},
            "config": dataclasses.asdict(cfg),
            "command": origin["command"],
        }
        run.metrics = _round(record)
        checkpoint.write(directory / "metrics.json", json.dumps(run.metrics, indent=2) + "\n")  # now it is finished
        shutil.rmtree(directory / "checkpoints")
        return run

    def samples(self, examples: Iterable[dict], answers: Sequence[dict], *, count: int = 10) -> str:
        """A page of answers as they are: the worst, and as many drawn evenly from the rest."""
        pairs = list(zip(examples, answers, strict=True))
        order = sorted(range(len(pairs)), key=lambda i: self.quality(*pairs[i]))
        worst, rest = order[:count], order[count:]
        evenly = rest[:: max(len(rest) // count, 1)][:count]
        page = [f"# {self.name}: answers to the test split\n"]
        for title, rows in (("The worst", worst), ("Drawn evenly from the rest", evenly)):
            page += [f"## {title}\n", *(f"- {self.show(*pairs[i])}" for i in rows), ""]
        return "\n".join(page)


def _on_tensorflow(method: Callable) -> Callable:
    """Has a method of `Run` done by a child process where Keras runs on another backend.

    What answers raw input is made of TensorFlow's operations. The run's directory is what both know; arguments and
    answer go through files.
    """

    @functools.wraps(method)
    def call(run: Run, *args: Any, **kwargs: Any) -> Any:
        if keras.config.backend() == "tensorflow":
            return method(run, *args, **kwargs)
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder, "asked.json"), Path(folder, "answered.json")
            asked.write_text(json.dumps([method.__name__, args, kwargs], default=_to_json), encoding="utf-8")
            process.run(["answer", str(run.directory), str(asked), str(answered)])
            reply = json.loads(answered.read_text(encoding="utf-8"))
        if "error" in reply:
            raise InputError(reply["error"])
        return reply["answer"]

    return call


def answer(run_dir: str, asked: str, answered: str) -> None:
    """Calls a method of the run in this process; see `_on_tensorflow`."""
    name, args, kwargs = json.loads(Path(asked).read_text(encoding="utf-8"), object_hook=_from_json)
    try:
        reply = {"answer": getattr(Run.load(run_dir), name)(*args, **kwargs)}
    except InputError as error:
        reply = {"error": str(error)}
    Path(answered).write_text(json.dumps(reply, default=_to_json), encoding="utf-8")


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else list(value)


def _from_json(value: dict) -> Any:
    return base64.b64decode(value["base64"]) if value.keys() == {"base64"} else value


def _possible(own: list[keras.callbacks.Callback], cfg: Config) -> list[keras.callbacks.Callback]:
    """The callbacks of a task that this backend can run.

    Raises:
        InputError: the epoch to keep depends on one that it cannot.
    """
    if keras.config.backend() == "tensorflow":
        return own
    possible = [callback for callback in own if not isinstance(callback, callbacks.FreeRunning)]
    if len(possible) < len(own) and cfg.monitor not in callbacks.FORCED:
        raise InputError(
            f"--monitor {cfg.monitor}: searching for answers while it trains takes KERAS_BACKEND=tensorflow; "
            f"with {keras.config.backend()}, monitor one of {', '.join(callbacks.FORCED)}"
        )
    return possible


@dataclass
class Run:
    """A trained model with everything it needs to answer. `zoo.load(directory)` makes one from disk."""

    task: Task
    cfg: Any  # the task's own Config
    codec: text.Codec
    model: keras.Model
    directory: Path
    metrics: dict = field(default_factory=dict)  # metrics.json; empty for an unfinished run

    @classmethod
    def load(cls, directory: str | os.PathLike[str], *, precision: str | None = None) -> Run:
        """The run in `directory`; its model is built anew, so `precision` may differ from the one it was trained in.

        Raises:
            InputError: not a run directory, an unfinished one, or files that do not belong together.
        """
        directory = Path(directory)
        task, cfg, origin = read_config(directory)
        finished = directory / "metrics.json"
        if not finished.is_file():
            goes_on = f"{directory} is not finished: python -m zoo.tasks.{task.name} --resume {directory}  goes on"
            if not (directory / "model.keras").is_file():
                raise InputError(goes_on)
            print(goes_on, file=sys.stderr)  # trained and not evaluated, or stopped where it diverged
        keras.config.set_dtype_policy(precision or cfg.precision)
        try:
            codec = _load_codec(directory, origin)
            model = task.model(cfg, codec)
            with warnings.catch_warnings(
                category=UserWarning, action="error"
            ):  # Keras leaves out what it does not find
                _without_optimizer(model).load_weights(directory / "model.keras")
            metrics = json.loads(finished.read_text(encoding="utf-8")) if finished.is_file() else {}
        except (OSError, ValueError, KeyError, AttributeError, UserWarning, zipfile.BadZipFile) as error:
            raise InputError(f"{directory} is not a whole run: {str(error).splitlines()[0]}") from error
        return cls(task, cfg, codec, model, directory, metrics)

    @cached_property
    def service(self) -> services.Service:
        """What answers raw input; the same that is exported."""
        return self.task.serve(self.cfg, self.codec, self.model)

    @_on_tensorflow
    def predict(self, inputs: Iterable[Any], *, signature: str | None = None, batch: int = 64) -> list[dict]:
        """The answers to raw inputs, in order.

        Args:
            inputs: dicts with a signature's inputs (an example is one), or the bare values where it has one input.
            signature: which one is asked; else the first that an input fits.
            batch: how many are answered at a time; like lengths go together.
        Raises:
            InputError: one of them cannot be answered, such as a picture that is none.
        """
        return self.service.answer(inputs, signature=signature, batch=batch)

    def ask(self, signature: str, rows: list[dict]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """One batch as it is asked and as it is answered, padding included."""
        return self.service.ask(signature, rows)

    @_on_tensorflow
    def evaluate(self, data: str | None = None, *, split: str = "test") -> dict[str, float]:
        """The task's metrics on a split of the run's own data, or of other data in the same form."""
        cfg = dataclasses.replace(self.cfg, data=data) if data else self.cfg
        examples = self.task.splits(cfg)[split] if not data or split != "test" else self.task.examples(cfg, split)
        if examples is None:
            raise InputError(f"--data {cfg.data} has no {split} split")
        return self.score(examples) | self.forced(examples)

    def score(self, examples: sources.Examples) -> dict[str, float]:
        """The task's metrics of the run's own answers to `examples`."""
        return self.task.score(self.cfg, self.codec, self.predict(examples), examples)

    def forced(self, examples: sources.Examples) -> dict[str, float]:
        """What the task reports of the model's own metrics, with the true sequence as its input (teacher forcing)."""
        if not self.task.forced:
            return {}
        encoded = cache.encode(examples, lambda batch: self.task.encode(self.cfg, self.codec, batch))
        buckets = batching.choose_buckets(encoded.lengths, batch_tokens=self.cfg.batch_tokens, shapes=self.cfg.shapes)
        batches = batching.Batches(encoded, buckets, seed=None)
        values = self.model.evaluate(batches.for_validation(), verbose=0, return_dict=True)
        return {name: values[name] for name in self.task.forced}

    @_on_tensorflow
    def report(self) -> dict[str, dict]:
        """Scores the test split, and a classical baseline beside it; writes samples of answers and the task's plots.

        Returns:
            metrics, baseline, and the seconds that evaluation took.
        """
        task, test = self.task, self.test
        say("evaluating on the test split")
        began = time.perf_counter()
        answers = self.predict(test)
        metrics = task.score(self.cfg, self.codec, answers, test) | self.forced(test)
        evaluated = time.perf_counter()
        say("fitting the classical baseline")
        name, guesses = task.baseline(self.cfg, self.codec, self.data["train"] + self.data["validation"], test)
        baseline = {"name": name, **task.score(self.cfg, self.codec, guesses, test)}
        baseline["seconds"] = time.perf_counter() - evaluated
        (self.directory / "samples.md").write_text(task.samples(test, answers), encoding="utf-8")
        for name, picture in task.pictures.items():
            picture(self, next(iter(test)), self.directory / "plots" / f"{name}.png")
        if task.draw:
            task.draw(self, answers, test)
        return {"metrics": metrics, "baseline": baseline, "seconds": {"evaluate": evaluated - began}}

    @cached_property
    def data(self) -> dict[str, sources.Examples]:
        """The run's own train, validation and test."""
        return self.task.splits(self.cfg)

    @property
    def test(self) -> sources.Examples:
        return self.data["test"]

    def first_examples(self, count: int) -> list[dict]:
        return list(islice(self.test, count))

    def repeated(self, train: sources.Examples, other: sources.Examples) -> list[int]:
        """Which rows of `other` ask what an example of `train` asks, its answer aside. Says how many."""
        keys = list(self.service.inputs)
        rows = sources.repeated(train, other, keys)
        if rows:
            example = next(iter(other.select(np.array(rows[:1]))))
            named = " ".join(str(example[key]) for key in keys)[:80]
            say(f"  {len(rows):,} of {len(other):,} are in train too: row {rows[0]}, {named!r}, …")
        return rows

    def export(
        self, to: str | os.PathLike[str] = "saved_models", *, format: str = "saved_model", keep: int | None = None
    ) -> Path:
        """The next version under `to`/TASK, or under `to`/TASK-FORMAT, proven to answer as `predict` does.

        Args:
            format: "saved_model", or for small devices "litert" or "onnx".
            keep: how many versions stay, the new one included; all without it.
        Returns:
            the folder of the version.
        """
        return Path(self._export(os.fspath(to), format, keep))

    @_on_tensorflow
    def _export(self, to: str, format: str, keep: int | None) -> str:
        # What is exported computes in float32, and so must what it is compared with.
        run = self if self.cfg.precision == "float32" else Run.load(self.directory, precision="float32")
        if format == "saved_model":
            return str(publish.saved_model(run, Path(to) / self.task.name, keep=keep))
        return str(small_devices.publish(run, Path(to) / f"{self.task.name}-{format}", format, keep=keep))


def read_config(directory: Path) -> tuple[Task, Config, dict[str, Any]]:
    """The task and the options of the run in `directory`, and what it was begun with: recipe, command, commit.

    Raises:
        InputError: not a run directory, or one of another version of the zoo.
    """
    path = directory / "config.toml"
    if not path.is_file():
        what = "no config.toml in it" if directory.is_dir() else "no such directory"
        raise InputError(f"{directory} is not a run directory: {what}; `train` prints where a run lies")
    try:
        lines = path.read_text(encoding="utf-8").rstrip().split("\n")
        head = takewhile(lambda line: line.startswith("# "), lines)
        origin = tomllib.loads("\n".join(line.removeprefix("# ") for line in head))
        task = importlib.import_module(f"zoo.tasks.{origin['task']}").TASK
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        raise InputError(f"{path} names no task of the zoo: it begins with the line # task = NAME") from error
    if origin.get("format") != FORMAT:
        raise InputError(
            f"{directory} was written by another version of the zoo (format {origin.get('format')}, this one reads "
            f"{FORMAT}); train again, with --recipe {path}"
        )
    if lines[-1] != LAST_LINE:
        raise InputError(f"{path} is cut short: its last line is not {LAST_LINE!r}")
    return task, task.config.from_toml(path), origin


def _load_codec(directory: Path, origin: dict[str, Any]) -> text.Codec:
    folder = directory / "codec"
    if not folder.is_dir() or cache.checksum(folder) != origin["codec"]:
        raise InputError(f"{folder} is not what the run in {directory} was trained with: a file was edited or is gone")
    return text.Codec.load(folder)


def _comments(values: dict[str, Any]) -> str:
    """TOML as comments, at the head of a config.toml: so the file is a recipe too."""
    return "".join(f"# {line}\n" for line in tomli_w.dumps(values).splitlines())


def say(line: str) -> None:
    print(line, flush=True)


def _next_directory(parent: Path) -> Path:
    return parent / str(publish.next_number(parent))


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {directory}: {error.strerror}; --run-dir names another") from error


def _copy_weights(run: Run, model: keras.Model) -> None:
    if [weight.shape for weight in run.model.weights] != [weight.shape for weight in model.weights]:
        raise InputError(
            f"--init {run.directory}: its model has other sizes; {run.directory}/config.toml has its options"
        )
    model.set_weights(run.model.get_weights())


def _save_model(model: keras.Model, path: Path) -> None:
    temporary = path.with_name("writing.keras")
    _without_optimizer(model).save(temporary)
    temporary.replace(path)


def _without_optimizer(model: keras.Model) -> keras.Model:
    """The same layers and weights, not compiled: an optimizer's state is twice the size of the weights."""
    return keras.Model(model.input, model.output, name=model.name)


def _round(value: Any) -> Any:
    """Six significant digits, all the way down: a record is read by people."""
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _commit() -> str:
    """The commit of the checkout that the zoo runs from, with a + where files differ from it; "" outside of one."""
    git = shutil.which("git")
    if not git:
        return ""
    here = Path(__file__).parent

    def ask(*words: str) -> str:
        return subprocess.run([git, "-C", str(here), *words], capture_output=True, text=True).stdout.strip()

    commit = ask("rev-parse", "--short=12", "HEAD")
    return commit + ("+" if ask("status", "--porcelain", "--untracked-files=no", ".") else "")


def read_history(run_dir: Path) -> dict[str, list[float]]:
    """history.csv as columns.

    Raises:
        InputError: it is not there, or not whole.
    """
    path = run_dir / "history.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a whole history: {error}") from error
