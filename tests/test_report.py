"""The table in the README is what the records say."""

import json
from pathlib import Path

import pytest

from tests.conftest import get_task
from zoo import report


def record(seed: int, accuracy: float) -> dict:
    return {
        "task": "toy",
        "recipe": "tasks/toy/small.toml",
        "metrics": {"accuracy": accuracy, "auc": 0.5},
        "baseline": {"name": "counting", "accuracy": 0.7},
        "seconds": {"train": 90.0},
        "seed": seed,
        "device": "CPU",
        "threads": 2,
    }


def test_a_row_has_mean_spread_baseline_seeds_and_cost(tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "results.json").write_text(json.dumps([record(0, 0.8), record(1, 0.9)]))
    row = report.table(tmp_path).splitlines()[-1]
    for part in ("toy", "small", "accuracy", "0.850 ± 0.071", "0.700 (counting)", "0, 1", "1.5", "CPU, 2 threads"):
        assert part in row, part


def test_one_seed_has_no_spread():
    assert report.spread([0.123456]) == "0.123"


@pytest.mark.parametrize("path", sorted(Path("tasks").glob("*/results.json")), ids=str)
def test_records_can_be_repeated(path):
    for entry in json.loads(path.read_text()):
        assert Path(entry["recipe"]).is_file()
        assert entry["recipe"] in entry["command"]
        assert entry["versions"].keys() >= {"keras", "tensorflow"}
        assert not Path(entry["data"]).is_absolute()
        assert entry["baseline"].keys() >= entry["metrics"].keys() - set(get_task(entry["task"]).forced)
