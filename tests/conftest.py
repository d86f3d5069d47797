"""Every task of the zoo, trained once on a handful of its sample; tests/laws/ asks each of them the same questions.

A task's sizes for tests, a valid data folder and a bad file stand in tests/tasks/TASK.py.
"""

import contextlib
import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import keras
import pytest
from xdist.scheduler import LoadScopeScheduling

from zoo import cli, trainer
from zoo import task as tasks
from zoo.run import Run
from zoo.task import Task

TASKS = list(tasks.summaries())
SAMPLED = {  # tests of a trained run → the tasks that the fast tests ask, however many there are; `make slow` asks all
    "tests": ("forecasting", "intents", "language_model", "sentiment"),  # one of each family
    "tests.export": ("sentiment",),  # each export is compared with `predict` when it is made
    "tests.test_resume": ("sentiment", "language_model"),  # batches by length, and a state that is carried
}
DESCRIPTION = {
    "TINY": "options that make a run a matter of seconds",
    "SLOW_SEARCH": "True where tracing the search for answers takes minutes, so that only `make slow` asks the task",
    "BAD": "file name, its text, and words of the error that the text must cause",
    "write_good": "(folder) → writes a small valid data set",
}


def description(name: str) -> ModuleType:
    """tests/tasks/NAME.py.

    Raises:
        pytest.UsageError: there is no such file, or it lacks a part.
    """
    path = Path(__file__).parent / "tasks" / f"{name}.py"
    parts = "; ".join(f"{part}: {meaning}" for part, meaning in DESCRIPTION.items())
    if not path.is_file():
        raise pytest.UsageError(f"zoo/tasks/{name}.py needs tests/tasks/{name}.py with {parts}")
    module = importlib.import_module(f"tests.tasks.{name}")
    for part in DESCRIPTION:
        if not hasattr(module, part):
            raise pytest.UsageError(f"tests/tasks/{name}.py has no {part}; it needs {parts}")
    return module


def small(task: Task, **changes) -> dict:
    """The options of a run that takes seconds, with `changes`."""
    about = description(tasks.name_of(task))
    if keras.config.backend() != "tensorflow":
        changes = {**getattr(about, "WITHOUT_SEARCH", {}), **changes}
    return {**about.TINY, **changes}


def small_flags(task: Task) -> list[str]:
    """The same as words of the command line."""
    return [word for name, value in small(task).items() for word in (f"--{name.replace('_', '-')}", str(value))]


def pytest_configure() -> None:
    for name in TASKS:
        description(name)


def pytest_collection_modifyitems(items) -> None:
    for item in items:
        task = item.callspec.params.get("trained") if hasattr(item, "callspec") else None
        sampled = any(item.module.__name__.startswith(name) and task not in asked for name, asked in SAMPLED.items())
        if task and (sampled or description(task).SLOW_SEARCH):
            item.add_marker(pytest.mark.slow)


class ByTask(LoadScopeScheduling):
    """For two processes: tests that share a trained task run in one of them, and so do those of one file.

    `--dist loadgroup` would do the same, but pytest-xdist 3.8 cannot mark the groups under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        asked = name.partition("[")[2].removesuffix("]").split("-")
        return next((task for task in TASKS if task in asked), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log) -> ByTask:
    return ByTask(config, log)


@dataclass
class Trained:
    task: Task
    run: Run
    version: Path  # of the SavedModel
    printed: str

    @property
    def name(self) -> str:
        return tasks.name_of(self.task)


@pytest.fixture(scope="session", params=TASKS)
def trained(request, tmp_path_factory) -> Trained:
    """One run by the command line: trained, evaluated, exported."""
    name = request.param
    task = tasks.get(name)
    folder = tmp_path_factory.mktemp(name)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    printed = io.StringIO()
    with capture.global_and_fixture_disabled(), contextlib.redirect_stdout(printed):
        if keras.config.backend() != "tensorflow":  # only TensorFlow makes and exports answers
            run = trainer.train(task, task.Config(**small(task)), directory=folder / "run")
            return Trained(task, run, folder, printed.getvalue())
        places = ["--run-dir", str(folder / "run"), "--export-dir", str(folder / "saved_models")]
        assert cli.main([*places, *small_flags(task)], task=name) == 0
    return Trained(task, Run.load(folder / "run"), folder / "saved_models" / name / "1", printed.getvalue())


@pytest.fixture
def fails(capsys, tmp_path, monkeypatch):
    """Runs a command that must fail in a directory of its own; gives the line that it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, task: str | None = "sentiment") -> str:
        before = sorted(tmp_path.rglob("*"))
        assert cli.main(arguments, task=task) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return run
