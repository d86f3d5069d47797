"""Weights of n-grams: the graph computes what plain Python does, and a file gives the same answers again."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import text
from zoo.data.ngrams import PENALTY, NgramWeights

GOOD = ["a good film", "good , not bad", "not bad at all", "a good good film"]
BAD = ["a bad film", "bad , not good", "not good at all", "a bad bad film"]
TEXTS, LABELS = GOOD + BAD, ["good"] * 4 + ["bad"] * 4
CHOICES = ["bad", "good"]
HOSTILE = [b"", b" \xff\xfe\x00", "🎬 not bad 👍".encode(), b"a" * 10_000, b"<br />" * 50, "not\u2028good".encode()]


@pytest.fixture(scope="module")
def fitted() -> NgramWeights:
    return NgramWeights.fit(TEXTS, LABELS, CHOICES)


def ngrams(sentence: str, longest: int = 3) -> set[str]:
    words = [word.decode() for word in text.tokenize(tf.constant([sentence]))[0].numpy()]
    return {" ".join(words[i : i + length]) for length in range(1, longest + 1) for i in range(len(words) - length + 1)}


def bucket(ngram: str, size: int = 2**30) -> int:
    return int(tf.strings.to_hash_bucket_fast(ngram, size))


def test_every_ngram_of_a_text_counts_once_and_none_goes_over_its_end(fitted):
    texts = ["good good good film", "", "film", "Not bad!"]
    rows, buckets = fitted.contained(tf.constant(texts))
    found = sorted(zip(rows.numpy().tolist(), buckets.numpy().tolist(), strict=True))
    assert found == sorted((row, bucket(ngram)) for row, one in enumerate(texts) for ngram in ngrams(one))


def test_the_graph_computes_what_python_does(fitted):
    table = dict(zip(fitted.buckets.numpy().tolist(), fitted.weights.numpy()[:, 0].tolist(), strict=True))
    texts = [*TEXTS, "a good film that nobody has seen", "", "good " * 500]
    for one, odds in zip(texts, fitted.log_odds(tf.constant(texts)).numpy(), strict=True):
        z = float(fitted.bias[0]) + sum(table.get(bucket(ngram), 0.0) for ngram in ngrams(one))
        np.testing.assert_allclose(odds, [-z / 2, z / 2], atol=1e-5)


def test_the_weights_are_ratios_times_a_logistic_regression(fitted):
    """Recomputed from counts of n-grams instead of buckets."""
    from sklearn.linear_model import LogisticRegression

    known = sorted(n for n in set().union(*map(ngrams, TEXTS)) if sum(n in ngrams(t) for t in TEXTS) >= 2)
    x = np.array([[n in ngrams(t) for n in known] for t in TEXTS], float)
    p, q = 1 + x[:4].sum(axis=0), 1 + x[4:].sum(axis=0)
    ratio = np.log(p / p.sum() / (q / q.sum()))
    classifier = LogisticRegression(C=PENALTY).fit(x * ratio, np.arange(8) < 4)
    table = dict(zip(fitted.buckets.numpy().tolist(), fitted.weights.numpy()[:, 0].tolist(), strict=True))
    weights = np.array([table[bucket(n)] for n in known])
    np.testing.assert_allclose(weights, ratio * classifier.coef_[0], atol=1e-3)
    assert np.count_nonzero(fitted.weights.numpy()) <= len(known)
    assert np.abs(weights).max() > 0.1


def test_few_buckets_are_shared_and_still_added_once():
    """With two buckets, nearly every text has both."""
    weights = NgramWeights.fit(TEXTS, LABELS, CHOICES, size=2)
    rows, _ = weights.contained(tf.constant(TEXTS))
    assert np.bincount(rows.numpy()).max() == 2
    assert np.isfinite(weights.log_odds(tf.constant([*TEXTS, *HOSTILE]))).all()


def test_word_order_decides(fitted):
    odds = fitted.log_odds(tf.constant(["not bad", "not good", "bad", "good"])).numpy()
    assert (odds.argmax(axis=1) == [1, 0, 0, 1]).all()


def test_the_file_gives_the_same_answers(fitted, tmp_path):
    for weights in (fitted, three_labels()):
        weights.save(tmp_path / f"wide{NgramWeights.suffix}")
        loaded = NgramWeights.load(tmp_path / f"wide{NgramWeights.suffix}")
        texts = tf.constant([*TEXTS, *HOSTILE])
        np.testing.assert_array_equal(loaded.log_odds(texts), weights.log_odds(texts))
    assert (tmp_path / "wide.npz").stat().st_size < 10_000  # the weights that are 0 are not in it


def test_an_empty_text_has_the_bias_only(fitted):
    for empty in ("", " \n", "<br />"):
        np.testing.assert_allclose(fitted.log_odds(tf.constant([empty]))[0, 1], fitted.bias[0] / 2)
    assert fitted.log_odds(tf.zeros([0], tf.string)).shape == (0, 2)


def test_hostile_bytes_have_finite_log_odds_whatever_stands_beside_them(fitted):
    together = fitted.log_odds(tf.constant(HOSTILE)).numpy()
    assert np.isfinite(together).all()
    alone = np.concatenate([fitted.log_odds(tf.constant([one])) for one in HOSTILE])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def three_labels() -> NgramWeights:
    texts = [f"{word} {colour}" for word in ("a", "the", "one") for colour in ("red", "green", "blue")]
    return NgramWeights.fit(texts, ["red", "green", "blue"] * 3, ["blue", "green", "red"], size=2**16)


def test_more_labels_have_one_log_odds_each():
    odds = three_labels().log_odds(tf.constant(["my blue", "my green", "my red", "none"])).numpy()
    assert odds.shape == (4, 3)
    assert odds[:3].argmax(axis=1).tolist() == [0, 1, 2]
    assert (odds[3] < 0).all()  # each label has a third of the texts


def test_texts_without_a_common_ngram_leave_the_frequency_of_the_label():
    weights = NgramWeights.fit(["x", "y", "", "z"], ["a", "b", "b", "b"], ["a", "b"])
    np.testing.assert_allclose(weights.log_odds(tf.constant(["x"])), [[-np.log(2) / 2, np.log(2) / 2]], rtol=1e-6)


def test_it_is_saved_with_a_graph(fitted, tmp_path):
    module = tf.Module()
    module.part = fitted
    module.odds = tf.function(fitted.log_odds, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.odds(tf.constant(HOSTILE)), fitted.log_odds(tf.constant(HOSTILE)), atol=1e-6)
