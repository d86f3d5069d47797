"""Data of any size fits: it is read and encoded as a stream, and what is kept of it is mapped from disk."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("task", "rows"), [("sentiment", 1000), ("translation", 5000)])
def test_ten_times_the_data_takes_no_more_memory(task, rows, tmp_path, capsys):
    peak = []
    for count in (rows, 10 * rows):
        command = [sys.executable, "-m", "tests.memory", task, str(tmp_path / str(count)), str(count)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        peak.append(float(done.stdout.splitlines()[-1]))
    with capsys.disabled():
        print(f"\n{task}: {rows:,} examples {peak[0]:,.0f} MB, ten times as many {peak[1]:,.0f} MB")
    assert peak[1] < 1.15 * peak[0]
