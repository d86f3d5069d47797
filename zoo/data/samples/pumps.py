"""The bundled sample of anomaly detection: four made-up pumps, six sensors each, and the faults of their last weeks."""

import numpy as np

from zoo.data.formats.series import Series

SENSORS = ("speed", "flow", "pressure", "current", "temperature", "vibration")
LABEL = "anomaly"
STEPS, VALIDATION, TEST = 3_000, 1_200, 1_600
START, MINUTE = 1_767_225_600, 60  # 2026-01-01 00:00 UTC


def series() -> list[Series]:
    """Columns as `SENSORS`, and anomaly: 1 during a fault. Steps before `TEST` have none.

    Flow, pressure and current follow the speed, and the temperature follows the current slowly. The faults: a bearing
    that drifts, a stuck sensor, spikes, a valve that closes, and a leak, after which the flow no longer fits the speed.
    Some values are missing everywhere.
    """
    return [_pump(number) for number in range(4)]


def _pump(number: int) -> Series:
    rng = np.random.default_rng(number)
    step = np.arange(STEPS)
    load = 0.6 + 0.25 * np.sin(2 * np.pi * step / 240 + number) + 0.1 * np.sign(np.sin(2 * np.pi * step / 97))
    speed = _slowly(load, 0.2)
    flow, pressure, current = speed.copy(), speed**2, 0.2 + speed**3
    vibration = 0.1 + 0.1 * speed
    truth = np.zeros(STEPS)
    faults = ["drift", "stuck", "spikes", "valve", "leak"]
    begins = TEST + 60 + np.arange(len(faults)) * 270 + rng.integers(0, 60, len(faults))
    stuck = slice(0, 0)
    for fault, begin in zip(rng.permutation(faults), begins, strict=True):
        length = int(rng.integers(60, 140))
        during = slice(int(begin), int(begin) + length)
        truth[during] = 1
        if fault == "drift":
            vibration[during] += np.linspace(0.02, 0.4, length)
        elif fault == "stuck":
            stuck = during
        elif fault == "spikes":
            places = int(begin) + np.arange(0, length, 12)
            truth[during] = 0
            truth[places] = 1
            pressure[places] += rng.choice([-1, 1], len(places)) * 0.5
        elif fault == "valve":
            flow[during] *= 0.5
            pressure[during] += 0.3
        else:
            flow[during] *= 0.8
    temperature = _slowly(current, 0.02)
    clean = np.stack([1500 * speed, 80 * flow, 6 * pressure, 12 * current, 30 + 40 * temperature, vibration], axis=1)
    noise = rng.normal(0, 1, clean.shape) * [10, 1, 0.06, 0.15, 0.2, 0.008]
    values = (clean + noise) * (1 + 0.3 * number)
    values[stuck, 1] = values[stuck.start, 1]
    values[rng.random(values.shape) < 0.01] = np.nan
    found = np.concatenate([values, truth[:, None]], axis=1).astype(np.float32)
    times = START + MINUTE * step
    return Series(
        f"pump {number + 1}", (*SENSORS, LABEL), found, times, dated=True, step=MINUTE, validation=VALIDATION, test=TEST
    )


def _slowly(values: np.ndarray, rate: float) -> np.ndarray:
    """Goes after `values`, by a share of the way at each step."""
    found = values.copy()
    for t in range(1, len(found)):
        found[t] = found[t - 1] + rate * (values[t] - found[t - 1])
    return found
