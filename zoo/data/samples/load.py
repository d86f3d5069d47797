"""The bundled sample of forecasting: the hourly load of four made-up districts, and the temperature that drives it."""

import numpy as np

from zoo.data.formats.series import Series

COLUMNS = (["load"], ["cloud"], ["temperature"])  # targets, known for the past, known in the future too
DISTRICTS = {"harbour": 40.0, "hill": 900.0, "market": 5_000.0, "mill": 210.0}  # name → usual load
HOURS, START = 2_400, 1_704_067_200  # 2024-01-01 00:00 UTC, a Monday


def series() -> list[Series]:
    """Columns load, cloud and temperature, 2,400 hours each.

    The load has a daily and a weekly season and a trend. It rises when it is colder than 15 degrees or warmer than 20;
    the temperature is a driver that the forecast of the weather tells in advance. The cloud cover is known for the past
    only. Hours are missing one by one and in outages, and the load of one district moves to another level for good.
    """
    return [_district(i, name, usual) for i, (name, usual) in enumerate(DISTRICTS.items())]


def _district(number: int, name: str, usual: float) -> Series:
    rng = np.random.default_rng(number)
    hour = np.arange(HOURS)
    weather = np.zeros(HOURS)
    for t in range(1, HOURS):
        weather[t] = 0.98 * weather[t - 1] + rng.normal(0, 0.8)
    temperature = 12 + 6 * np.sin(2 * np.pi * (hour - 9) / 24) + 8 * np.sin(2 * np.pi * hour / 700) + weather
    weekday = (hour // 24) % 7 < 5
    day = 0.25 * np.sin(2 * np.pi * (hour - 8) / 24) + 0.12 * np.sin(4 * np.pi * (hour - 6) / 24)
    demand = 0.02 * np.maximum(15 - temperature, 0) + 0.03 * np.maximum(temperature - 20, 0)
    load = 1 + day * np.where(weekday, 1, 0.6) - 0.12 * ~weekday + 1e-4 * hour + demand
    load *= np.exp(rng.normal(0, 0.03, HOURS))
    if number == 1:
        load[1_000:] *= 1.25  # the level shift
    cloud = np.clip(0.5 - 0.05 * weather + rng.normal(0, 0.1, HOURS), 0, 1)
    values = np.stack([usual * load, cloud, temperature], axis=1)
    values[rng.random(HOURS) < 0.03, 0] = np.nan
    for begin in rng.integers(0, HOURS - 12, 8):
        values[begin : begin + int(rng.integers(4, 12)), :2] = np.nan  # an outage; the weather is known all the same
    names = tuple(column for kind in COLUMNS for column in kind)
    return Series(name, names, values.astype(np.float32), START + 3600 * hour, dated=True, step=3600)
