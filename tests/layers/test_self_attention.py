"""The Transformer of an encoder: as many weights as the LSTM, masks, directions, pieces, positions, precision."""

import keras
import numpy as np
import pytest

from zoo.layers import RecurrentEncoder
from zoo.layers.self_attention import Transformer, turned

RANDOM = np.random.default_rng(0)
STEPS = RANDOM.normal(size=(2, 7, 6)).astype("float32")
KEEP = np.arange(7) < np.array([[4], [7]])


def numpy(value) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)


def encoder(**options) -> RecurrentEncoder:
    return RecurrentEncoder(16, cell="transformer", layers=2, **options)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize(("features", "units"), [(4, 4), (6, 16), (50, 12), (64, 64), (5, 100), (300, 128), (128, 50)])
def test_it_has_as_many_weights_as_the_lstm(features, units, layers, bidirectional):
    counts = []
    for cell in ("transformer", "lstm"):
        made = RecurrentEncoder(units, cell=cell, layers=layers, bidirectional=bidirectional)
        made.build((None, None, features))
        counts.append(made.count_params())
    assert counts[0] == pytest.approx(counts[1], rel=0.05)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_state_is_the_last_real_step(bidirectional):
    made = encoder(bidirectional=bidirectional)
    steps, state = map(numpy, made(STEPS, KEEP))
    assert steps.shape == (2, 7, made.width)
    np.testing.assert_array_equal(state, steps[[0, 1], [3, 6]])


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("padding", [99.0, np.nan])
def test_padding_gets_no_weight(bidirectional, padding):
    made = encoder(bidirectional=bidirectional)
    cut, last = made(STEPS[:1, :4])
    padded = np.where(KEEP[:1, :, None], STEPS[:1], padding).astype("float32")
    steps, state = made(padded, KEEP[:1])
    np.testing.assert_allclose(numpy(steps)[:, :4], numpy(cut), atol=1e-6)
    np.testing.assert_allclose(numpy(state), numpy(last), atol=1e-6)
    block = made.stack[0].blocks[0]
    x, allowed, _, _ = made.stack[0].prepare(keras.ops.convert_to_tensor(padded), KEEP[:1])
    weights = numpy(block.look(x, allowed)[0])  # [B, heads, T, K]
    assert np.all(weights[..., 4:] == 0)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)


def test_reading_forwards_no_step_sees_a_later_one():
    made = encoder(bidirectional=False)
    changed = STEPS.copy()
    changed[:, 4:] += 1
    before, after = (numpy(made(steps)[0]) for steps in (STEPS, changed))
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-6)
    assert np.abs(after[:, 4:] - before[:, 4:]).max(axis=-1).min() > 1e-3


def test_each_layer_sees_so_many_earlier_steps():
    made = Transformer(16, bidirectional=False, window=2)
    changed = STEPS.copy()
    changed[:, 1] += 1
    moved = np.abs(numpy(made(changed)[0]) - numpy(made(STEPS)[0])).max(axis=(0, 2)) > 1e-6
    assert moved.tolist() == [False, True, True, True, False, False, False]


@pytest.mark.parametrize("window", [1, 3, 9])
def test_reading_in_pieces_is_reading_at_once(window):
    made = encoder(bidirectional=False, window=window)
    whole, last = made(STEPS)
    state, parts = np.zeros([2, made.state_size], "float32"), []
    for piece in (slice(0, 1), slice(1, 5), slice(5, 7)):
        steps, state = made.resume(STEPS[:, piece], state)
        parts.append(numpy(steps))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), numpy(whole), atol=1e-5)
    np.testing.assert_allclose(parts[-1][:, -1], numpy(last), atol=1e-5)


def test_the_state_after_padding_is_that_of_the_last_real_step():
    made = encoder(bidirectional=False, window=3)
    zeros = np.zeros([2, made.state_size], "float32")
    _, after = made.resume(STEPS, zeros, KEEP)
    for row, length in enumerate(KEEP.sum(axis=1)):
        _, alone = made.resume(STEPS[row : row + 1, :length], zeros[:1])
        np.testing.assert_allclose(numpy(after)[row], numpy(alone)[0], atol=1e-5)


def test_a_score_depends_on_the_distance_alone():
    query, key = RANDOM.normal(size=(2, 1, 1, 2, 8)).astype("float32")
    scores = [
        numpy(keras.ops.sum(turned(query, np.array([at])) * turned(key, np.array([at - 5])), axis=-1))
        for at in (5, 90, 4000)
    ]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-4)
    np.testing.assert_allclose(scores[2], scores[0], atol=1e-2)  # angles of 4000 radians in float32
    np.testing.assert_array_equal(numpy(turned(query, np.array([0]))), query)


def test_one_turn_by_hand():
    """Two pairs of features: the first turns by one radian a step, the second by a hundredth."""
    ones = np.ones([1, 1, 1, 4], "float32")
    first, second = (np.array([np.cos(a) - np.sin(a), np.cos(a) + np.sin(a)]) for a in (2.0, 0.02))
    expected = [first[0], second[0], first[1], second[1]]
    np.testing.assert_allclose(numpy(turned(ones, np.array([2])))[0, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_stays_finite(precision):
    keras.config.set_dtype_policy(precision)
    try:
        made = encoder(bidirectional=False, window=3)
        steps, _ = made(STEPS * 100, KEEP)
        resumed, _ = made.resume(STEPS * 100, np.zeros([2, made.state_size], "float32"), KEEP)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.isfinite(numpy(keras.ops.cast(steps, "float32"))).all()
    assert np.isfinite(numpy(keras.ops.cast(resumed, "float32"))).all()


@pytest.mark.parametrize("bidirectional", [True, False])
def test_it_learns_in_a_compiled_model_with_gradients_to_every_weight(bidirectional):
    sequence, keep_mask = keras.Input([None, 6]), keras.Input([None], dtype="bool")
    steps, state = encoder(bidirectional=bidirectional, dropout=0.1, variational=True)(sequence, keep_mask)
    joined = keras.ops.concatenate([state, keras.ops.mean(steps, axis=1)], axis=-1)
    model = keras.Model([sequence, keep_mask], keras.layers.Dense(1)(joined))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=True)
    before = [numpy(weight) for weight in model.trainable_weights]
    model.train_on_batch([STEPS, KEEP], np.ones([2, 1], "float32"))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(numpy(weight) - old).max() > 0, weight.path


def test_a_saved_model_gives_the_same_outputs(tmp_path):
    sequence = keras.Input([None, 6])
    model = keras.Model(sequence, encoder(bidirectional=False, window=4)(sequence))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(model.predict_on_batch(STEPS), loaded.predict_on_batch(STEPS), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
