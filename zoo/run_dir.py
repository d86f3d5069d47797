"""The files of a run: written once, checked when read.

config.toml    the options, a recipe too; its first lines say which task, recipe, command and commit
codec/         everything learned from the training data except the weights
model.keras    the trained model, without the optimizer
history.csv, data.json, plots/, samples.md, tensorboard/
checkpoints/   for --resume; removed when the run is finished
metrics.json   the record of the finished run; its presence says that the run is finished
"""

from __future__ import annotations  # keras in them is not loaded for --help

import csv
import json
import os
import shutil
import subprocess
import tomllib
import warnings
import zipfile
from itertools import takewhile
from pathlib import Path
from typing import Any

import keras
import tomli_w

from zoo import task as tasks
from zoo.data import atomic, cache
from zoo.data import codec as codecs
from zoo.errors import InputError
from zoo.export import publish
from zoo.options import Training
from zoo.task import Task

FORMAT = 2  # of a run directory
LAST_LINE = "# end"  # of config.toml: options cut off at the end of the file would silently take their defaults

DAMAGED = (OSError, ValueError, KeyError, AttributeError, UserWarning, zipfile.BadZipFile)


def new(task_name: str, run_dir: str | os.PathLike[str] | None) -> Path:
    """A path for a new run: `run_dir`, or the next number under runs/TASK.

    Raises:
        InputError: `run_dir` exists and is not empty.
    """
    parent = Path("runs") / task_name
    directory = Path(run_dir) if run_dir else parent / str(publish.next_number(parent))
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory} exists and is not empty; --run-dir names another, --resume continues a run")
    return directory


def make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {directory}: {error.strerror}; --run-dir names another") from error


def begin(directory: Path, task: Task, cfg: Training, codec: codecs.Codec, origin: dict[str, Any]) -> None:
    """Writes the codec and the configuration; from here on the run can be resumed."""
    codec.save(directory / "codec")
    head = {"task": tasks.name_of(task), "format": FORMAT, **origin, "codec": cache.checksum(directory / "codec")}
    comments = "".join(f"# {line}\n" for line in tomli_w.dumps(head).splitlines())
    atomic.write(directory / "config.toml", f"{comments}{cfg.to_toml()}{LAST_LINE}\n")


def read_origin(directory: Path) -> tuple[Task, dict[str, Any]]:
    """The task of a run, and its origin: recipe, command, commit, checksum of the codec. Loads no TensorFlow.

    Raises:
        InputError: not a run directory, or one of another version of the zoo.
    """
    path = directory / "config.toml"
    if not path.is_file():
        what = "it has no config.toml" if directory.is_dir() else "there is no such directory"
        raise InputError(f"{directory} is not a run directory: {what}; training prints the directory of its run")
    try:
        lines = path.read_text(encoding="utf-8").rstrip().split("\n")
        head = takewhile(lambda line: line.startswith("# "), lines)
        origin = tomllib.loads("\n".join(line.removeprefix("# ") for line in head))
        name = origin["task"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged: its first lines must name the task, as in # task = NAME") from error
    task = tasks.get(str(name))
    if origin.get("format") != FORMAT:
        raise InputError(
            f"{directory} was written by another version of the zoo (format {origin.get('format')}, this version reads "
            f"{FORMAT}); train again, with --recipe {path}"
        )
    if lines[-1] != LAST_LINE:
        raise InputError(f"{path} is cut short: its last line is not {LAST_LINE!r}")
    return task, origin


def read_config(directory: Path) -> tuple[Task, Training, dict[str, Any]]:
    """As `read_origin`, with the options of the run."""
    task, origin = read_origin(directory)
    return task, task.Config.from_toml(directory / "config.toml"), origin


def read_codec(directory: Path, origin: dict[str, Any]) -> codecs.Codec:
    folder = directory / "codec"
    if not folder.is_dir() or cache.checksum(folder) != origin["codec"]:
        raise InputError(
            f"{folder} is not the codec that {directory} was trained with: a file has changed or is missing"
        )
    return codecs.Codec.load(folder)


def read_metrics(directory: Path, task: Task) -> dict[str, Any]:
    """metrics.json; empty for a run that was trained and not evaluated.

    Raises:
        InputError: the run is not trained yet.
    """
    finished = directory / "metrics.json"
    if finished.is_file():
        return json.loads(finished.read_text(encoding="utf-8"))
    how = f"{directory} is not finished; continue with: python -m zoo.tasks.{tasks.name_of(task)} --resume {directory}"
    if not (directory / "model.keras").is_file():
        raise InputError(how)
    return {}


def is_finished(directory: Path) -> bool:
    return (directory / "metrics.json").is_file()


def finish(directory: Path, record: dict[str, Any]) -> None:
    """Writes the record of a finished run and removes its checkpoints."""
    atomic.write(directory / "metrics.json", json.dumps(record, indent=2) + "\n")
    shutil.rmtree(directory / "checkpoints", ignore_errors=True)


def save_model(model: keras.Model, directory: Path) -> None:
    temporary = directory / "writing.keras"
    _without_optimizer(model).save(temporary)
    temporary.replace(directory / "model.keras")


def load_weights(model: keras.Model, directory: Path) -> None:
    with warnings.catch_warnings(category=UserWarning, action="error"):  # Keras only warns of weights it does not find
        _without_optimizer(model).load_weights(directory / "model.keras")


def _without_optimizer(model: keras.Model) -> keras.Model:
    """The same layers and weights, not compiled: an optimizer's state is twice the size of the weights."""
    return keras.Model(model.input, model.output, name=model.name)


def read_history(directory: Path) -> dict[str, list[float]]:
    """history.csv by column.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = directory / "history.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is incomplete or damaged: {error}") from error


def commit() -> str:
    """The commit of the checkout that the zoo runs from, with a + where files differ from it; "" without a checkout."""
    git = shutil.which("git")
    if not git:
        return ""
    here = Path(__file__).parent

    def ask(*words: str) -> str:
        return subprocess.run([git, "-C", str(here), *words], capture_output=True, text=True).stdout.strip()

    found = ask("rev-parse", "--short=12", "HEAD")
    return found + ("+" if ask("status", "--porcelain", "--untracked-files=no", ".") else "")


def rounded(value: Any) -> Any:
    """Floats with six significant digits, all the way down, because people read a record; NaN is null in JSON."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if value == value else None
