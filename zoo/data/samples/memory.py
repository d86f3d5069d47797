"""Generated data that asks how long a network remembers: the adding problem and the copy task.

Every call makes new sequences from a seed, so a network cannot learn them by heart.
"""

import numpy as np

BLANK = 0  # of the copy task


def adding(count: int, length: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two of many numbers are marked, and the answer is their sum.

    One mark is in the first half and one in the second, so the first number waits for `length` / 2 steps on average.
    The constant answer 1 has a squared error of 1/6. Hochreiter & Schmidhuber 1997, section 5.4,
    https://doi.org/10.1162/neco.1997.9.8.1735, in the form of Arjovsky et al. 2016, section 5.2,
    https://arxiv.org/abs/1511.06464

    Returns:
        x float32[count, length, 2]: a number from 0 to 1, and 1 where it is marked; y float32[count].
    """
    rng = np.random.default_rng((seed, length))
    numbers, marks = rng.uniform(0, 1, (count, length)), np.zeros((count, length))
    half, rows = length // 2, np.arange(count)
    marks[rows, rng.integers(0, half, count)] = 1
    marks[rows, rng.integers(half, length, count)] = 1
    return np.stack([numbers, marks], axis=-1).astype(np.float32), (numbers * marks).sum(axis=1).astype(np.float32)


def copying(count: int, lag: int, *, seed: int, symbols: int = 8, length: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Read some symbols, wait for `lag` steps, and write them in the same order. Arjovsky et al. 2016, section 5.1.

    The last step before the answer is a signal to write. Ids: 0 is blank, 1 to `symbols` are symbols, the next one is
    the signal. A network without memory guesses each symbol with a probability of 1 / `symbols`.

    Args:
        lag: steps from the last symbol to the first answer, at least 1.
    Returns:
        x int32[count, 2 * length + lag] and y of the same shape: blank, and at the end the symbols.
    """
    rng = np.random.default_rng((seed, lag))
    read = rng.integers(1, symbols + 1, (count, length))
    x = np.full((count, 2 * length + lag), BLANK, np.int32)
    y = x.copy()
    x[:, :length], x[:, length + lag - 1], y[:, length + lag :] = read, symbols + 1, read
    return x, y
