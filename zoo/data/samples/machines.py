"""The bundled sample of remaining life: made-up machines that wear out at different rates."""

from functools import lru_cache

import numpy as np

from zoo.data.formats.failures import Unit

COLUMNS = ("load", "ambient", "temperature", "vibration", "pressure", "current")  # two settings, four sensors
COUNTS = {"train": 120, "test": 60}


@lru_cache(maxsize=2)
def units(split: str) -> list[Unit]:
    """Machines of "train", which run to failure, or of "test", which are cut at a random cycle.

    Wear begins anywhere between 0 and 0.25 and grows faster and faster, by random steps, at a rate of the machine's
    own. The machine fails when it reaches 1. Temperature, vibration and pressure follow the wear and the two settings;
    the current follows the load alone. One cell in 30 is missing, and the pressure gauge of every eighth machine gets
    stuck.
    """
    first = 0 if split == "train" else 1_000
    return [_machine(first + i, cut=split == "test") for i in range(COUNTS[split])]


def _machine(number: int, *, cut: bool) -> Unit:
    rng = np.random.default_rng(number)
    rate, start, bend = np.exp(rng.normal(-5.0, 0.3)), rng.uniform(0, 0.25), rng.uniform(1.5, 2.5)
    wear, every = start, []
    while wear < 1:
        every.append(wear)
        wear += rate * (0.35 + bend * wear) * rng.gamma(2.0, 0.5)
    worn = np.array(every)
    count = len(worn)
    load = np.clip(rng.normal(0.6, 0.15, count), 0.2, 1.0)
    ambient = 15 + 8 * np.sin(np.arange(count) / 15 + rng.uniform(0, 6)) + rng.normal(0, 1, count)
    temperature = 40 + 0.8 * ambient + 20 * load + 15 * worn**2 + rng.normal(0, 1.5, count)
    vibration = 0.5 + 0.3 * load + 1.2 * worn**3 + rng.normal(0, 0.12, count)
    pressure = 6 - 0.9 * worn + rng.normal(0, 0.12, count)
    current = 3 + 8 * load + rng.normal(0, 0.3, count)
    values = np.stack([load, ambient, temperature, vibration, pressure, current], axis=1)
    if number % 8 == 7:
        values[count // 2 :, 4] = values[count // 2, 4]
    values[rng.random(values.shape) < 1 / 30] = np.nan
    end = int(rng.integers(min(20, count), count)) if cut else count
    cycles = np.arange(1.0, end + 1)
    life = count - cycles
    return Unit(f"machine {number}", COLUMNS, cycles, values[:end].astype(np.float32), life, told=cut)
