"""The classical baseline of text classification."""

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data import text
from zoo.data.examples import Examples, limit_characters
from zoo.data.ngrams import CHARACTERS, NgramWeights


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
