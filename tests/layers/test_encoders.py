"""Encoders and pooling against NumPy, and the laws of masks."""

import random
import types

import keras
import numpy as np
import pytest

from zoo.layers import Pooling, RecurrentEncoder

STEPS = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
KEEP = np.array([[True, True, False], [True, True, True]])
STATE = np.ones((2, 4), "float32")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("last", lambda rows: np.ones(4)),
        ("max", lambda rows: rows.max(0)),
        ("mean", lambda rows: rows.mean(0)),
        ("max+mean", lambda rows: np.concatenate([rows.max(0), rows.mean(0)])),
    ],
)
def test_pooling_sees_real_steps_only(by, expected):
    pooled = keras.ops.convert_to_numpy(Pooling(by)(STEPS, STATE, KEEP))
    for row in range(2):
        np.testing.assert_allclose(pooled[row], expected(STEPS[row][KEEP[row]]), atol=1e-6)


def test_attention_pooling_is_a_weighted_mean_of_real_steps():
    layer = Pooling("attention")
    same = np.repeat(STEPS[:, :1], 3, axis=1)  # where all steps are equal, so is every mean of them
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(same, STATE, KEEP)), STEPS[:, 0], atol=1e-6)
    changed = STEPS.copy()
    changed[0, 2] = 99
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(layer(STEPS, STATE, KEEP)), keras.ops.convert_to_numpy(layer(changed, STATE, KEEP))
    )


def test_an_encoder_is_made_from_the_options_of_a_task():
    cfg = types.SimpleNamespace(units=3, cell="gru", layers=2, dropout=0.2, vocabulary=7)
    config = RecurrentEncoder.of(cfg, dropout=0.1, name="encoder").get_config()
    expected = RecurrentEncoder(3, cell="gru", layers=2, dropout=0.1, name="encoder").get_config()
    assert config == expected


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'median'"):
        Pooling("max+median")
    with pytest.raises(ValueError, match="'lsmt'"):
        RecurrentEncoder(2, cell="lsmt")


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_state_is_the_last_real_step_of_each_direction(cell, bidirectional):
    encoder = RecurrentEncoder(3, cell=cell, layers=2, bidirectional=bidirectional, residual=True)
    steps, state = map(keras.ops.convert_to_numpy, encoder(STEPS, keep_mask=KEEP))
    assert steps.shape == (2, 3, encoder.width)
    single = RecurrentEncoder(3, cell=cell, bidirectional=bidirectional)  # without a residual sum on top
    steps, state = map(keras.ops.convert_to_numpy, single(STEPS, keep_mask=KEEP))
    np.testing.assert_allclose(state[0, :3], steps[0, 1, :3], atol=1e-6)
    if bidirectional:
        np.testing.assert_allclose(state[:, 3:], steps[:, 0, 3:], atol=1e-6)


def test_variational_dropout_is_the_same_at_all_steps():
    random.seed(0)
    drop = RecurrentEncoder(3, dropout=0.5, variational=True).dropouts[0]
    dropped = keras.ops.convert_to_numpy(drop(np.ones((2, 5, 8), "float32"), training=True))
    assert np.all(dropped == dropped[:, :1])
    assert 0 < (dropped == 0).mean() < 1


def test_encoder_comes_back_from_its_config():
    encoder = RecurrentEncoder(
        3, cell="gru", layers=2, residual=True, dropout=0.2, variational=True, bidirectional=False
    )
    assert RecurrentEncoder.from_config(encoder.get_config()).get_config() == encoder.get_config()


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_reading_in_pieces_is_reading_at_once(cell):
    encoder = RecurrentEncoder(5, cell=cell, layers=2, residual=True, bidirectional=False)
    whole, last = encoder(STEPS, np.ones([2, 3], bool))
    first, state = encoder.resume(STEPS[:, :1], np.zeros([2, encoder.state_size], "float32"))
    rest, state = encoder.resume(STEPS[:, 1:], state)
    np.testing.assert_allclose(np.concatenate([first, rest], axis=1), whole, atol=1e-6)
    assert any(np.allclose(part, last, atol=1e-6) for part in np.split(state, encoder.state_size // 5, axis=1))


def test_what_is_read_from_both_ends_cannot_be_resumed():
    with pytest.raises(ValueError, match="bidirectional=False"):
        RecurrentEncoder(5).resume(STEPS, np.zeros([2, 20], "float32"))
