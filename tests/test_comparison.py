"""`zoo compare`: a grid with seeds, gone on with after kills; and the runs that stop before the test split."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import small, small_flags
from zoo import cli, comparison, options, report, trainer
from zoo import task as tasks
from zoo.errors import InputError
from zoo.metrics import Metric
from zoo.run import Run, load_splits

SENTIMENT = tasks.get("sentiment")
ACCURACY = Metric("accuracy", format=".1%")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--vary is missing"),
        (["--vary", "nothing=1"], "unknown option 'nothing'"),
        (["--vary", "dropuot=0.1"], "did you mean 'dropout'?"),
        (["--vary", "cell=lsmt"], "did you mean 'lstm'?"),
        (["--vary", "cell"], "cell is ''"),
        (["--vary", "units=few"], "units is 'few': expected int"),
        (["--vary", "units=0"], "units is 0: expected at least 1"),
        (["--vary", "bidirectional=maybe"], "expected true or false"),
        (["--vary", "cell=gru", "--vary", "cell=lstm"], "given twice"),
        (["--vary", "seed=0,1"], "--seeds 0,1,2"),
        (["--vary", "cell=gru", "--seeds", "0,x"], "expected whole numbers"),
        (["--vary", "cell=gru", "--epohcs", "1"], "did you mean '--epochs'?"),
        (["--vary", "units=4,8", "--equal-weights"], "leave it out of --vary"),
        (["--resume", "nowhere"], "nowhere cannot be resumed"),
        (["--resume", "nowhere", "--vary", "cell=gru"], "--vary with --resume"),
    ],
)
def test_a_wrong_comparison_is_one_line(fails, arguments, message):
    assert message in fails("compare", *arguments)


@pytest.mark.slow
def test_data_that_cannot_be_read_leaves_nothing_behind(fails):
    assert "nowhere does not exist" in fails("compare", "--vary", "cell=gru", "--data", "nowhere")


def test_the_grid_is_every_combination():
    grid = comparison.variants(SENTIMENT.Config(), {"cell": ["lstm", "gru"], "layers": [1, 2]})
    names = ["cell=lstm, layers=1", "cell=lstm, layers=2", "cell=gru, layers=1", "cell=gru, layers=2"]
    assert [variant.name for variant in grid] == names
    assert (grid[3].cfg.cell, grid[3].cfg.layers) == ("gru", 2)


@pytest.mark.parametrize("word", ["none", "3"])
def test_a_word_becomes_a_value_and_the_value_a_word(word):
    assert options.word(options.parse(SENTIMENT.Config, "limit", word)) == word


def test_units_are_those_with_the_closest_number_of_weights():
    def square(units: int) -> int:
        return units * units

    assert comparison.closest(square, 100, start=3) == 10
    assert comparison.closest(square, 95, start=64) == 10
    assert comparison.closest(square, 1, start=8) == 1
    assert comparison.closest(lambda units: 7, 100, start=2) in (1, 2), "no number of units changes anything"


def test_the_table_has_spread_costs_and_the_baseline():
    rows = [
        {"variant": "a", "diverged": 0, "accuracy": [0.8, 0.9], "weights": [1200, 1200], "seconds": [10.0, 20.0]},
        {"variant": "b", "diverged": 2, "accuracy": [], "weights": [], "seconds": []},
    ]
    rows = [row | {"tokens_per_second": [2000.0] * len(row["accuracy"])} for row in rows]
    asked = {"task": "toy", "command": "zoo compare", "vary": {"x": []}, "seeds": [0, 1], "equal_weights": False}
    baselines = [{"name": "counting", "accuracy": [0.7, 0.7], "seconds": [1.0, 1.0]}]
    lines = comparison.table(asked, rows, baselines, ACCURACY, {}).splitlines()
    assert lines[-3:] == [
        "| a | 85.0% ± 7.1% | 1,200 | 15 | 2,000 |",
        "| b | 2 of 2 diverged | | | |",
        "| counting, classical | 70.0% | | 1 | |",
    ]


@pytest.mark.slow
def test_ten_kills_lose_no_finished_run(tmp_path):
    """Of a comparison whose runs are pretended; the next test kills a real one."""
    command = [sys.executable, "-m", "tests.interrupts", "compare", str(tmp_path / "grid"), "10", "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "10 kills, 12 finished runs" in done.stdout
    assert (tmp_path / "grid" / "comparison.png").is_file()


@pytest.mark.slow
def test_a_killed_comparison_gives_the_numbers_of_runs_that_were_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["compare", "sentiment", "--vary", "cell=simple", "--seeds", "0,1", "--run-dir", "grid"]
    process = subprocess.Popen([sys.executable, "-m", "zoo", *words, *small_flags(SENTIMENT)])
    first = tmp_path / "grid" / "01-cell-simple" / "seed0" / "metrics.json"
    while not first.exists():
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(2)  # in the second run
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = first.stat().st_mtime_ns
    assert cli.main(["compare", "sentiment", "--resume", "grid"]) == 0
    assert first.stat().st_mtime_ns == kept
    assert "1 of 2  cell=simple  seed 0: " in capsys.readouterr().out
    answer = json.loads((tmp_path / "grid" / "comparison.json").read_text())
    whole = trainer.train(SENTIMENT, SENTIMENT.Config(**small(SENTIMENT, cell="simple", seed=1)), directory="whole")
    assert answer["rows"][0]["accuracy"][1] == whole.metrics["metrics"]["accuracy"]
    assert answer["rows"][0]["weights"][1] == whole.metrics["trainable_parameters"]
    assert (tmp_path / "grid" / "comparison.md").is_file()


@pytest.mark.slow
def test_equal_weights_are_equal():
    cfg = SENTIMENT.Config(**small(SENTIMENT, units=24))
    grid = comparison._equal_weights("sentiment", comparison.variants(cfg, {"cell": ["simple", "lstm", "gru"]}))
    assert [variant.name.partition(",")[0] for variant in grid] == ["cell=simple", "cell=lstm", "cell=gru"]
    units = [variant.cfg.units for variant in grid]
    assert units[0] == 24
    assert units[1] < units[2] < 24


# ---- without the test split


def write_data(folder, test: str) -> str:
    rows = [f"a {word} film,{label}" for word, label in (("fine", "good"), ("weak", "bad")) for _ in range(12)]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (folder / "test.csv").write_text(test)
    return str(folder)


def test_a_run_can_leave_the_test_split_unread(tmp_path):
    data = write_data(tmp_path, "text,label\na line without a label\n")
    cfg = SENTIMENT.Config(**small(SENTIMENT, data=data, epochs=1))
    with pytest.raises(InputError, match=r"test.csv line 2"):
        trainer.train(SENTIMENT, cfg, directory=tmp_path / "read")
    run = trainer.train(SENTIMENT, cfg, directory=tmp_path / "unread", test=False)
    assert run.metrics["split"] == "validation"
    assert set(run.metrics["examples"]) == {"train", "validation"}
    assert run.metrics["metrics"]["accuracy"] == run.metrics["validation"]["val_accuracy"]
    assert "baseline" not in run.metrics
    assert Run.load(tmp_path / "unread").predict(["a fine film"])
    assert report.run_lines(run.metrics, SENTIMENT.METRICS)[0].startswith("validation split, ")
    with pytest.raises(InputError, match="scored on validation only"):
        report.record(tmp_path / "unread", tmp_path / "tasks")


def test_a_test_split_that_is_held_out_is_held_out_all_the_same():
    cfg = SENTIMENT.Config(limit=200)
    whole, without = load_splits(SENTIMENT, cfg), load_splits(SENTIMENT, cfg, test=False)
    assert list(without) == ["train", "validation"]
    for split, part in without.items():
        assert list(part) == list(whole[split])
