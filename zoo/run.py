"""Run: a trained model with everything it needs to answer: predict, evaluate, report, export."""

import base64
import dataclasses
import functools
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import run_dir
from zoo import task as tasks
from zoo.answers.service import Service
from zoo.data import batching, cache, examples, splits
from zoo.data.codec import Codec
from zoo.data.examples import Examples
from zoo.data.remarks import say
from zoo.errors import InputError
from zoo.export import process, publish, small_devices
from zoo.metrics.metric import reported_first
from zoo.options import Data
from zoo.task import Task
from zoo.training import losses


def load_splits(task: Task, cfg: Data, *, test: bool = True) -> dict[str, Examples]:
    """train, validation and test. A split that the source lacks is held out from train. Prints their sizes.

    Args:
        test: False leaves the test split out: no example of it is drawn, although a source that reads its files at
            once has read them. The other splits stay as they are.
    Raises:
        InputError: a split is empty, or has an example whose label train lacks.
    """
    found = {split: task.examples(cfg, split) for split in ("train", "validation", "test")}
    if not test and found["test"] is not None:
        del found["test"]
    for split, part in found.items():
        if part is not None and not len(part):
            raise InputError(f"--data {cfg.data}: the {split} split has no examples")
    how = splits.by_group("group") if getattr(cfg, "group_column", None) else task.SPLIT
    held_out = []
    for split in ("test", "validation"):
        if split in found and found[split] is None:
            if len(found["train"]) < 3:
                raise InputError(f"--data {cfg.data}: {len(found['train'])} examples are too few to hold out {split}")
            seed = cfg.seed if split == "validation" else 0  # one test split for all seeds
            found["train"], found[split] = splits.hold_out(
                found["train"], how, fraction=cfg.validation_share, seed=seed
            )
            held_out.append(split)
    if not test:
        found.pop("test", None)  # held out all the same, so that the other splits stay as they are
    whole = {split: len(part) for split, part in found.items()}
    found = {split: examples.limit(part, cfg.limit, seed=cfg.seed) for split, part in found.items()}
    label = tasks.optional(task, "LABELS")
    unseen = examples.unseen(found, label) if label else None
    remark = f"--data {cfg.data}: {label} {unseen[1]!r} of {unseen[0]} is not in train" if unseen else ""
    if remark and not isinstance(next(iter(found["train"]))[label], list):
        raise InputError(remark)
    counts = [
        f"{len(part):,} {split}" + (f" of {whole[split]:,}" if len(part) < whole[split] else "")
        for split, part in found.items()
    ]
    note = f" ({' and '.join(held_out)} held out from train {how})" if held_out else ""
    say(f"data: {cfg.data}: {', '.join(counts)}{note}")
    if remark:
        say(f"  {remark}: no answer has it, so it counts as a mistake")
    return found


def _by_tensorflow(command: Callable[..., list[str]]) -> Callable:
    """Makes a method of `Run` ask the zoo command in a child process where Keras does not run on TensorFlow.

    Answers to raw input are made by TensorFlow operations. `command(run, ...)` gives the arguments; the child prints
    the result as JSON in its last line, and the lines before it are for the user.
    """

    def decorate(method: Callable) -> Callable:
        @functools.wraps(method)
        def call(run: "Run", *args: Any, **kwargs: Any) -> Any:
            if keras.config.backend() == "tensorflow":
                return method(run, *args, **kwargs)
            *lines, result = process.run(command(run, *args, **kwargs)).splitlines()
            for line in lines:
                say(line)
            return json.loads(result)

        return call

    return decorate


@dataclass
class Run:
    """A trained model with everything it needs to answer. `zoo.load(directory)` reads one from disk."""

    task: Task
    cfg: Any  # the task's own Config
    codec: Codec
    model: keras.Model
    directory: Path
    metrics: dict = field(default_factory=dict)  # metrics.json; empty for an unfinished run

    @classmethod
    def load(cls, directory: str | os.PathLike[str], *, precision: str | None = None) -> "Run":
        """The run in `directory`. Its model is built anew, so `precision` may differ from the training precision.

        Raises:
            InputError: not a run directory, an unfinished run, or files that do not belong together.
        """
        directory = Path(directory)
        task, cfg, origin = run_dir.read_config(directory)
        keras.config.set_dtype_policy(precision or cfg.precision)
        try:
            metrics = run_dir.read_metrics(directory, task)
            codec = run_dir.read_codec(directory, origin)
            model = task.model(cfg, codec)
            run_dir.load_weights(model, directory)
        except InputError:
            raise
        except run_dir.DAMAGED as error:
            raise InputError(f"{directory} is incomplete or damaged: {str(error).splitlines()[0]}") from error
        return cls(task, cfg, codec, model, directory, metrics)

    @property
    def name(self) -> str:
        """The name of the task."""
        return tasks.name_of(self.task)

    @cached_property
    def service(self) -> Service:
        """Answers raw input; the same service is exported."""
        return self.task.serve(self.cfg, self.codec, self.model)

    def predict(self, inputs: Iterable[Any], *, signature: str | None = None, batch: int = 64) -> list[dict]:
        """The answers to raw inputs, in order.

        Args:
            inputs: dicts with a signature's inputs (an example is one), or bare values where it has one input.
            signature: the one to ask; by default the first that an input fits.
            batch: inputs answered at a time; inputs of like length share a batch.
        Raises:
            InputError: one of them cannot be answered, such as a file that is not a picture.
        """
        if keras.config.backend() != "tensorflow":
            return self._predict_in_child(inputs, signature)
        return self.service.answer(inputs, signature=signature, batch=batch)

    def _predict_in_child(self, inputs: Iterable[Any], signature: str | None) -> list[dict]:
        lines = "".join(json.dumps(value, default=to_json) + "\n" for value in inputs)
        command = ["predict", str(self.directory), "--input-json", "-"]
        command += ["--signature", signature] if signature else []
        return [json.loads(line) for line in process.run(command, stdin=lines).splitlines()]

    @_by_tensorflow(
        lambda run, data=None, *, split="test": [
            *("evaluate", str(run.directory), "--split", split, "--json"),
            *(["--data", data] if data else []),
        ]
    )
    def evaluate(self, data: str | None = None, *, split: str = "test") -> dict[str, float]:
        """The task's metrics on a split of the run's own data, or of other data in the same form."""
        cfg = dataclasses.replace(self.cfg, data=data) if data else self.cfg
        found = load_splits(self.task, cfg)[split] if not data or split != "test" else self.task.examples(cfg, split)
        if found is None:
            raise InputError(f"--data {cfg.data} has no {split} split")
        return self.score(found) | self.model_metrics(found)

    def score(self, found: Examples) -> dict[str, float]:
        """The task's metrics of the run's own answers to `found`."""
        return self.task.score(self.cfg, self.codec, self.predict(found), found)

    def model_metrics(self, found: Examples) -> dict[str, float]:
        """The declared metrics of the model itself, with the true sequence as its input (teacher forcing)."""
        wanted = [metric.name for metric in self.task.METRICS if metric.of == "model"]
        if not wanted:
            return {}
        encoded = cache.encode(found, lambda batch: self.task.encode(self.cfg, self.codec, batch))
        plan = tasks.optional(self.task, "plan", batching.bucketed)
        batches = plan(self.cfg, encoded, seed=None)
        batches.weigh = losses.weighs(self.model.loss)
        kept = [keras.ops.convert_to_numpy(weight) for weight in self.model.non_trainable_weights]
        values = self.model.evaluate(batches.for_validation(), verbose=0, return_dict=True)
        for weight, value in zip(self.model.non_trainable_weights, kept, strict=True):
            weight.assign(value)  # a carried state has moved; evaluation leaves the model as it was
        return {name: values[name] for name in wanted}

    @_by_tensorflow(lambda run: ["evaluate", str(run.directory), "--report", "--json"])
    def report(self) -> dict[str, dict]:
        """Scores the test split beside a classical baseline; writes samples of answers, plots and artifacts.

        Returns:
            metrics, the strongest baseline, all baselines, and the seconds that evaluation took.
        """
        task, test = self.task, self.test
        say("evaluating on the test split")
        began = time.perf_counter()
        answers = self.predict(test)
        metrics = task.score(self.cfg, self.codec, answers, test) | self.model_metrics(test)
        evaluated = time.perf_counter()
        say("fitting the classical baseline")
        found = task.baseline(self.cfg, self.codec, self.data["train"] + self.data["validation"], test)
        methods = found if isinstance(found, list) else [found]
        spent = (time.perf_counter() - evaluated) / len(methods)
        others = [
            {
                "name": method.name,
                **(method.metrics or task.score(self.cfg, self.codec, method.answers, test)),
                "seconds": spent if method.seconds is None else method.seconds,
            }
            for method in methods
        ]
        (self.directory / "samples.md").write_text(samples(task, test, answers), encoding="utf-8")
        for name, make in tasks.artifacts(task).items():
            make(self, next(iter(test)), self.directory / "plots" / name)
        if draw := tasks.optional(task, "draw"):
            draw(self, answers, test)
        first = reported_first(task.METRICS, self.cfg.reported)[0]  # the strongest method stands beside the model
        best = (min if first.better == "min" else max)(others, key=lambda other: other[first.name])
        return {"metrics": metrics, "baseline": best, "baselines": others, "seconds": {"evaluate": evaluated - began}}

    @cached_property
    def data(self) -> dict[str, Examples]:
        """The run's own train, validation and test."""
        return load_splits(self.task, self.cfg)

    @property
    def test(self) -> Examples:
        return self.data["test"]

    def first_examples(self, count: int) -> list[dict]:
        return list(islice(self.test, count))

    def export(
        self, to: str | os.PathLike[str] = "saved_models", *, format: str = "saved_model", keep: int | None = None
    ) -> Path:
        """The next version under `to`/TASK, or under `to`/TASK-FORMAT, proven to answer as `predict` does.

        Args:
            format: "saved_model", or for small devices "litert" or "onnx".
            keep: versions that stay, the new one included; by default all.
        Returns:
            the folder of the version.
        """
        return Path(self._export(os.fspath(to), format, keep))

    @_by_tensorflow(
        lambda run, to, format, keep: [
            *("export", str(run.directory), "--to", to, "--format", format, "--json"),
            *(["--keep", str(keep)] if keep else []),
        ]
    )
    def _export(self, to: str, format: str, keep: int | None) -> str:
        # An export computes in float32, and so must the answers that it is compared with.
        run = self if self.cfg.precision == "float32" else Run.load(self.directory, precision="float32")
        if format == "saved_model":
            return str(publish.saved_model(run, Path(to) / self.name, keep=keep))
        return str(small_devices.publish(run, Path(to) / f"{self.name}-{format}", format, keep=keep))


def samples(task: Task, found: Iterable[dict], answers: Sequence[dict], *, count: int = 10) -> str:
    """A page of answers: the worst, and as many drawn evenly from the rest."""
    pairs = list(zip(found, answers, strict=True))
    order = sorted(range(len(pairs)), key=lambda i: task.quality(*pairs[i]))
    worst, rest = order[:count], order[count:]
    evenly = rest[:: max(len(rest) // count, 1)][:count]
    page = [f"# {tasks.name_of(task)}: answers to the test split\n"]
    for title, rows in (("The worst", worst), ("Drawn evenly from the rest", evenly)):
        page += [f"## {title}\n", *(f"- {task.show(*pairs[i])}" for i in rows), ""]
    return "\n".join(page)


def to_json(value: Any) -> Any:
    """For json.dumps: bytes as {"b64": …}, as TF Serving's REST interface has them; arrays and views as lists."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else list(value)


def from_json(value: dict) -> Any:
    """For json.loads(object_hook=…): the inverse of `to_json`."""
    return base64.b64decode(value["b64"]) if value.keys() == {"b64"} else value
