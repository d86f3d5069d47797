"""One device, several devices and several machines give the same numbers."""

import json
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import SAMPLED, TASKS
from zoo.data import batching
from zoo.training import devices

# Trains a tiny run of a task on several logical CPUs, in a process of its own: TensorFlow settles its devices once.
TRAIN = """
import json, sys
task, devices, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
from tests.conftest import small
from zoo import task as tasks
from zoo import trainer
from zoo.data import batching
choose = batching.choose_buckets
batching.choose_buckets = lambda *args, replicas, **kwargs: choose(*args, replicas=2, **kwargs)  # the same batches
task = tasks.get(task)
exact = {"dropout": 0.0, "word_dropout": 0.0, "average_weights": 0.9, "epochs": 1}
trainer.train(task, task.Config(**small(task, **exact)), directory=folder)
"""


def losses(task: str, devices: int, folder) -> dict[str, list[float]]:
    from zoo.run_dir import read_history

    done = subprocess.run(
        [sys.executable, "-c", TRAIN, task, str(devices), str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    history = read_history(folder)
    record = json.loads((folder / "metrics.json").read_text())
    return {**history, "replicas": [record["replicas"]]}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sentiment", "pos_tagging"])
def test_two_devices_train_as_one_does(task, tmp_path):
    one, two = losses(task, 1, tmp_path / "one"), losses(task, 2, tmp_path / "two")
    assert (one.pop("replicas"), two.pop("replicas")) == ([1], [2])
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=2e-4, atol=1e-5, err_msg=name)


# Trains by the command line, in one process or as one of two.
TOGETHER = """
import sys
from tests.conftest import small_flags
from zoo import cli
from zoo import task as tasks
from zoo.data import batching
choose = batching.choose_buckets
batching.choose_buckets = lambda *args, replicas=1, **kwargs: choose(*args, replicas=2, **kwargs)  # the same batches
task, folder, *coordinates = sys.argv[1:]
exact = ["--dropout", "0", "--wide", "none", "--epochs", "2", "--run-dir", folder, "--export-dir", folder + "-exports"]
raise SystemExit(cli.main([*small_flags(tasks.get(task)), *exact, *coordinates], task=task))
"""


def train_together(processes: int, folder) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = []
    for process in range(processes):
        several = ["--coordinator", address, "--num-processes", str(processes), "--process-id", str(process)]
        command = [sys.executable, "-c", TOGETHER, "sentiment", str(folder), *(several if processes > 1 else [])]
        environment = os.environ | {"KERAS_BACKEND": "jax"}
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    for process in started:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said[-3000:]


@pytest.mark.slow
def test_two_processes_train_as_one_does_and_what_jax_trained_is_served(tmp_path):
    """On JAX; the first process alone writes, evaluates and exports, which proves that a server's loader answers."""
    from zoo.run_dir import read_history

    train_together(1, tmp_path / "one")
    train_together(2, tmp_path / "two")
    one, two = read_history(tmp_path / "one"), read_history(tmp_path / "two")
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=2e-4, atol=1e-5, err_msg=name)
    record = json.loads((tmp_path / "two" / "metrics.json").read_text())
    assert (record["backend"], record["replicas"]) == ("jax", 2)
    assert (tmp_path / "two-exports" / "sentiment" / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize(("threads", "said"), [(1, "(x86, 1 thread)"), (2, "(x86, 2 threads)")])
def test_one_thread_is_singular(threads, said):
    device = devices.Device("CPU", "x86", threads, "tensorflow", "float32", replicas=1, recurrence="fast")
    assert said in str(device)


def test_loops_are_compiled_where_that_pays():
    def compiled(jit, *, epochs):
        short, long = (batching.Batch(np.arange(2), (length,)) for length in (10, 90))
        return devices.compiles_loops(jit, [short, long, short, long], epochs)

    assert [compiled("auto", epochs=epochs) for epochs in (99, 100)] == [False, True], "10,000 steps for each shape"
    assert not compiled("off", epochs=1000)
    assert compiled("on", epochs=1)
    described = devices.describe("float32", compiled=True).recurrence
    assert described == "fast (on a CPU in float32), compiled with XLA in training"


@pytest.mark.slow
def test_slurm_says_who_is_there():
    """`--coordinator auto` with the variables that Slurm sets for each task of a step."""
    program = "from zoo.training import devices; devices.join('auto', None, None); print(devices.share())"
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    environment = os.environ | job | {"KERAS_BACKEND": "jax", "SLURM_STEP_NUM_NODES": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env=environment | {"SLURM_PROCID": str(task), "SLURM_LOCALID": str(task)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for task in range(2)
    ]  # fmt: skip
    for task, process in enumerate(started):
        said, error = process.communicate(timeout=300)
        assert said.splitlines()[-1:] == [f"({task}, 2)"], error[-3000:]


def test_several_machines_take_jax(fails):
    assert "keras/issues/20585" in fails("--coordinator", "127.0.0.1:1", "--num-processes", "2", "--process-id", "0")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([*SAMPLED["tests"], "translation"], marks=pytest.mark.slow, id="some"),
        pytest.param(TASKS, marks=pytest.mark.sweep, id="all"),
    ],
)
def test_the_laws_hold_on_jax_too(names):
    """The laws of training and of models, and the LSTM of GPUs; TensorFlow makes all answers."""
    laws = ["padding_never", "neighbours_never_change_an_output", "gets_a_gradient", "memorised", "keras_file"]
    asked = f"(({' or '.join(laws)}) and ({' or '.join(names)})) or cudnn"
    files = ["tests/laws", "tests/layers/test_recurrent_jax.py"]
    command = [sys.executable, "-m", "pytest", *files, "-m", "slow or not slow", "-k", asked]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout[-300:]
    assert int(passed[1]) > len(laws) * len(names), "each of these tasks is asked every law"
