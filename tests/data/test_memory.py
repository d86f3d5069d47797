"""The generated tasks of memory are what they say, and a constant answer has the error they say."""

import numpy as np
import pytest

from zoo.data.samples import memory


def test_the_sum_of_the_two_marked_numbers():
    x, y = memory.adding(2000, 21, seed=0)
    numbers, marks = x[..., 0], x[..., 1]
    assert (marks[:, :10].sum(axis=1) == 1).all()
    assert (marks[:, 10:].sum(axis=1) == 1).all()
    np.testing.assert_allclose((numbers * marks).sum(axis=1), y, rtol=1e-6)
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, abs=0.01)


@pytest.mark.parametrize("lag", [1, 7])
def test_symbols_are_written_after_the_signal_in_their_order(lag):
    x, y = memory.copying(50, lag, seed=0, symbols=3, length=4)
    assert x.shape == y.shape == (50, 8 + lag)
    np.testing.assert_array_equal(y[:, -4:], x[:, :4])
    assert set(np.unique(x[:, :4])) == {1, 2, 3}
    assert (x[:, 3 + lag] == 4).all(), "the signal stands before the first answer"
    assert (x[:, 4 + lag :] == memory.BLANK).all()
    assert (y[:, :-4] == memory.BLANK).all()


def test_a_seed_gives_the_same_sequences():
    for make in (memory.adding, memory.copying):
        for first, again, other in zip(make(5, 30, seed=1), make(5, 30, seed=1), make(5, 30, seed=2), strict=True):
            np.testing.assert_array_equal(first, again)
            assert (first != other).any()
