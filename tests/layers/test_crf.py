"""Laws of the tagging outputs: the CRF equals brute force over all paths; softmax and CRF share one interface."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo.layers import crf
from zoo.metrics.tags import TagAccuracy
from zoo.training.losses import TagLoss

LENGTHS = np.array([5, 1, 3, 2])  # full, one token, and between
TIME, TAGS = 5, 3
KEEP = np.arange(TIME) < LENGTHS[:, None]


def scores_of(seed=0, tags=TAGS):
    return np.random.default_rng(seed).normal(size=(len(LENGTHS), TIME, tags)).astype("float32") * 2


BIO = [[True, False, True], [True, True, True], [True, True, True], [True, False, True]]  # O, I, B: no I after O


def crf_of(seed=1, tags=TAGS, allowed=None):
    layer = crf.CRF(tags, allowed)
    layer.build((None, None, tags))
    random = np.random.default_rng(seed)
    layer.set_weights([random.normal(size=weight.shape) * 2 for weight in layer.weights])
    return layer


def every_path(layer, scores, length):
    """All tag sequences of one sentence and their log-probabilities, by summing over each of them."""
    transitions, start, end = (np.asarray(ops.convert_to_numpy(w), "float64") for w in layer.weights)
    if layer.allowed:
        transitions, start = (
            np.where(allowed, w, -np.inf)
            for allowed, w in ((layer.allowed[:-1], transitions), (layer.allowed[-1], start))
        )
    paths = np.array(list(itertools.product(range(layer.tags), repeat=length)))
    totals = start[paths[:, 0]] + end[paths[:, -1]] + scores[np.arange(length), paths].sum(axis=1)
    totals += transitions[paths[:, :-1], paths[:, 1:]].sum(axis=1)
    return paths, totals - np.logaddexp.reduce(totals)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("allowed", [None, BIO])
def test_log_likelihood_is_that_of_all_paths(allowed):
    layer, scores = crf_of(allowed=allowed), scores_of()
    chain = layer(scores, KEEP)
    for row, length in enumerate(LENGTHS):
        paths, expected = every_path(layer, scores[row], length)
        tags = np.pad(paths, ((0, 0), (0, TIME - length)), constant_values=-1)
        nll = crf.tag_nll(tags, ops.repeat(chain[row : row + 1], len(paths), axis=0))
        never = np.isneginf(expected)
        assert (never.sum() == 0) == (allowed is None)
        np.testing.assert_allclose(-numpy(nll).sum(axis=1)[~never], expected[~never], atol=1e-4)
        assert not np.exp(-numpy(nll).sum(axis=1)[never]).any()
        assert not numpy(nll)[:, length:].any()


@pytest.mark.parametrize("allowed", [None, BIO])
def test_viterbi_finds_the_best_of_all_paths(allowed):
    for seed in range(5):
        layer, scores = crf_of(seed, allowed=allowed), scores_of(seed + 100)
        tags, log_probability = crf.best_tags(layer(scores, KEEP))
        for row, length in enumerate(LENGTHS):
            paths, expected = every_path(layer, scores[row], length)
            assert numpy(tags)[row, :length].tolist() == paths[expected.argmax()].tolist()
            assert not numpy(tags)[row, length:].any()
            np.testing.assert_allclose(numpy(log_probability)[row], expected.max(), atol=1e-4)


@pytest.mark.parametrize("allowed", [None, BIO])
def test_marginals_are_sums_over_all_paths(allowed):
    layer, scores = crf_of(allowed=allowed), scores_of()
    marginals = numpy(crf.tag_probabilities(layer(scores, KEEP), KEEP))
    np.testing.assert_allclose(marginals.sum(axis=-1), KEEP, atol=1e-5)
    for row, length in enumerate(LENGTHS):
        paths, log_probability = every_path(layer, scores[row], length)
        for time, tag in itertools.product(range(length), range(TAGS)):
            expected = np.exp(log_probability[paths[:, time] == tag]).sum()
            assert marginals[row, time, tag] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("allowed", [None, BIO])
def test_gradient_is_that_of_finite_differences(allowed):
    """The loop's gradient is written by hand; weights differ per token, so that every path of it is used."""
    layer, scores = crf_of(allowed=allowed), scores_of()
    random = np.random.default_rng(3)
    tags, weights = random.integers(0, TAGS, KEEP.shape), random.uniform(size=KEEP.shape).astype("float32")
    tags = np.where((tags == 1) & (np.pad(tags, ((0, 0), (1, 0)))[:, :-1] == 0), 2, tags)  # all of them are allowed

    def loss(scores):
        return ops.sum(crf.tag_nll(tags, layer(scores, KEEP)) * weights)

    variables = [tf.Variable(scores)] + [variable.value for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        value = loss(variables[0])
    for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True):
        direction = random.normal(size=variable.shape).astype("float32")
        variable.assign_add(0.01 * direction)
        above = loss(variables[0])
        variable.assign_sub(0.02 * direction)
        below = loss(variables[0])
        variable.assign_add(0.01 * direction)
        assert float(above - below) / 0.02 == pytest.approx(float(np.sum(gradient * direction)), rel=0.01, abs=0.01)


@pytest.mark.parametrize("output", crf.OUTPUTS)
def test_padding_changes_nothing(output):
    layer = crf_of() if output == "crf" else crf.Softmax(TAGS)
    scores = scores_of()
    tags = np.random.default_rng(2).integers(0, TAGS, KEEP.shape)
    short = layer(scores, KEEP)
    noise = np.where(KEEP[:, :, None], scores, 99)
    wide = np.pad(KEEP, ((0, 0), (0, 4)))
    long = layer(np.pad(noise, ((0, 0), (0, 4), (0, 0)), constant_values=-99), wide)
    for answer in (
        lambda log_probs, keep: crf.tag_nll(np.pad(tags, ((0, 0), (0, keep.shape[1] - TIME))), log_probs),
        lambda log_probs, keep: crf.best_tags(log_probs)[0],
        crf.tag_probabilities,
    ):
        a, b = numpy(answer(short, KEEP)), numpy(answer(long, wide))
        np.testing.assert_allclose(a, b[:, :TIME], atol=1e-6)
        assert not b[:, TIME:].any()


@pytest.mark.parametrize("output", crf.OUTPUTS)
def test_loss_is_nll_per_token(output):
    layer = crf_of() if output == "crf" else crf.Softmax(TAGS)
    log_probs = layer(scores_of(), KEEP)
    tags, log_probability = crf.best_tags(log_probs)
    loss = TagLoss()(tags, log_probs, sample_weight=KEEP.astype("float32"))
    assert float(loss) == pytest.approx(-numpy(log_probability).sum() / KEEP.sum(), abs=1e-5)


def test_long_sentences_keep_their_precision():
    """Each row of the chain stays a distribution, however long the sentence and large the scores."""
    layer = crf_of()
    scores = np.random.default_rng(0).normal(size=(1, 1000, TAGS)).astype("float32") * 20
    keep = np.ones((1, 1000), bool)
    chain = tf.function(layer)(scores, keep)
    np.testing.assert_allclose(numpy(ops.exp(chain)).sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(numpy(tf.function(crf.tag_probabilities)(chain, keep)).sum(axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize("size", [1, 1e3, 1e6])
def test_what_is_not_allowed_never_happens_whatever_the_scores(size):
    """Also where all allowed tags are far less probable than the forbidden ones."""
    layer = crf_of(allowed=BIO)
    scores = ops.convert_to_tensor((scores_of() + np.array([0, 5, 0])) * size, "float32")
    with tf.GradientTape() as tape:
        tape.watch(scores)
        chain = layer(scores, KEEP)
        tags, _ = crf.best_tags(chain)
        loss = ops.sum(crf.tag_nll(tags, chain))
    for gradient in tape.gradient(loss, [scores, *(weight.value for weight in layer.weights)]):
        assert np.isfinite(gradient).all()
    assert np.isfinite(chain).all()
    assert np.isfinite(loss)
    marginals = numpy(crf.tag_probabilities(chain, KEEP))
    np.testing.assert_allclose(marginals.sum(axis=-1), KEEP, atol=1e-4)
    assert not marginals[:, 0, 1].any()
    for row, length in zip(numpy(tags), LENGTHS, strict=True):
        assert all(BIO[before][tag] for before, tag in itertools.pairwise([3, *row[:length]]))
    assert not np.exp(numpy(chain))[:, 1:][KEEP[:, 1:], 0, 1].any()


def test_allowed_needs_a_way_on_from_every_tag():
    for wrong in ([[True, True]], [[True, True], [False, False], [True, True]], [[True]] * 3):
        with pytest.raises(ValueError, match="3 rows of 2 values"):
            crf.CRF(2, wrong)


def test_allowed_is_saved():
    assert crf.CRF.from_config(crf.CRF(TAGS, np.array(BIO)).get_config()).allowed == BIO


def toy(output, **compile_options):
    """No tag ever follows itself, and only the first word tells its tag: 0 1 0 1 0 1 or 1 0 1 0 1 0."""
    words = keras.Input([None], dtype="int32", name="words")
    keep_mask = words > 0
    scores = keras.layers.Embedding(4, 2)(words)
    log_probs = crf.OUTPUTS[output](2, name="tags")(scores, keep_mask)
    model = keras.Model(words, log_probs)
    model.compile(keras.optimizers.Adam(0.1), loss=TagLoss(), weighted_metrics=[TagAccuracy()], **compile_options)
    first = np.random.default_rng(0).integers(0, 2, (64, 1))
    tags = (first + np.arange(6)) % 2
    words = np.where(np.arange(6) == 0, first + 1, 3)
    weights = np.ones(words.shape, "float32")
    words[::2, 4:], weights[::2, 4:] = 0, 0
    return model, words, tags, weights


def fit(output, **compile_options):
    model, words, tags, weights = toy(output, **compile_options)
    history = model.fit(words, tags, sample_weight=weights, epochs=20, batch_size=64, verbose=0).history
    return model, words, tags, weights, history


@pytest.fixture(scope="module", params=crf.OUTPUTS)
def toy_tagger(request):
    return fit(request.param)


def assert_transitions_learned(model, history):
    """Only the transitions can solve the toy: after the first word all words are the same."""
    assert history["accuracy"][-1] == 1.0
    transitions = numpy(model.get_layer("tags").transitions)
    assert transitions[0, 1] > transitions[0, 0] + 1
    assert transitions[1, 0] > transitions[1, 1] + 1


def test_fit_learns_what_may_follow_what(toy_tagger):
    model, *_, history = toy_tagger
    if isinstance(model.get_layer("tags"), crf.CRF):
        assert_transitions_learned(model, history)
    else:  # a softmax sees no other tag: it knows the first and guesses the rest
        assert 0.5 < history["accuracy"][-1] < 0.75


@pytest.mark.slow
def test_fit_compiles_with_xla():
    model, *_, history = fit("crf", jit_compile=True)
    assert_transitions_learned(model, history)


def test_saved_model_is_the_same_model(toy_tagger, tmp_path):
    model, words, tags, weights, _ = toy_tagger
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(numpy(model(words)), numpy(again(words)))
    expected = model.evaluate(words, tags, sample_weight=weights, verbose=0, return_dict=True)
    assert again.evaluate(words, tags, sample_weight=weights, verbose=0, return_dict=True) == pytest.approx(expected)


def test_served_graph_answers_any_batch_and_length(toy_tagger, tmp_path):
    model, *_ = toy_tagger

    class Served(tf.Module):
        def __init__(self):
            self.model = model

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def answer(self, words):
            log_probs = self.model(words)
            return crf.best_tags(log_probs)[0], crf.tag_probabilities(log_probs, words > 0)

    served = Served()
    tf.saved_model.save(served, str(tmp_path))
    again = tf.saved_model.load(str(tmp_path))
    for words in (np.array([[1]]), np.array([[1, 3, 2], [2, 0, 0]])):
        log_probs = model(words)
        tags, probabilities = again.answer(tf.constant(words, tf.int32))
        np.testing.assert_array_equal(tags, crf.best_tags(log_probs)[0])
        np.testing.assert_allclose(probabilities, crf.tag_probabilities(log_probs, words > 0), atol=1e-6)


def test_wrong_number_of_tags_says_what_to_do():
    with pytest.raises(ValueError, match=r"Dense\(4\)"):
        crf.CRF(4)(scores_of(), KEEP)
