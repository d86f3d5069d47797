"""One device, several devices and several machines give the same numbers."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

# Trains a tiny run of a task on several logical CPUs, in a process of its own: TensorFlow settles its devices once.
TRAIN = """
import json, sys
task, devices, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
from tests.conftest import get_task, small
from zoo.data import batching
choose = batching.choose_buckets
batching.choose_buckets = lambda *args, replicas, **kwargs: choose(*args, replicas=2, **kwargs)  # the same batches
task = get_task(task)
exact = {"dropout": 0.0, "word_dropout": 0.0, "average_weights": 0.9, "epochs": 1}
task.train(task.config(**small(task, **exact)), run_dir=folder)
"""


def losses(task: str, devices: int, folder) -> dict[str, list[float]]:
    from zoo.task import read_history

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
