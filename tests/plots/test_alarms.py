"""Pictures of alarms are written with and without truth, for one sensor and for many."""

import numpy as np
import pytest

from zoo.plots import alarms


@pytest.mark.parametrize("sensors", [1, 5])
@pytest.mark.parametrize("known", [True, False])
def test_pictures_are_written(sensors, known, tmp_path):
    rng = np.random.default_rng(0)
    score = rng.random(40)
    history = rng.normal(size=(40, sensors))
    history[3] = np.nan
    answer = {"score": score, "alarm": score > 0.8, "threshold": 0.8, "errors": history**2, "expected": history}
    example = {"series": "a name with $ and _", "history": history, "first": 10}
    example["anomaly"] = np.where(np.arange(40) > 30, 1.0, 0.0) if known else np.full(40, np.nan)
    alarms.series(example, answer, tmp_path / "new" / "series.png", names=[f"s{i}" for i in range(sensors)])
    alarms.distribution([(example, answer)], tmp_path / "scores.png")
    for name in ("new/series.png", "scores.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
