"""Every task of the zoo, trained once on a handful of its sample: what the contract asks its questions of."""

import importlib
from dataclasses import dataclass, fields
from pathlib import Path

import keras
import pytest

from zoo import cli
from zoo.__main__ import summaries
from zoo.task import Run, Task

TASKS = list(summaries())
SEARCHING = ("translation", "captioning")  # tracing their search takes minutes: `make slow` asks them
SMALL = {
    "units": 8,
    "embedding": 8,
    "character_features": 12,
    "limit": 48,
    "epochs": 2,
    "batch_tokens": 256,
    "shapes": 3,
    "dropout": 0.1,
}


def small(task: Task, **changes) -> dict:
    """The options that make a task's run a matter of seconds, and `changes`, as far as the task has them."""
    known = {entry.name for entry in fields(task.config)}
    if task.watch and keras.config.backend() != "tensorflow":
        changes = {"monitor": "val_perplexity", **changes}  # the other backends do not search while they train
    return {name: value for name, value in {**SMALL, **changes}.items() if name in known}


def small_flags(task: Task) -> list[str]:
    return [word for name, value in small(task).items() for word in (f"--{name.replace('_', '-')}", str(value))]


def get_task(name: str) -> Task:
    return importlib.import_module(f"zoo.tasks.{name}").TASK


def pytest_collection_modifyitems(items) -> None:
    """For two processes: what shares a trained task or a file runs in one of them."""
    for item in items:
        task = item.callspec.params.get("trained") if hasattr(item, "callspec") else None
        item.add_marker(pytest.mark.xdist_group(task or item.module.__name__))
        if task in SEARCHING:
            item.add_marker(pytest.mark.slow)


@dataclass
class Trained:
    task: Task
    run: Run
    version: Path  # of the SavedModel
    printed: str


@pytest.fixture(scope="session", params=TASKS)
def trained(request, tmp_path_factory) -> Trained:
    """One run by the command line: trained, evaluated, exported."""
    task = get_task(request.param)
    folder = tmp_path_factory.mktemp(task.name)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    if keras.config.backend() != "tensorflow":  # what it serves is asked on TensorFlow
        with capture.global_and_fixture_disabled(), Printed() as printed:
            run = task.train(task.config(**small(task)), run_dir=folder / "run")
        return Trained(task, run, folder, printed.text)
    arguments = ["--run-dir", str(folder / "run"), "--export-dir", str(folder / "saved_models"), *small_flags(task)]
    with capture.global_and_fixture_disabled(), Printed() as printed:
        assert cli.main(task, arguments) == 0
    return Trained(task, Run.load(folder / "run"), folder / "saved_models" / task.name / "1", printed.text)


class Printed:
    """Collects what is printed."""

    def __enter__(self) -> "Printed":
        import contextlib
        import io

        self._buffer = io.StringIO()
        self._redirect = contextlib.redirect_stdout(self._buffer)
        self._redirect.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._redirect.__exit__(*error)
        self.text = self._buffer.getvalue()


@pytest.fixture
def fails(capsys, tmp_path, monkeypatch):
    """Runs a command that must fail in an empty directory; gives the line that it prints."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert cli.main(get_task("sentiment"), arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return error

    return run
