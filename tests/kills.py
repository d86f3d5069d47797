"""Trains a task in one go, and by chains of processes that are killed at random moments and resumed.

    python -m tests.kills TASK FOLDER KILLS SEED      # FOLDER/whole, and FOLDER/1, FOLDER/2 … equal to it

Every process is a fork, because importing TensorFlow takes longer than this training; nothing of it has run before.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import keras
import sklearn.pipeline  # noqa: F401  the baseline's, before the forks
import tensorflow as tf

from tests.conftest import small
from zoo import task as tasks
from zoo import trainer
from zoo.plots import learning
from zoo.training import checkpoints

IMPORTED = (keras.Model, tf.constant, checkpoints.State, learning.curve)  # they are imported when they are used


def start(work, die_in_save: int | None = None) -> int:
    """Forks a process that does `work`; it dies while it writes that checkpoint of its own."""
    pid = os.fork()
    if pid:
        return pid
    if die_in_save is not None:
        fsync, saves = os.fsync, iter(range(10**9))

        def sync_or_die(descriptor: int) -> None:
            if next(saves) == die_in_save:
                os.ftruncate(descriptor, random.randrange(os.fstat(descriptor).st_size))  # written in part
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(descriptor)

        os.fsync = sync_or_die
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)


def main(name: str, folder: Path, kills: int, seed: int) -> None:
    random.seed(seed)
    task = tasks.get(name)
    cfg = task.Config(**small(task, checkpoint_seconds=0.0))
    began = time.monotonic()
    assert os.waitpid(start(lambda: trainer.train(task, cfg, directory=folder / "whole")), 0)[1] == 0
    whole = time.monotonic() - began

    def go_on(run_dir: Path) -> None:
        if (run_dir / "config.toml").exists():
            trainer.resume(task, run_dir)
        else:
            trainer.train(task, cfg, directory=run_dir)

    moments = {"at a random moment": 0, "while writing a checkpoint": 0}
    chain = 1
    while True:
        last = sum(moments.values()) == kills
        in_save = random.randrange(8) if sum(moments.values()) % 4 == 3 else None
        pid = start(lambda: go_on(folder / str(chain)), None if last else in_save)  # noqa: B023
        if in_save is None and not last:
            time.sleep(random.uniform(0, whole))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if status == signal.SIGKILL:
            moments["at a random moment" if in_save is None else "while writing a checkpoint"] += 1
        else:
            assert status == 0
        chain += (folder / str(chain) / "metrics.json").exists()  # also when it was killed after its last write
        if last:
            break
    print(", ".join(f"{count} killed {moment}" for moment, count in moments.items()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
