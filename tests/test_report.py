"""The README's table and the last lines of a run say the same as the records, in the declared formats."""

import json
from pathlib import Path

import pytest

from zoo import report
from zoo import task as tasks
from zoo.metrics import Metric

METRICS = (Metric("accuracy", format=".1%"), Metric("perplexity", better="min", format=".2f", of="model"))


def record(seed: int, accuracy: float) -> dict:
    return {
        "task": "toy",
        "recipe": "tasks/toy/small.toml",
        "config": {"reported": None},
        "split": "test",
        "examples": {"test": 1},
        "metrics": {"accuracy": accuracy, "signature": "nrefs:1", "perplexity": 5.5562},
        "baseline": {"name": "counting", "accuracy": 0.7, "seconds": 0.2},
        "seconds": {"setup": 1.0, "train": 90.0, "evaluate": 2.0},
        "epochs": {"kept": 2, "run": 3},
        "tokens_per_second": 1234.5,
        "seed": seed,
        "device": "CPU",
        "threads": 1,
    }


def test_a_row_has_mean_spread_baseline_seeds_and_cost():
    cells = report.row([record(0, 0.8), record(1, 0.9)], METRICS).strip("| ").split(" | ")
    assert cells == [
        "[toy](tasks/toy/card.md)",
        "small",
        "accuracy ↑",
        "**85.0% ± 7.1%**",
        "70.0% (counting)",
        "0, 1",
        "1.5",
        "CPU, 1 thread",
    ]


def test_a_metric_that_is_minimised_has_the_other_arrow():
    entry = record(0, 0.8) | {"baseline": {"name": "5-grams", "perplexity": 80.0}}
    cells = report.row([entry], METRICS[::-1]).split(" | ")
    assert cells[2:5] == ["perplexity ↓", "**5.56**", "80.00 (5-grams)"]


def test_a_recipe_may_report_another_metric():
    entry = record(0, 0.8) | {"config": {"reported": "perplexity"}}
    entry["baseline"] |= {"perplexity": 80.0}
    assert report.row([entry], METRICS).split(" | ")[2:5] == ["perplexity ↓", "**5.56**", "80.00 (counting)"]
    assert report.run_lines(entry, METRICS)[2].split() == ["perplexity", "↓", "5.56", "80.00"]


def test_a_task_without_declarations_has_three_digits(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "results.json").write_text(json.dumps([record(0, 0.8)]))
    assert "| accuracy ↑ | **0.800** | 0.700 (counting) |" in report.table(tmp_path)


@pytest.mark.parametrize(
    ("values", "text"), [([39.9682], "40.0"), ([36.4, 36.6], "36.5 ± 0.1"), ([36.50001, 36.50002], "36.5")]
)
def test_a_spread_that_rounds_to_nothing_is_left_out(values, text):
    assert report.spread(values, Metric("bleu", format=".1f")) == text


@pytest.mark.parametrize(("number", "text"), [(1, "1 thread"), (2, "2 threads"), (1000, "1,000 threads")])
def test_plurals(number, text):
    assert report.count(number, "thread") == text


def test_a_run_ends_with_its_metrics_beside_the_baselines():
    assert report.run_lines(record(0, 0.8), METRICS) == [
        "test split, 1 example, epoch 2 of 3",
        "                  zoo   counting",
        "  accuracy ↑    80.0%   70.0%",
        "  perplexity ↓   5.56",
        "  1 s set-up, 90 s training (1,234 real tokens per second), 2 s evaluation; baseline 0 s",
    ]


@pytest.mark.parametrize("path", sorted(Path("tasks").glob("*/results.json")), ids=str)
def test_records_can_be_repeated(path):
    for entry in json.loads(path.read_text()):
        assert Path(entry["recipe"]).is_file()
        assert entry["recipe"] in entry["command"]
        assert entry["versions"].keys() >= {"keras", "tensorflow"}
        assert not Path(entry["data"]).is_absolute()
        assert entry["baseline"].keys() >= {
            metric.name for metric in tasks.get(entry["task"]).METRICS if metric.of == "answers"
        }
