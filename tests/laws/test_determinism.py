"""The same data and the same run give the same answers, whatever the machine does beside them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import TASKS
from tests.laws.conftest import assert_same_answer
from zoo import task as tasks


@pytest.mark.parametrize("name", TASKS)
def test_the_sample_is_the_same_every_time(name):
    task = tasks.get(name)
    for split in ("train", "test"):
        for one, same in zip(task.examples(task.Config(), split), task.examples(task.Config(), split), strict=True):
            assert one.keys() == same.keys()
            for key, value in one.items():
                np.testing.assert_array_equal(value, same[key])  # NaN equals NaN here


@pytest.mark.slow
def test_answers_are_the_same_on_one_thread_and_on_two(trained):
    """In processes of their own, because a process has one number of threads."""
    program = (
        "import json, sys, zoo; run = zoo.load(sys.argv[1]); from itertools import islice; "
        "print(json.dumps(run.predict(islice(run.test, 20))))"
    )
    answers = []
    for threads in "12":
        limits = {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
        command = [sys.executable, "-c", program, str(trained.run.directory)]
        done = subprocess.run(command, env=os.environ | limits, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        answers.append(json.loads(done.stdout.splitlines()[-1]))
    assert len(answers[0]) == min(len(trained.run.test), 20)
    for one, other in zip(*answers, strict=True):
        assert_same_answer(one, other)
