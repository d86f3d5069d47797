"""The classical baseline of text classification."""

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data.examples import Examples, limit


def tfidf(train: Examples, test: Examples, *, seed: int, characters: int = 40_000_000) -> Baseline:
    """Logistic regression on TF-IDF weights of words and word pairs.

    Args:
        train, test: each example with "text", and for training "label".
        seed: chooses the examples if `train` is too large.
        characters: the most text that is learned from, because all of it is in memory at once. Larger training data
            is sampled down to it.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    name = "TF-IDF 1–2-grams + logistic regression"
    length = sum(len(example["text"]) for example in train)
    if length > characters:
        train = limit(train, len(train) * characters // length, seed=seed)
        name += f", learned from {len(train):,} examples"
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    features = vectorizer.fit_transform(example["text"] for example in train)
    classifier = LogisticRegression(C=10.0, max_iter=1000, random_state=seed)
    classifier.fit(features, [example["label"] for example in train])
    probabilities = classifier.predict_proba(vectorizer.transform(example["text"] for example in test))
    labels = [str(label) for label in classifier.classes_]
    answers = [
        {"label": labels[row.argmax()], "probabilities": row.tolist(), "labels": labels} for row in probabilities
    ]
    return Baseline(name, answers)
