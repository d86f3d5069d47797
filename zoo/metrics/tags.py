"""Metrics of tasks that give one tag to each token."""

from collections.abc import Container, Iterable, Sequence

import keras
import numpy as np
from keras import ops

from zoo.layers.crf import best_tags


@keras.saving.register_keras_serializable("zoo")
class TagAccuracy(keras.metrics.Mean):
    """The share of tokens whose true tag is the one in `zoo.layers.crf.best_tags`.

    Pass it as `weighted_metrics=`, with weight 0 on padding.
    """

    def __init__(self, name: str = "accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: int[B, T] tags, the output of a tagging layer, float[B, T] weights."""
        tags, _ = best_tags(ops.convert_to_tensor(y_pred))
        super().update_state(ops.equal(ops.cast(y_true, "int32"), tags), sample_weight=sample_weight)


def scores(answers: Sequence[dict], *, examples: Iterable[dict], known: Container[str]) -> dict[str, float]:
    """accuracy over all words, oov_accuracy over unknown words, and sentence_accuracy.

    A word is unknown (out of vocabulary) if it is not in `known`. A sentence is correct if all its tags are. A share of
    zero words is NaN.

    Args:
        answers: each with "tags".
        examples: each with "tokens" and "tags".
        known: the words of the training split, with their case.
    """
    correct, unknown, sentences = [], [], []
    for answer, example in zip(answers, examples, strict=True):
        hits = [guess == true for guess, true in zip(answer["tags"], example["tags"], strict=True)]
        correct += hits
        unknown += [hit for hit, token in zip(hits, example["tokens"], strict=True) if token not in known]
        sentences.append(all(hits))
    shares = {"accuracy": correct, "oov_accuracy": unknown, "sentence_accuracy": sentences}
    return {name: float(np.mean(hits)) if hits else float("nan") for name, hits in shares.items()}


def table(predicted: Sequence[str], *, truth: Sequence[str]) -> str:
    """A text table with precision, recall, F1 and the number of words of every tag."""
    from sklearn.metrics import classification_report

    return classification_report(truth, predicted, digits=3, zero_division=0)
