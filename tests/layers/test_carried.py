"""Carried states: windows one after the other are one long sequence, for the outputs; not for the gradient."""

import keras
import numpy as np
import pytest

from zoo.layers import RecurrentEncoder
from zoo.layers.recurrent import recurrent_path

RANDOM = np.random.default_rng(0)
LONG = RANDOM.normal(size=(3, 12, 4)).astype("float32")
EVERY = np.ones([3], "int32")
NONE = np.zeros([3], "int32")


def encoder(cell: str = "lstm", **options) -> RecurrentEncoder:
    return RecurrentEncoder(5, cell=cell, layers=2, residual=True, bidirectional=False, carry=3, **options)


def numpy(value) -> np.ndarray:
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru", "transformer"])
@pytest.mark.parametrize("training", [True, False])
def test_windows_are_one_long_pass(cell, training):
    layer = encoder(cell)
    whole, last = layer(LONG, fresh=EVERY, training=training)
    parts = [
        layer(LONG[:, start : start + 4], fresh=NONE if start else EVERY, training=training) for start in (0, 4, 8)
    ]
    np.testing.assert_allclose(np.concatenate([numpy(steps) for steps, _ in parts], axis=1), numpy(whole), atol=1e-5)
    np.testing.assert_allclose(numpy(parts[-1][1]), numpy(last), atol=1e-5)


def test_a_carried_state_keeps_the_fast_path():
    layer = encoder()
    layer(LONG, fresh=EVERY)
    if keras.config.backend() == "tensorflow":
        assert [recurrent_path(one) for one in layer.stack] == ["fast", "fast"]


def test_fresh_rows_begin_at_zero_and_others_go_on():
    layer = encoder()
    begun, _ = layer(LONG[:, :4], fresh=EVERY)
    layer(LONG[:, 4:8], fresh=EVERY)
    mixed, _ = layer(LONG[:, :4], fresh=np.array([0, 1, 0]))
    np.testing.assert_allclose(numpy(mixed)[1], numpy(begun)[1], atol=1e-6)
    assert np.abs(numpy(mixed)[0] - numpy(begun)[0]).max() > 1e-3


def test_evaluation_leaves_the_state_of_training_alone():
    layer = encoder()
    layer(LONG[:, :4], fresh=EVERY, training=True)
    before = numpy(layer.carried.in_training)
    layer(LONG[:, 4:], fresh=NONE, training=False)
    np.testing.assert_array_equal(numpy(layer.carried.in_training), before)
    assert np.abs(before).max() > 0


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_a_batch_may_have_fewer_or_more_rows(rows):
    layer = encoder()
    layer(LONG, fresh=EVERY)
    before = numpy(layer.carried.in_evaluation)
    given = np.resize(LONG, [rows, 12, 4])
    steps, _ = layer(given, fresh=np.ones([rows], "int32"))
    assert steps.shape[0] == rows
    after = numpy(layer.carried.in_evaluation)
    assert after.shape == before.shape
    np.testing.assert_array_equal(after[rows:], before[rows:])


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="takes a GradientTape")
def test_the_gradient_ends_at_the_window():
    import tensorflow as tf

    layer = encoder()
    first, second = (tf.constant(LONG[:, part]) for part in (slice(0, 4), slice(4, 8)))
    with tf.GradientTape() as tape:
        tape.watch([first, second])
        layer(first, fresh=EVERY, training=True)
        loss = tf.reduce_sum(layer(second, fresh=NONE, training=True)[0] ** 2)
    gradients = tape.gradient(loss, [first, second])
    assert gradients[0] is None
    assert np.abs(gradients[1]).max() > 0


def model() -> keras.Model:
    sequence, fresh = keras.Input([None, 4], name="sequence"), keras.Input([], dtype="int32", name="fresh")
    steps, _ = encoder(name="encoder")(sequence, fresh=fresh)
    model = keras.Model({"sequence": sequence, "fresh": fresh}, keras.layers.Dense(1)(steps))
    model.compile("sgd", "mse")
    return model


def windows() -> list:
    target = LONG.sum(axis=-1, keepdims=True)
    parts = [slice(start, start + 4) for start in (0, 4, 8)]
    return [({"sequence": LONG[:, p], "fresh": EVERY if p.start == 0 else NONE}, target[:, p]) for p in parts]


def test_fit_carries_and_validation_changes_nothing():
    given = windows()
    trained = model()
    weights = trained.get_weights()

    def fit(**options) -> list[np.ndarray]:
        trained.set_weights(weights)
        trained.optimizer.iterations.assign(0)
        trained.fit((window for window in given * 2), steps_per_epoch=1, epochs=6, shuffle=False, verbose=0, **options)
        return trained.get_weights()

    class Other(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return given[index]

    alone = fit()
    watched = fit(validation_data=Other())
    for variable, one, other in zip(trained.weights, alone, watched, strict=True):
        if variable.name != "in_evaluation":
            np.testing.assert_array_equal(one, other, err_msg=variable.path)
    assert any(
        variable.name == "in_training" and value.any() for variable, value in zip(trained.weights, alone, strict=True)
    )


def test_the_state_is_saved_with_the_model(tmp_path):
    trained = model()
    trained.predict_on_batch(windows()[0][0])
    trained.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = windows()[1][0]
    np.testing.assert_allclose(loaded.predict_on_batch(x), trained.predict_on_batch(x), atol=1e-6)


def test_both_directions_are_refused():
    with pytest.raises(ValueError, match="carry needs bidirectional=False"):
        RecurrentEncoder(5, carry=2)
