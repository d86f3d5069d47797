"""Training runs in processes of their own, below one folder. A folder that was left, or killed, can be gone on with.

    with children.folder(DIR, how="zoo compare …") as lock:
        child = children.Child(task, cfg, DIR / "1", until="test", lock=lock)
        child.wait()

A process for each run gives its memory back, and a run that fails leaves the others alone. DIR/1 is the run directory,
DIR/1.toml has its options, and DIR/1.log the lines that it printed.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo import run_dir
from zoo import task as tasks
from zoo.data import atomic, locks
from zoo.errors import InputError
from zoo.options import Training
from zoo.task import Task

PROGRAM = (sys.executable, "-m", "zoo")
PAUSE = 0.1  # seconds between two looks at a process
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl.h


class Child:
    """A process that trains one run: it begins it, or goes on from the last checkpoint.

    Args:
        task, cfg: what to train.
        directory: the run directory; beside it are files of the same name with .toml and .log.
        until: "validation" leaves the test split unread, "test" scores it.
        lock: the descriptor of the folder's lock, which the process holds until it ends.
        cores: the CPU cores to compute on; None: all.
    """

    def __init__(
        self, task: Task, cfg: Training, directory: Path, *, until: str, lock: int, cores: Sequence[int] | None = None
    ):
        self.directory, self.log = directory, directory.with_name(f"{directory.name}.log")
        recipe = directory.with_name(f"{directory.name}.toml")
        self._process = None
        if self.finished or self.diverged:
            return
        if begun(directory):
            how = ["--resume", directory]
        else:
            shutil.rmtree(directory, ignore_errors=True)  # killed while it made its first files
            directory.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(recipe, cfg.to_toml())
            how = ["--recipe", recipe, "--run-dir", directory]
        words = [*PROGRAM, "train", tasks.name_of(task), *map(str, how), "--until", until]
        posix: dict[str, Any] = {}
        if os.name == "posix":
            posix = {"pass_fds": [lock], "preexec_fn": lambda: _prepare(cores)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **posix
            )

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        while self.running():
            time.sleep(PAUSE)

    def stop(self) -> None:
        """Has the process save a checkpoint and end."""
        if self._process is not None and self.running():
            self._process.terminate()
            self._process.wait()

    @property
    def finished(self) -> bool:
        return run_dir.is_finished(self.directory)

    @property
    def diverged(self) -> bool:
        """Whether the run ended because its loss was NaN or infinite."""
        return (self.directory / "diverged.json").exists()

    def error(self) -> str:
        """The last line that the process printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{self.log}: {lines[-1].removeprefix('error: ') if lines else 'the process was killed'}"

    def metrics(self) -> dict[str, Any]:
        """metrics.json of the finished run."""
        return json.loads((self.directory / "metrics.json").read_text(encoding="utf-8"))


def read_question(directory: Path, kind: str, task: Task) -> dict[str, Any]:
    """`directory`/KIND.json, the question of a comparison or a search.

    Raises:
        InputError: there is no such file, or it is about another task.
    """
    path = directory / f"{kind}.json"
    try:
        asked = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{directory} cannot be resumed: it has no readable {path.name}") from None
    if asked["task"] != tasks.name_of(task):
        raise InputError(f"{directory} is about {asked['task']}, not {tasks.name_of(task)}")
    return asked


def begun(directory: Path) -> bool:
    """Whether a run can be resumed."""
    return (directory / "config.toml").exists()


def _prepare(cores: Sequence[int] | None) -> None:
    """Runs in the child before its program: it is asked to stop when the parent dies, and keeps to its cores."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGTERM)
        if cores:
            os.sched_setaffinity(0, cores)


def new_folder(task: Task, kind: str, given: str | None) -> Path:
    """The folder of a new comparison or search: `given`, or the next runs/TASK/KIND-N.

    Raises:
        InputError: it exists and is not empty.
    """
    if given:
        return run_dir.new(tasks.name_of(task), given)
    number = 1
    while (path := Path("runs") / tasks.name_of(task) / f"{kind}-{number}").exists():
        number += 1
    return path


@contextlib.contextmanager
def folder(directory: Path, *, how: str) -> Iterator[int]:
    """Locks the folder of a comparison or a search; gives the lock's descriptor. SIGTERM stops it as Ctrl-C does.

    A folder in which no run has begun is removed if an error ends the block.

    Args:
        how: the command that goes on with it; an interruption prints it.
    """
    run_dir.make(directory)

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        waiting = f"waiting for a process that still trains in {directory}"
        with locks.locked(directory / "lock", waiting=waiting) as lock:
            yield lock
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; continue with: {how}") from None
    except InputError as error:
        if next(directory.rglob("config.toml"), None):
            raise InputError(f"{error}; continue with: {how}") from None
        _remove(directory)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _remove(directory: Path) -> None:
    """Removes a folder, and the folders above it that are empty then."""
    shutil.rmtree(directory)
    with contextlib.suppress(OSError):
        for parent in directory.parents:
            parent.rmdir()
