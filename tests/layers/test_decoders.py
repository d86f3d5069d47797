"""AttentionDecoder: teacher forcing and stepping are one computation, in every form of it."""

import random

import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.decoders import AttentionDecoder, DecoderCell

B, S, T, WIDTH, V = 3, 4, 5, 6, 11
KEEP = np.arange(T) < np.array([[5], [1], [3]])
FORMS = {
    "after": {},
    "after, dot, two LSTM layers": {"attention": "dot", "cell": "lstm", "layers": 2},
    "after, general, zeros, tied": {"attention": "general", "bridge": "zeros", "tied": True},
    "input feeding": {"input_feeding": True, "bridge": "last"},
    "input feeding, two LSTM layers": {"input_feeding": True, "cell": "lstm", "layers": 2, "attention": "general"},
    "before": {"attend": "before"},
    "before, two layers": {"attend": "before", "layers": 2, "readout_dim": 9},
}
forms = pytest.mark.parametrize("options", FORMS.values(), ids=FORMS.keys())


def numpy_of(tensor):
    return ops.convert_to_numpy(ops.copy(tensor))  # NumPy cannot copy a variable of TensorFlow without a warning


def inputs():
    rng = np.random.default_rng(0)
    memory = rng.normal(size=(B, T, WIDTH)).astype("float32")
    return rng.integers(0, V, (B, S)).astype("int32"), ops.convert_to_tensor(memory), ops.convert_to_tensor(KEEP)


def decoder(**options):
    """A built decoder whose weights are all away from their start, so that none can be left out unnoticed."""
    random.seed(0)
    layer = AttentionDecoder(V, units=WIDTH, embedding_dim=5, **options)
    layer(*inputs())
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return layer


def stepped(layer, tokens, state, memory, keep_mask):
    logits = []
    for s in range(tokens.shape[1]):
        one, state, weights = layer.step(tokens[:, s], state, memory, keep_mask)
        logits.append(numpy_of(one))
        np.testing.assert_allclose(numpy_of(weights).sum(-1), 1, rtol=1e-5)
    return np.stack(logits, 1)


@forms
def test_a_teacher_forced_step_is_a_decoding_step(options):
    layer, (tokens, memory, keep) = decoder(**options), inputs()
    logits = numpy_of(layer(tokens, memory, keep))
    expected = stepped(layer, tokens, layer.start(memory, keep), memory, keep)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@forms
def test_dropout_is_the_same_mask_at_every_step(options):
    layer, (tokens, memory, keep) = decoder(dropout=0.5, **options), inputs()
    state = layer.start(memory, keep, training=True)
    logits = numpy_of(layer(tokens, memory, keep, state=state, training=True))
    np.testing.assert_allclose(logits, stepped(layer, tokens, state, memory, keep), rtol=1e-4, atol=1e-5)
    plain = numpy_of(layer(tokens, memory, keep))
    assert np.abs(plain - logits).max() > 1e-3  # it does something, and only in training
    np.testing.assert_array_equal(plain, numpy_of(layer(tokens, memory, keep)))


@forms
def test_padding_of_the_memory_changes_nothing(options):
    layer, (tokens, memory, keep) = decoder(**options), inputs()
    dirty = ops.where(keep[..., None], memory, 99.0)
    wider = ops.pad(dirty, ((0, 0), (0, 3), (0, 0)), constant_values=7.0)
    wider_keep = ops.pad(keep, ((0, 0), (0, 3)))
    expected = numpy_of(layer(tokens, memory, keep))
    np.testing.assert_allclose(numpy_of(layer(tokens, wider, wider_keep)), expected, rtol=1e-4, atol=1e-5)


@forms
def test_no_step_looks_ahead_and_target_padding_is_spared(options):
    layer, (tokens, memory, keep) = decoder(**options), inputs()
    changed = tokens.copy()
    changed[:, 2:] = (changed[:, 2:] + 1) % V
    target_keep = ops.convert_to_tensor(np.arange(S) < np.array([[2], [2], [2]]))
    one, other = (numpy_of(layer(ids, memory, keep)) for ids in (tokens, changed))
    np.testing.assert_allclose(one[:, :2], other[:, :2], rtol=1e-5, atol=1e-6)
    assert np.abs(one[:, 2:] - other[:, 2:]).max() > 1e-3
    masked = numpy_of(layer(tokens, memory, keep, target_keep))
    np.testing.assert_allclose(masked[:, :2], one[:, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(masked[:, 2:], np.broadcast_to(numpy_of(layer.output_bias), (B, 2, V)), rtol=1e-6)


def test_hypotheses_of_a_row_share_its_memory():
    layer, (_, memory, keep) = decoder(), inputs()
    state = layer.start(memory, keep)
    tokens = np.arange(2 * B, dtype="int32")
    repeat = keras.tree.map_structure(lambda leaf: ops.repeat(leaf, 2, axis=0), state)
    logits, _, weights = layer.step(tokens, repeat, memory, keep)
    copied, _, copied_weights = layer.step(tokens, repeat, ops.repeat(memory, 2, axis=0), ops.repeat(keep, 2, axis=0))
    np.testing.assert_allclose(numpy_of(logits), numpy_of(copied), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(numpy_of(weights), numpy_of(copied_weights), rtol=1e-4, atol=1e-6)


def test_the_bridge_sees_only_real_steps_or_what_it_is_given():
    memory = np.arange(B * T * WIDTH, dtype="float32").reshape(B, T, WIDTH) / 50
    lengths = KEEP.sum(1)
    summaries = {
        "mean": np.stack([memory[b, : lengths[b]].mean(0) for b in range(B)]),
        "last": np.stack([memory[b, lengths[b] - 1] for b in range(B)]),
    }
    for bridge, summary in summaries.items():
        layer = decoder(bridge=bridge)
        expected = np.tanh(summary @ numpy_of(layer.bridge_dense.kernel) + numpy_of(layer.bridge_dense.bias))
        start = layer.start(ops.convert_to_tensor(memory), ops.convert_to_tensor(KEEP))
        np.testing.assert_allclose(numpy_of(start["cells"][0][0]), expected, rtol=1e-4, atol=1e-5)
        given = layer.start(memory * 0, KEEP, initial=ops.convert_to_tensor(summary))
        np.testing.assert_allclose(numpy_of(given["cells"][0][0]), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="takes no initial"):
        decoder(bridge="zeros").start(memory, KEEP, initial=summary)


@pytest.mark.parametrize(("cell", "keras_layer"), [("gru", keras.layers.GRU), ("lstm", keras.layers.LSTM)])
def test_cells_are_the_ones_of_keras(cell, keras_layer):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(B, S, 3)).astype("float32")
    start = [rng.normal(size=(B, WIDTH)).astype("float32") for _ in range(1 if cell == "gru" else 2)]
    ours, theirs = DecoderCell(WIDTH, cell=cell), keras_layer(WIDTH, return_sequences=True)
    ours.build((None, 3))
    theirs.build((B, S, 3))
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        assert mine.shape == other.shape
        if "bias" in mine.name:
            np.testing.assert_array_equal(numpy_of(mine), numpy_of(other))  # the same start: forget bias 1
        mine.assign(rng.normal(size=mine.shape))
        other.assign(mine.value)
    expected = numpy_of(theirs(x, initial_state=[ops.convert_to_tensor(part) for part in start]))
    outputs = numpy_of(ours(x, [ops.convert_to_tensor(part) for part in start]))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_untrained_logits_are_the_token_frequencies():
    counts = np.arange(V) * 10.0
    layer = AttentionDecoder(V, units=WIDTH, embedding_dim=5, token_counts=counts)
    tokens, memory, keep = inputs()
    layer(tokens, memory, keep)
    np.testing.assert_allclose(numpy_of(ops.softmax(layer.output_bias)), (counts + 1) / (counts + 1).sum(), rtol=1e-5)


def test_tied_embeddings_share_one_matrix():
    tied, untied = decoder(tied=True), decoder()
    assert untied.count_params() - tied.count_params() == V * 5
    layer, (tokens, memory, keep) = tied, inputs()
    before = numpy_of(layer(tokens, memory, keep))
    embeddings = numpy_of(layer.embedding.embeddings).copy()
    unused = next(token for token in range(V) if token not in tokens)
    embeddings[unused] += 1  # not an input: what changes is its own logit, and no other
    layer.embedding.embeddings.assign(embeddings)
    moved = np.abs(numpy_of(layer(tokens, memory, keep)) - before).max((0, 1))
    assert moved[unused] > 1e-3
    assert np.delete(moved, unused).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"input_feeding": True}, {"attend": "before"}], ids=str)
def test_scheduled_sampling_replaces_inputs_at_its_rate(options):
    layer, (tokens, memory, keep) = decoder(scheduled_sampling=True, **options), inputs()
    given = numpy_of(layer(tokens, memory, keep))
    assert float(layer.sampling_rate) == 0
    assert not any("sampling_rate" in weight.path for weight in layer.trainable_weights)
    np.testing.assert_allclose(numpy_of(layer(tokens, memory, keep, training=True)), given, rtol=1e-4, atol=1e-5)
    layer.sampling_rate.assign(1.0)
    # Make the model sure of token 7: with rate 1 it then reads 7 after the first step, whatever the target was.
    layer.output_bias.assign(50.0 * (np.arange(V) == 7))
    sampled = numpy_of(layer(tokens, memory, keep, training=True))
    sevens = tokens.copy()
    sevens[:, 1:] = 7
    np.testing.assert_allclose(sampled, numpy_of(layer(sevens, memory, keep)), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own, from model.save
@pytest.mark.parametrize("options", [{"scheduled_sampling": True, "dropout": 0.1}, {"attend": "before"}], ids=str)
def test_fits_saves_and_loads(options, tmp_path):
    random.seed(0)
    target_in = keras.Input((None,), dtype="int32", name="target_in")
    memory = keras.Input((None, WIDTH), name="memory")
    keep = keras.Input((None,), dtype="bool", name="keep_mask")
    layer = AttentionDecoder(V, units=WIDTH, embedding_dim=16, token_counts=np.ones(V), **options)
    logits = layer(target_in, memory, keep)
    assert logits.shape == (None, None, V)
    model = keras.Model({"target_in": target_in, "memory": memory, "keep_mask": keep}, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(keras.optimizers.Adam(0.02), loss)
    before = [numpy_of(weight) for weight in model.trainable_weights]
    x = dict(zip(("target_in", "memory", "keep_mask"), (numpy_of(part) for part in inputs()), strict=True))
    y = np.roll(x["target_in"], -1, axis=1)
    history = model.fit(x, y, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert np.abs(numpy_of(weight) - old).max() > 0, weight.path
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")  # safe mode
    assert loaded.get_layer("decoder").get_config() == model.get_layer("decoder").get_config()
    np.testing.assert_allclose(numpy_of(loaded(x)), numpy_of(model(x)), rtol=1e-5, atol=1e-6)


def test_half_precision_steps_like_it_trains():
    layer, (tokens, memory, keep) = decoder(dtype="mixed_bfloat16", input_feeding=True), inputs()
    logits = layer(tokens, memory, keep)
    assert keras.backend.standardize_dtype(logits.dtype) == "bfloat16"
    one, _, _ = layer.step(tokens[:, 0], layer.start(ops.cast(memory, "bfloat16"), keep), memory, keep)
    np.testing.assert_allclose(
        numpy_of(ops.cast(one, "float32")), numpy_of(ops.cast(logits[:, 0], "float32")), atol=0.1
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attend": "during"}, "'before' or 'after'"),
        ({"attend": "before", "input_feeding": True}, "already feeds"),
        ({"cell": "rnn"}, "gru, lstm"),
        ({"bridge": "first"}, "mean, last, zeros"),
        ({"tied": True, "readout_dim": 3}, "got 3 and 256"),
        ({"token_counts": [1, 2]}, "2 entries for a vocabulary of 11"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AttentionDecoder(V, **options)
