"""Stacked frames see no later frame, and padding changes none of them."""

import numpy as np
import pytest

from zoo.layers import StackFrames

FRAMES = np.random.default_rng(0).normal(size=(2, 11, 3)).astype("float32")
KEEP = np.arange(11) < np.array([11, 4])[:, None]


@pytest.mark.parametrize(("size", "before"), [(1, 0), (3, 0), (3, 1), (4, 2)])
def test_a_step_has_its_own_frames_and_those_before(size, before):
    steps, keep = (part.numpy() for part in StackFrames(size, before=before)(FRAMES, KEEP))
    for row, length in enumerate((11, 4)):
        assert keep[row].tolist() == [i * size < length for i in range(-(-11 // size))]
        for i in range(len(keep[row])):
            places = range((i - before) * size, (i + 1) * size)
            wanted = [FRAMES[row, t] if 0 <= t < length else np.zeros(3) for t in places]
            np.testing.assert_array_equal(steps[row, i], np.concatenate(wanted))
