"""The check of accelerators finds what differs; here on the CPU against itself."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import gpu_check


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_cpu_equals_itself(backend, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    command = [sys.executable, "-m", "benchmarks.gpu_check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "no accelerator" in done.stdout
    done = subprocess.run([*command, "--without", "--only", "sentiment"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "| sentiment | 0.0e+00 |" in done.stdout
    assert "no cuDNN" in done.stdout


def test_a_difference_is_found(tmp_path, capsys):
    for side in ("cpu", "other"):
        (tmp_path / side).mkdir()
        good = {name: np.full(20, 2.0) for name in ("outputs", "gradients", "training", *gpu_check.HALF)}
        np.savez(tmp_path / side / "task.npz", **good | ({"gradients": np.full(20, 2.1)} if side == "other" else {}))
    assert gpu_check.compare(tmp_path / "cpu", tmp_path / "cpu") == 0
    assert gpu_check.compare(tmp_path / "cpu", tmp_path / "other") == 1
    assert "5.0e-02 **> 0.01**" in capsys.readouterr().out
