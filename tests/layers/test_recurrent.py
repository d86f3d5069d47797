"""Laws of zoo.layers.recurrent: the Keras layers of the same names, only faster. Runs on the TensorFlow backend."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo import layers
from zoo.layers import recurrent

if keras.config.backend() != "tensorflow":
    pytest.skip("compares the TensorFlow paths", allow_module_level=True)

import tensorflow as tf

# Keras' own writer of variables, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

NAMES = ["LSTM", "GRU", "SimpleRNN"]
CASES = [(name, bi, seed) for name in NAMES for bi in (False, True) for seed in (0, 1)]


def layer_of(module, name, bi, units=3, **options):
    options = {"return_sequences": True, "return_state": True, **options}
    layer = getattr(module, name)(units, bias_initializer="random_normal", **options)
    return module.Bidirectional(layer) if bi else layer


def twins(name, bi, width=4, **options):
    """The Keras layer and ours with the same weights."""
    theirs, ours = layer_of(keras.layers, name, bi, **options), layer_of(recurrent, name, bi, **options)
    for layer in (theirs, ours):
        layer.build((None, None, width))
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def batch_of(seed, name="LSTM", bi=False, units=3, width=4):
    """x float[B, T, width], mask bool[B, T] right-padded, initial state; shapes and lengths drawn from `seed`."""
    random = np.random.default_rng(seed)
    batch, steps = random.integers(1, 5), random.integers(1, 8)
    x = random.normal(size=(batch, steps, width)).astype("float32")
    mask = np.arange(steps) < random.integers(1, steps + 1, size=(batch, 1))
    count = (2 if name == "LSTM" else 1) * (2 if bi else 1)
    return x, mask, [random.normal(size=(batch, units)).astype("float32") for _ in range(count)]


def uneven(r):
    """Weights of the shape of `r`, all different, so that no two positions can be mistaken for each other."""
    return tf.cos(tf.reshape(tf.range(tf.cast(tf.size(r), r.dtype)), tf.shape(r)))


def answer(layer, x, mask, state, *, training=False, in_graph=False, jit_compile=False):
    """Outputs, final states, and the gradients of a weighted sum of them to inputs, initial state and weights."""

    def run(x, *state):
        with tf.GradientTape() as tape:
            tape.watch([x, *state])
            results = layer(x, mask=mask, initial_state=list(state), training=training)
            loss = tf.add_n([tf.reduce_sum(r * uneven(r)) for r in results])
        return list(results), tape.gradient(loss, [x, *state, *(w.value for w in layer.trainable_weights)])

    run = tf.function(run, jit_compile=jit_compile) if in_graph else run
    results, gradients = run(tf.constant(x), *(tf.constant(s) for s in state))
    assert all(g is not None for g in gradients)
    return [np.asarray(a) for a in [*results, *gradients]]


def assert_same(ours, theirs, atol=2e-5):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr("zoo.layers.recurrent.layers.cores", lambda: 2)


@pytest.mark.parametrize(("name", "bi", "seed"), CASES)
def test_same_outputs_states_and_gradients_as_keras(name, bi, seed):
    theirs, ours = twins(name, bi)
    x, mask, state = batch_of(seed, name, bi)
    for m, training in ((mask, True), (None, False)):  # the gradient's activations: kept, or computed again
        assert_same(answer(ours, x, m, state, training=training), answer(theirs, x, m, state))


@pytest.mark.slow
@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    name=st.sampled_from(NAMES), bi=st.booleans(), units=st.sampled_from([1, 2, 5, 130]), masked=st.booleans(),
    training=st.booleans(), seed=st.integers(0, 10_000),
)  # fmt: skip
def test_any_shape_and_lengths_give_what_keras_gives(name, bi, units, masked, training, seed):
    theirs, ours = twins(name, bi, units=units)
    x, mask, state = batch_of(seed, name, bi, units=units)
    mask = mask if masked else None
    assert_same(answer(ours, x, mask, state, training=training), answer(theirs, x, mask, state), atol=1e-4)


def test_a_wide_lstm_is_the_one_of_keras_too():
    theirs, ours = twins("LSTM", False, units=128)  # from here on another loop runs
    x, mask, state = batch_of(2, units=128)
    assert_same(answer(ours, x, mask, state), answer(theirs, x, mask, state), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{"go_backwards": True}, {"return_sequences": False}])
def test_options_mean_what_they_mean_in_keras(name, options):
    theirs, ours = twins(name, False, **options)
    x, mask, state = batch_of(3, name)
    assert_same(answer(ours, x, mask, state), answer(theirs, x, mask, state))


@pytest.mark.parametrize("name", NAMES)
def test_inference_of_many_rows_is_the_one_of_keras_too(name):
    """A single direction runs them as two halves, of which no small batch knows."""
    x, mask, state = batch_of(6, name)
    x, mask, *state = (np.resize(a, (17, *a.shape[1:])) for a in (x, mask, *state))
    x += np.arange(17, dtype="float32")[:, None, None] / 17  # no two rows alike
    theirs, ours = (answer(layer, x, mask, state, in_graph=True) for layer in twins(name, False))
    assert_same(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_that_turns_out_to_be_one_row_trains_too(name):
    """Training runs halves of a batch side by side; here one half is empty, and known to be only at run time."""
    theirs, ours = twins(name, False)
    x, _, _ = batch_of(5, name)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 4])])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(ours(x, training=True)[0])
        return tape.gradient(loss, [x, *(w.value for w in ours.trainable_weights)])

    with tf.GradientTape() as tape:
        one = tf.constant(x[:1])
        tape.watch(one)
        loss = tf.reduce_sum(theirs(one)[0])
    wanted = tape.gradient(loss, [one, *(w.value for w in theirs.trainable_weights)])
    assert_same([g.numpy() for g in gradient(one)], [g.numpy() for g in wanted])


@pytest.mark.parametrize("merge_mode", ["concat", "sum", None])
def test_merge_modes(merge_mode):
    x, mask, _ = batch_of(4)
    make = [m.Bidirectional(m.GRU(3, return_sequences=True), merge_mode=merge_mode) for m in (keras.layers, recurrent)]
    theirs, ours = make
    theirs.build(x.shape), ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    assert_same(*([np.asarray(a) for a in keras.tree.flatten(layer(x, mask=mask))] for layer in (ours, theirs)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), [("LSTM", "model"), ("GRU", "layer")])  # compiling costs seconds
def test_xla_changes_nothing(name, how):
    """`compile_loops` compiles the layer's loop; a model with jit_compile=True is compiled as a whole."""
    theirs, ours = twins(name, False)
    x, mask, state = batch_of(5, name, False)
    recurrent.compile_loops(ours, how == "layer")
    compiled = answer(ours, x, mask, state, training=True, in_graph=True, jit_compile=how == "model")
    assert_same(compiled, answer(theirs, x, mask, state))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_xla_changes_nothing_in_inference(name):
    theirs, ours = twins(name, False)
    x, mask, state = batch_of(5, name)
    recurrent.compile_loops(ours, False, inference=True)
    graph = tf.function(lambda: ours(x, mask=mask, initial_state=list(map(tf.constant, state)))).get_concrete_function()
    assert "_XlaMustCompile" in str(graph.graph.as_graph_def())
    assert_same(answer(ours, x, mask, state, in_graph=True), answer(theirs, x, mask, state))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, 1e30])
def test_padding_never_changes_anything(name, value):
    _, ours = twins(name, True)
    x, mask, state = batch_of(6, name, True)
    assert not mask.all()
    dirty = np.where(mask[:, :, None], x, value).astype("float32")
    assert_same(answer(ours, dirty, mask, state), answer(ours, x, mask, state), atol=1e-6)


def model_of(module, name="LSTM", **compile_options):
    ids = keras.Input((None,), dtype="int32")
    mask = keras.ops.not_equal(ids, 0)
    hidden = keras.layers.Embedding(9, 4)(ids)
    hidden = layer_of(module, name, True, return_state=False)(hidden, mask=mask)
    model = keras.Model(ids, keras.layers.Dense(1)(hidden[:, 0]))
    model.compile("adam", "mse", **compile_options)
    return model


IDS = np.array([[3, 1, 4, 1], [5, 2, 6, 0], [5, 0, 0, 0]], "int32")


@pytest.mark.parametrize("name", NAMES)
def test_weights_files_go_both_ways(name, tmp_path):
    for source, target in [(keras.layers, recurrent), (recurrent, keras.layers)]:
        one, two = model_of(source, name), model_of(target, name)
        one.save_weights(tmp_path / "w.weights.h5")
        two.load_weights(tmp_path / "w.weights.h5")
        np.testing.assert_allclose(one(IDS).numpy(), two(IDS).numpy(), atol=1e-5)


def test_keras_file_round_trip(tmp_path):
    model = model_of(recurrent)
    model.train_on_batch(IDS, np.ones((3, 1), "float32"))
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    wrapper = next(layer for layer in loaded.layers if isinstance(layer, recurrent.Bidirectional))
    assert type(wrapper.forward_layer) is type(wrapper.backward_layer) is recurrent.LSTM
    np.testing.assert_allclose(model(IDS).numpy(), loaded(IDS).numpy(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fits_batches_of_several_lengths(jit_compile):
    batches = [(IDS, np.ones((3, 1), "float32")), (IDS[:2, :3], np.ones((2, 1), "float32"))]
    batches = batches[:1] if jit_compile else batches  # every shape more would cost seconds of compiling
    data = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=(tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, 1]))
    )
    model = model_of(recurrent, "SimpleRNN" if jit_compile else "LSTM", jit_compile=jit_compile)
    history = model.fit(data.repeat(4), steps_per_epoch=4, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize("jit", [False, True])
def test_inference_graph_needs_no_xla(jit):
    """A served graph holds stock operations only, even if XLA compiled the loops of training."""
    model = model_of(recurrent)
    recurrent.compile_loops(model, jit)
    answer_ids = tf.function(lambda ids: model(ids, training=False))
    graph = answer_ids.get_concrete_function(tf.TensorSpec([None, None], tf.int32)).graph
    assert "_XlaMustCompile" not in str(graph.as_graph_def())


def test_each_model_has_its_own_switches():
    """`compile_loops` finds the recurrent layers wherever they are nested, and touches no other model."""

    def model():
        words, target_in = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
        vectors = keras.layers.Embedding(9, 4)(words)
        vectors = keras.layers.Concatenate()([vectors, layers.CharRNN(9, units=2)(words[:, :, None])])
        inner = keras.Input((None, 8))
        vectors = keras.Model(inner, layers.GRU(4, return_sequences=True)(inner))(vectors)
        memory, _ = layers.RecurrentEncoder(4, cell="simple", layers=2)(vectors, words > 0)
        logits = layers.AttentionDecoder(9, units=8, layers=2)(target_in, memory, words > 0)
        return keras.Model([words, target_in], logits)

    def found(model):
        return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]

    compiled, other = model(), model()
    config = compiled.get_config()
    recurrent.compile_loops(compiled, True)
    assert len(found(compiled)) == 2 + 1 + 2 * 2 + 2
    assert [layer.jit for layer in found(compiled)] == [True] * 9
    assert [layer.jit for layer in found(other)] == [False] * 9
    recurrent.compile_loops(compiled, False)
    assert not any(layer.jit for layer in found(compiled))
    recurrent.use_keras_loops(other)
    assert {recurrent.recurrent_path(layer) for layer in found(other)} == {"keras"}
    assert {recurrent.recurrent_path(layer) for layer in found(compiled)} == {"fast"}
    assert str(compiled.get_config()) == str(config), "a switch is no part of the model"


def test_one_place_chooses_the_path():
    assert recurrent.recurrent_path(recurrent.LSTM(2)) == "fast"
    others = [{"dropout": 0.1}, {"activation": "relu"}, {"unroll": True}, {"dtype": "bfloat16"}, {"use_bias": False}]
    for options in others:
        assert recurrent.recurrent_path(recurrent.LSTM(2, **options)) == "keras"
    assert recurrent.recurrent_path(recurrent.GRU(2, reset_after=False)) == "keras"


def test_mixed_precision_runs():
    x, mask, _ = batch_of(7)
    assert recurrent.LSTM(3, dtype="mixed_bfloat16")(x, mask=mask).dtype == tf.bfloat16


def test_leaving_cudnn_is_said_once_with_its_cause(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["a GPU"])
    assert recurrent.recurrent_path(recurrent.LSTM(2)) == recurrent.recurrent_path(recurrent.GRU(2)) == "cudnn"
    slow = {
        "recurrent_dropout=0.2": recurrent.LSTM(2, recurrent_dropout=0.2),
        "activation=relu": recurrent.GRU(2, activation="relu"),
        "reset_after=False": recurrent.GRU(2, reset_after=False),
        "SimpleRNN": recurrent.SimpleRNN(2),
    }
    for cause, layer in slow.items():
        with pytest.warns(UserWarning, match=f"{layer.name}: cuDNN does not support {cause};"):
            assert recurrent.recurrent_path(layer) == "keras"
        assert recurrent.recurrent_path(layer) == "keras"
