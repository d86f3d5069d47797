"""The states of a frozen language model are its own, whatever the padding, and do not learn."""

import keras
import numpy as np
import pytest

from zoo.layers import ContextStates

TOKENS = np.array([[4, 5, 6], [7, 0, 0]])
KEEP = TOKENS > 0


@pytest.fixture(scope="module")
def states() -> ContextStates:
    layer = ContextStates(9, 4, start=3, ways={"forward": {"units": 5}, "backward": {"units": 3, "cell": "gru"}})
    layer(TOKENS, KEEP)
    return layer


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_each_state_has_seen_the_word_and_one_side_of_it(states):
    found = numpy(states(TOKENS, KEEP))
    forward = numpy(states.encoders["forward"](states.embedding(np.array([[3, 4, 5, 6]])))[0])
    backward = numpy(states.encoders["backward"](states.embedding(np.array([[3, 6, 5, 4]])))[0])
    np.testing.assert_allclose(found[0, :, :5], forward[0, 1:], atol=1e-6)
    np.testing.assert_allclose(found[0, :, 5:], backward[0, :0:-1], atol=1e-6)


def test_padding_and_neighbours_change_nothing(states):
    wide = numpy(states(np.pad(TOKENS, ((0, 0), (0, 4)), constant_values=8), np.pad(KEEP, ((0, 0), (0, 4)))))
    np.testing.assert_allclose(wide[:, :3], numpy(states(TOKENS, KEEP)), atol=1e-6)
    assert not wide[:, 3:].any()
    np.testing.assert_allclose(wide[1, :1], numpy(states(TOKENS[1:, :1], KEEP[1:, :1]))[0], atol=1e-6)


def test_it_is_saved_and_not_trained(states):
    assert not states.trainable_weights
    again = ContextStates.from_config(states.get_config())
    again(TOKENS, KEEP)
    again.set_weights(states.get_weights())
    np.testing.assert_array_equal(numpy(again(TOKENS, KEEP)), numpy(states(TOKENS, KEEP)))
