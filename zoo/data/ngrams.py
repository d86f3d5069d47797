"""A linear classifier of hashed n-grams: NB-SVM, as a part of a codec, in graph.

    wide = NgramWeights.fit(texts, labels, ["negative", "positive"])
    wide.log_odds(tf.constant(["not good"]))  # float32[1, 2]

text → tokens → n-grams → buckets, each once per text → sum of their weights → log odds of each label

Wang & Manning 2012, https://aclanthology.org/P12-2018, with logistic regression in place of the support vector machine
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data import cache, codec, text

SEEN_AT_LEAST = 2  # texts; a rarer n-gram is mostly the property of one text
CHARACTERS = 40_000_000  # learned from at most; the features of all of them are in memory at once, about 1 GB
PENALTY = 0.3  # C of the logistic regression; of 0.1, 0.3, 1 and 3 the best on IMDB reviews of films held out of train


@codec.register(".npz")
class NgramWeights(tf.Module):
    """One weight per n-gram of words and label, which sum to the log odds of the label. The file is a NumPy archive.

    N-grams are known by a hash, their bucket; those that share a bucket share a weight. Only buckets with a weight take
    memory. Of 5 million n-grams, one in two hundred shares one of 2**30 buckets.

    Args:
        buckets: int[N], the buckets with a weight, ascending; all others have the weight 0.
        weights: float32[N, K]; K is 1 for two labels, else the number of labels.
        bias: float32[K], the log odds of a text without n-grams.
        size: the number of all buckets, at most 2**31 - 1.
        longest: the words of the longest n-grams.
    """

    def __init__(self, buckets: np.ndarray, weights: np.ndarray, bias: np.ndarray, *, size: int, longest: int):
        super().__init__()
        self.size, self.longest = size, longest
        buckets = np.append(buckets, size)  # one more, for all n-grams whose bucket has no weight
        weights = np.concatenate([weights, np.zeros((1, len(bias)))])
        with tf.device("CPU"):  # beside the strings
            self.buckets = _constant(buckets.astype(np.int32), "buckets")
            self.weights = _constant(weights.astype(np.float32), "weights")
            self.bias = _constant(np.asarray(bias, np.float32), "bias")

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        labels: Sequence[str],
        choices: Sequence[str],
        *,
        size: int = 2**30,
        longest: int = 3,
        progress: str = "fitting the n-grams",
    ) -> "NgramWeights":
        """Naive Bayes scales each n-gram, and logistic regression weighs it: one label against the others.

        A text has x = r of each bucket that it contains, else 0. r = log((p / |p|) / (q / |q|)), where p is 1 + the
        number of texts with the label that contain the bucket, q the same of the other texts, and |p| the sum of p
        over the buckets. The features of all texts are in memory at once: 25,000 reviews of 230 words take 1 GB.

        Args:
            labels: the label of each text.
            choices: all labels, in the order of the log odds.
            progress: a word to show beside a progress bar.
        """
        from scipy.sparse import csr_matrix

        model = cls(np.zeros(0), np.zeros((0, 1)), np.zeros(1), size=size, longest=longest)
        update = cache.show_progress(progress, len(labels), "text")
        found, lengths = [], []
        for batch in text.in_batches(texts):
            rows, buckets = (part.numpy() for part in model.contained(batch))
            found.append(buckets.astype(np.int32)[np.argsort(rows, kind="stable")])
            lengths.append(np.bincount(rows, minlength=len(batch)))
            update(sum(map(len, lengths)))
        buckets, ends = np.concatenate(found), np.cumsum(np.concatenate(lengths))
        known, counts = np.unique(buckets, return_counts=True)
        known = known[counts >= SEEN_AT_LEAST]
        columns = np.minimum(np.searchsorted(known, buckets), max(len(known) - 1, 0)).astype(np.int32)
        seen = known[columns] == buckets if len(known) else np.zeros(len(buckets), bool)
        kept = np.concatenate([[0], np.cumsum(seen)])
        columns = columns[seen]
        features = csr_matrix(
            (np.ones(len(columns), np.float32), columns, kept[np.concatenate([[0], ends])]), (len(ends), len(known))
        )
        one_against_rest = choices[1:] if len(choices) == 2 else choices
        fitted = [_fit(features, np.array([label == choice for label in labels])) for choice in one_against_rest]
        weights, bias = (np.stack(part, axis=-1) for part in zip(*fitted, strict=True))
        return cls(known, weights, bias, size=size, longest=longest)

    def contained(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The buckets of the n-grams in each text, each once.

        Args:
            texts: string[B], any bytes.
        Returns:
            int64[M], rows of `texts`, and int64[M], a bucket in each.
        """
        tokens = text.tokenize(texts)
        words, row = tokens.flat_values, tokens.value_rowids()
        ngrams, keys = words, []
        for length in range(1, self.longest + 1):
            if length > 1:
                ngrams = tf.strings.join([ngrams[:-1], words[length - 1 :]], separator=" ")
            first, last = row[: tf.size(ngrams)], row[length - 1 :]
            buckets = tf.strings.to_hash_bucket_fast(ngrams, self.size)
            keys.append(tf.boolean_mask(first * self.size + buckets, first == last))  # not over the end of a text
        once = tf.unique(tf.concat(keys, axis=0)).y
        return once // self.size, once % self.size

    def log_odds(self, texts: tf.Tensor) -> tf.Tensor:
        """string[B] → float32[B, labels].

        For two labels -z / 2 and z / 2, where z is the log odds of the second one, so that their softmax is the
        probability. For more labels, the log odds of each label against the others.
        """
        with tf.device("CPU"):
            rows, buckets = self.contained(texts)
            buckets = tf.cast(buckets, tf.int32)
            places = tf.searchsorted(self.buckets, buckets)
            places = tf.where(tf.gather(self.buckets, places) == buckets, places, tf.size(self.buckets) - 1)
            weights = tf.gather(self.weights, places)  # [M, K]
            odds = self.bias + tf.math.unsorted_segment_sum(weights, rows, tf.size(texts))  # [B, K]
            return tf.concat([-odds, odds], axis=1) / 2 if odds.shape[1] == 1 else odds

    def save(self, file: Path) -> None:
        buckets, weights = self.buckets.numpy()[:-1], self.weights.numpy()[:-1]
        about = np.array([self.size, self.longest])
        np.savez_compressed(file, buckets=buckets, weights=weights, bias=self.bias.numpy(), about=about)

    @classmethod
    def load(cls, file: Path) -> "NgramWeights":
        with np.load(file, allow_pickle=False) as saved:
            size, longest = saved["about"].tolist()
            return cls(saved["buckets"], saved["weights"], saved["bias"], size=size, longest=longest)


def _constant(values: np.ndarray, name: str) -> tf.Variable:
    """Variables are saved beside a graph; constants would be in it, and a graph has 2 GB at most."""
    return tf.Variable(values, trainable=False, name=f"ngram_{name}")


def _fit(features, wanted: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """The weights float32[N] and the bias of one label.

    Args:
        features: SciPy float32[texts, N] in rows, 1 where a text contains a bucket.
        wanted: bool[texts], True if a text has the label.
    """
    from sklearn.linear_model import LogisticRegression

    if not features.shape[1] or wanted.all() or not wanted.any():  # the frequency is all there is to learn
        odds = np.log((1 + wanted.sum()) / (1 + (~wanted).sum()))
        return np.zeros(features.shape[1], np.float32), np.float32(odds)
    p, q = (1 + np.asarray(features[rows].sum(axis=0), np.float64).ravel() for rows in (wanted, ~wanted))
    ratio = (np.log(p / p.sum()) - np.log(q / q.sum())).astype(np.float32)
    scaled = features.copy()
    scaled.data = ratio[scaled.indices]
    classifier = LogisticRegression(C=PENALTY, max_iter=1000).fit(scaled, wanted)
    return ratio * classifier.coef_[0].astype(np.float32), np.float32(classifier.intercept_[0])
