"""An interruption costs nothing but its time."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import TASKS, Trained, description
from zoo import trainer
from zoo.run import Run
from zoo.training import callbacks, checkpoints

KILLS = 20  # of all tasks together, but at least 5 of each
KILLED = [name for name in TASKS if not description(name).SLOW_SEARCH]  # the others take minutes to evaluate


def ends_as(run: Run, other: Run) -> None:
    """Bit for bit: weights as they were saved, metrics, history."""
    saved, expected_ones = (Run.load(each.directory).model.get_weights() for each in (run, other))
    for weight, expected in zip(saved, expected_ones, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert run.metrics["metrics"] == other.metrics["metrics"]
    assert (run.directory / "history.csv").read_text() == (other.directory / "history.csv").read_text()


def test_a_run_that_is_told_to_stop_goes_on_to_the_same_end(trained: Trained, tmp_path, monkeypatch, capsys):
    """It also holds that the same seed gives the same metrics."""
    begin = callbacks.Progress.on_train_batch_begin

    def told_to_stop(self, batch, logs=None):
        begin(self, batch, logs)
        if batch == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Progress, "on_train_batch_begin", told_to_stop)
        with pytest.raises(checkpoints.Interrupted, match=f"--resume {tmp_path / 'again'}"):
            trainer.train(trained.task, trained.run.cfg, directory=tmp_path / "again")
    assert max(path.name for path in (tmp_path / "again" / "checkpoints").iterdir()) == "0000-00000002.npz"
    run = trainer.resume(trained.task, tmp_path / "again")
    assert "epoch 1, 2 steps done" in capsys.readouterr().out
    ends_as(run, trained.run)
    assert not (tmp_path / "again" / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", KILLED)
def test_kills_change_nothing(name, tmp_path):
    command = [sys.executable, "-m", "tests.kills", name, str(tmp_path), str(max(5, KILLS // len(KILLED))), "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout.splitlines()[-1])
    runs = [Run.load(path) for path in sorted(tmp_path.iterdir())]
    assert len(runs) > 1
    for run in runs:
        ends_as(run, runs[-1])
