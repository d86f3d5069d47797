"""The classical baselines of text classification."""

from collections.abc import Sequence

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data import text
from zoo.data.examples import Examples, limit_characters
from zoo.data.ngrams import CHARACTERS, NgramWeights

COSTS = (0.1, 0.3, 1.0, 3.0)  # C of the support vector machine; cross-validation on train chooses one
FOLDS = 3


def nbsvm(train: Examples, test: Examples, *, seed: int, characters: int = CHARACTERS) -> Baseline:
    """Logistic regression on 1–3-grams that naive Bayes has weighted (NB-SVM); see `NgramWeights`.

    With more than two labels each is told from all others, and the most probable one is the answer.

    Args:
        train, test: each example with "text", and for training "label".
        seed: chooses the examples if `train` is too large.
        characters: the most text that is learned from, because all of it is in memory at once. Larger training data
            is sampled down to it.
    """
    name = "NB-SVM of 1–3-grams (logistic regression)"
    known = limit_characters(train, characters, seed=seed)
    if len(known) < len(train):
        name += f", learned from {len(known):,} examples"
    truth = [example["label"] for example in known]
    labels = sorted(set(truth))
    weights = NgramWeights.fit((example["text"] for example in known), truth, labels)
    answers = []
    for batch in text.in_batches(example["text"] for example in test):
        for odds in weights.log_odds(batch).numpy():
            probabilities = np.exp(odds - np.logaddexp.reduce(odds))
            answers.append({"label": labels[odds.argmax()], "probabilities": probabilities.tolist(), "labels": labels})
    return Baseline(name, answers)


def linear_svm(
    texts: Sequence[str], labels: Sequence[str], asked: Sequence[str], *, seed: int
) -> tuple[list[str], float]:
    """A linear support vector machine on TF-IDF of 1–2-grams: its answers, and the C that it was fitted with.

    Args:
        texts, labels: of train; at least two labels occur.
        asked: the texts to answer.
        seed: of the folds and of the fit.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.model_selection import KFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    def machine(cost: float):
        ngrams = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
        return make_pipeline(ngrams, LinearSVC(C=cost, random_state=seed))

    folds = list(KFold(FOLDS, shuffle=True, random_state=seed).split(texts)) if len(texts) >= FOLDS else []
    best = 1.0
    if folds and all(len({labels[i] for i in train}) > 1 for train, _ in folds):
        best = max(COSTS, key=lambda cost: cross_val_score(machine(cost), texts, labels, cv=folds).mean())
    return machine(best).fit(texts, labels).predict(asked).tolist(), best
