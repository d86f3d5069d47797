"""`zoo search`: spaces, trials that outlive kills, and validation alone."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import small_flags
from tests.test_comparison import write_data
from zoo import cli, hyperparameters
from zoo import task as tasks
from zoo.hyperparameters import Dimension

SENTIMENT = tasks.get("sentiment")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--space is missing"),
        (["--space", "nothing=1,2"], "unknown option 'nothing'"),
        (["--space", "units"], "expected NAME=A,B,C or NAME=LOW..HIGH"),
        (["--space", "cell=lsmt,gru"], "did you mean 'lstm'?"),
        (["--space", "units=64..x"], "units is 'x': expected int"),
        (["--space", "units=64..32"], "expected LOW below HIGH"),
        (["--space", "units=8..32:lgo"], "expected LOW below HIGH"),
        (["--space", "units=8..32:1.5"], "expected LOW below HIGH"),
        (["--space", "limit=none..32"], "expected LOW below HIGH"),
        (["--space", "dropout=0..0.5:log"], "LOW above 0"),
        (["--space", "dropout=0..2"], "dropout is 2.0: expected 0 to 0.95"),
        (["--space", "units=4,8", "--space", "units=16,32"], "units: given twice"),
        (["--space", "dropout=0..0.5", "--sampler", "grid"], "dropout needs a list of values"),
        (["--space", "units=4,8", "--sampler", "best"], "'best'"),
        (["--space", "units=4,8", "--trials", "0"], "not a whole number from 1"),
        (["--resume", "nowhere"], "nowhere cannot be resumed"),
        (["--resume", "nowhere", "--units", "8"], "--units with --resume"),
    ],
)
def test_a_wrong_search_is_one_line(fails, arguments, message):
    assert message in fails("search", *arguments)


def test_a_missing_package_is_named(fails, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'sequence-task-zoo[search]'" in fails("search", "--space", "units=4,8")


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("units=4..7", [4, 5, 6, 7]),
        ("units=64..200:64", [64, 128, 192]),
        ("dropout=0..0.3:0.1", [0.0, 0.1, 0.2, pytest.approx(0.3)]),
        ("cell=lstm,gru", ["lstm", "gru"]),
        ("bidirectional=true,false", [True, False]),
        ("limit=100,none", [100, None]),
    ],
)
def test_a_dimension_has_the_points_of_its_text(text, points):
    assert Dimension.parse(SENTIMENT.Config, text).points() == points


def test_a_grid_is_every_combination():
    space = [Dimension.parse(SENTIMENT.Config, text) for text in ("units=4,8", "cell=lstm,gru")]
    grid = hyperparameters.grid(space)
    assert len(grid) == 4
    assert {"units": 8, "cell": "lstm"} in grid


@pytest.mark.slow
def test_ten_kills_lose_no_finished_trial(tmp_path):
    """Of a search whose trials are pretended; the next test kills a real one."""
    folder = tmp_path / "search"
    command = [sys.executable, "-m", "tests.interrupts", "search", str(folder), "10", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "10 kills" in done.stdout
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [row["trial"] for row in rows] == [str(number) for number in range(16)]
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    best = max((row for row in rows if row["state"] == "complete"), key=lambda row: float(row["val_accuracy"]))
    recipe = SENTIMENT.Config.from_toml(folder / "best.toml")
    assert recipe.units == int(best["units"])
    for name in ("history", "parallel_coordinates", "importance"):
        assert (folder / f"{name}.png").is_file()


@pytest.mark.slow
def test_a_killed_search_goes_on_and_never_reads_the_test_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = write_data(tmp_path, "text,label\na line without a label\n")
    words = ["--space", "cell=simple,gru", "--sampler", "grid", "--data", data]
    command = [sys.executable, "-m", "zoo", "search", "sentiment", *words, "--run-dir", "found"]
    process = subprocess.Popen([*command, *small_flags(SENTIMENT)])
    first = tmp_path / "found" / "trials.csv"
    while not first.exists():
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(2)  # in the second trial
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = first.read_text().splitlines()
    assert cli.main(["search", "sentiment", "--resume", "found", "--jobs", "2"]) == 0
    rows = first.read_text().splitlines()
    assert rows[: len(kept)] == kept
    assert len(rows) == 1 + 2
    assert "the test split was not read" in (tmp_path / "found" / "best.toml").read_text()
