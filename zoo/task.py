"""The parts of a task module, and `get(name)`, which finds a task and reports parts that are missing or misspelt."""

import ast
import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from zoo import tasks
from zoo.errors import InputError, did_you_mean
from zoo.options import Training


class Task(Protocol):
    """One use of a sequence model: a module in `zoo/tasks/`, whose functions the runner finds by name.

    `cfg` is the task's Config; `codec` holds everything learned from the training data except the weights.
    """

    __name__: str

    Config: type[Training]  # a frozen dataclass of option groups
    METRICS: Sequence[Any]  # zoo.metrics.Metric, in order of importance; the first one is reported, or `reported`
    SPLIT: Any  # zoo.data.splits.Split: how a missing split is held out from train
    examples: Callable  # (cfg, split) → re-iterable of raw dicts, or None where the source has no such split
    codec: Callable  # (cfg, train) → zoo.data.codec.Codec
    encode: Callable  # (cfg, codec, batch of tensors) → x, y: ragged, not padded
    model: Callable  # (cfg, codec) → a compiled Functional keras.Model
    serve: Callable  # (cfg, codec, model) → zoo.answers.service.Service: raw input → answer, in graph
    score: Callable  # (cfg, codec, answers, examples) → metrics by name
    baseline: Callable  # (cfg, codec, train with validation, test) → zoo.baselines.Baseline
    quality: Callable  # (example, answer) → 0.0 (wrong) to 1.0 (right); samples are picked by it
    show: Callable  # (example, answer) → one line for people, with the truth where the example has it


REQUIRED = tuple(name for name in Task.__annotations__ if not name.startswith("_"))
OPTIONAL = {
    "LABELS": "key of an example's label or list of labels; those that train lacks are reported",
    "ARTIFACTS": "file name → (run, question, path): pictures, sounds … of one answer",
    "draw": "(run, answers, examples) → writes plots and tables of a whole split into the run's directory",
    "questions": "(cfg, codec, path) → questions, for a task whose input is a file, as `zoo predict` reads it",
    "rows": "(cfg, question, answer) → rows of a table, for a task whose answer does not fit into one row",
    "folds": "(cfg, count) → Configs whose test splits follow one another, for `zoo evaluate RUN_DIR --backtest`",
    "start": "(cfg, model) → sets weights before training; says where they came from, layer → origin",
    "plan": "(cfg, cache, *, seed, replicas, share, longest) → zoo.data.batching.Planned; else buckets by length",
    "watch": "(run, validation examples) → callbacks of the task's own",
    "finish": "(run, validation examples) → results for metrics.json; chooses what training does not learn",
}


def optional(task: Task, name: str, default: Any = None) -> Any:
    """An optional part of a task, or `default` where the task has none."""
    assert name in OPTIONAL
    return getattr(task, name, default)


def artifacts(task: Task) -> Mapping[str, Callable]:
    """File name → function that makes this artifact of one answer."""
    return optional(task, "ARTIFACTS", {})


def name_of(task: Task) -> str:
    return task.__name__.rpartition(".")[2]


def summaries() -> dict[str, str]:
    """Task name → first line of its module's docstring, read from the source: nothing is run."""
    found = {}
    for module in pkgutil.iter_modules(tasks.__path__):
        spec = importlib.util.find_spec(f"zoo.tasks.{module.name}")
        if not module.name.startswith("_") and spec and spec.origin:
            docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
            found[module.name] = docstring.split("\n", 1)[0]
    return found


def get(name: str) -> Task:
    """The task called `name`.

    Raises:
        InputError: there is no such task, or its module lacks or misspells a part.
    """
    known = [module.name for module in pkgutil.iter_modules(tasks.__path__) if not module.name.startswith("_")]
    if name not in known:
        raise InputError(f"unknown task {name!r}{did_you_mean(name, known)}; the tasks are {', '.join(known)}")
    module = importlib.import_module(f"zoo.tasks.{name}")
    check(module)
    return cast(Task, module)


def check(module: types.ModuleType) -> None:
    """Raises InputError unless the module has all that a task needs, spelt right."""
    own = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and not inspect.ismodule(value) and _defined_in(value, module)
    ]
    extra = [key for key in own if key not in REQUIRED and key not in OPTIONAL]
    where = f"{module.__name__}"
    for part in REQUIRED:
        if not hasattr(module, part):
            raise InputError(f"{where} has no {part!r}{did_you_mean(part, extra)}; zoo/task.py lists the parts")
    for part in OPTIONAL:
        close = difflib.get_close_matches(part, extra, n=1, cutoff=0.8)
        if close and not hasattr(module, part):
            raise InputError(f"{where} has {close[0]!r}, which is not a part of a task; did you mean {part!r}?")


def _defined_in(value: Any, module: types.ModuleType) -> bool:
    return getattr(value, "__module__", module.__name__) == module.__name__
