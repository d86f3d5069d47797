"""Classical detectors find a fault that a person sees."""

import numpy as np
import pytest

from zoo.baselines import alarms
from zoo.data.formats.series import Series
from zoo.errors import InputError


def series(sensors: int) -> Series:
    """A season of 10 steps and noise; from step 260 to 280 the first sensor is far off."""
    rng = np.random.default_rng(0)
    values = np.sin(2 * np.pi * np.arange(400) / 10)[:, None] + 0.1 * rng.normal(size=(400, sensors))
    values[260:280, 0] += 4
    values[5, 0] = np.nan
    names = tuple(f"s{i}" for i in range(sensors))
    return Series(
        "one", names, values.astype(np.float32), np.arange(400), dated=False, step=1, validation=150, test=200
    )


@pytest.mark.parametrize("sensors", [1, 3])
@pytest.mark.parametrize("name", ["t2", "pca", "frames", "forest", "seasonal"])
def test_each_method_finds_the_fault(name, sensors):
    (found,) = alarms.compare(
        [name], [series(sensors)], sensors, season=10, frame=8, threshold=lambda scores: np.quantile(scores, 0.99)
    )
    alarm = found.answers[0]["alarm"]
    assert alarm[260:270].mean() > 0.8
    assert alarm[200:255].mean() < 0.15


def test_everything_and_chance():
    everything, chance = alarms.compare(
        ["all", "random"], [series(1)], 1, season=10, frame=8, threshold=lambda scores: np.quantile(scores, 0.9)
    )
    assert everything.answers[0]["alarm"].all()
    assert 0 < chance.answers[0]["alarm"].mean() < 0.3


def test_a_misspelt_method_is_an_error():
    with pytest.raises(InputError, match="did you mean 'forest'"):
        alarms.check(["forrest"])
