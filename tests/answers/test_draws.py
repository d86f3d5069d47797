"""Draws: published values, uniform numbers, and no relation between seeds or between steps."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo.answers.draws import threefry, uniform

DRAWS = 40_000


def words(*numbers):
    return tuple(ops.convert_to_tensor(np.array([number], "uint32")) for number in numbers)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_the_known_answers_of_random123(counter, key, expected):
    """threefry2x32 20 of tests/kat_vectors, https://github.com/DEShawResearch/random123"""
    found = threefry(words(*key), words(*counter))
    assert [int(ops.convert_to_numpy(word)[0]) for word in found] == list(expected)


def numbers(seeds, steps: int) -> np.ndarray:
    return ops.convert_to_numpy(uniform(np.asarray(seeds), steps))


def test_a_number_depends_on_its_seed_and_step_alone():
    seeds = np.array([5, -3, 2**31 - 1, 0, -(2**31), 5], "int32")
    together = numbers(seeds, 9)
    assert together.shape == (9, 6)
    for place, seed in enumerate(seeds):
        np.testing.assert_array_equal(numbers([seed], 4)[:, 0], together[:4, place])
        if keras.backend.backend() == "tensorflow":
            np.testing.assert_array_equal(numbers(np.array([seed], "int64"), 4)[:, 0], together[:4, place])
    assert len(np.unique(together[0])) == 5, "seeds of either sign and any size differ, and equal ones do not"


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX has 32 bits")
def test_all_bits_of_a_seed_count():
    assert len(np.unique(numbers(np.int64(1) << np.arange(63, dtype="int64"), 1))) == 63


def chi_square(counts: np.ndarray) -> float:
    """In standard deviations from what uniform counts give."""
    expected, freedom = counts.sum() / counts.size, counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


@pytest.mark.parametrize("shape", [(1, DRAWS), (DRAWS, 1), (200, DRAWS // 200)], ids=["seeds", "steps", "both"])
@pytest.mark.parametrize("stride", [1, 1 << 16])
def test_numbers_are_uniform(shape, stride):
    steps, rows = shape
    found = numbers(np.arange(rows, dtype="int32") * stride % (2**31 - 1), steps).ravel()
    assert found.min() >= 0
    assert found.max() < 1
    assert abs(chi_square(np.bincount((found * 100).astype(int), minlength=100))) < 4
    low_bits = (found * 2**24).astype(int) % 16  # the lowest of the 24 are as random as the highest
    assert abs(chi_square(np.bincount(low_bits, minlength=16))) < 4


def test_neighbouring_seeds_and_steps_have_nothing_in_common():
    grid = numbers(np.arange(200), 200)  # [step, seed]
    pairs = {
        "next seed": (grid[:, :-1], grid[:, 1:]),
        "next step": (grid[:-1], grid[1:]),
        "next of both": (grid[:-1, :-1], grid[1:, 1:]),
        "step and seed exchanged": (grid, grid.T),
    }
    for name, (one, other) in pairs.items():
        if name == "step and seed exchanged":
            above = np.triu_indices(200, 1)
            one, other = one[above], other[above]
        one, other = one.ravel(), other.ravel()
        assert abs(np.corrcoef(one, other)[0, 1]) * np.sqrt(one.size) < 4, name
        cells = (one * 10).astype(int) * 10 + (other * 10).astype(int)
        assert abs(chi_square(np.bincount(cells, minlength=100))) < 4, name


def test_one_seed_for_all_rows_is_refused():
    with pytest.raises(ValueError, match=r"one seed per row, int\[B\], got the shape \(\)"):
        uniform(1, 3)
