"""Metrics of tasks that give one label to a sequence."""

from collections.abc import Sequence

import numpy as np

from zoo.errors import InputError


def scores(answers: Sequence[dict], *, truth: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """accuracy, and auc: the area under the ROC curve.

    With more than two labels, auc is the mean over the labels of one label against the rest. It is NaN if `truth` has
    one label only.

    Args:
        answers: each with "label" and "probabilities", float[labels] in the order of `labels`.
        truth: the true label of each answer.
        labels: the labels that the model was trained on.

    Raises:
        InputError: a true label is not one of `labels`.
    """
    from sklearn.metrics import roc_auc_score

    if unknown := sorted(set(truth) - set(labels)):
        raise InputError(f"label {unknown[0]!r} is not one of the model's labels: {', '.join(labels)}")
    index = np.array([labels.index(label) for label in truth])
    accuracy = float(np.mean([label == answer["label"] for label, answer in zip(truth, answers, strict=True)]))
    probabilities = np.array([answer["probabilities"] for answer in answers], np.float64)  # [examples, labels]
    present = np.unique(index)
    if len(present) < 2:
        return {"accuracy": accuracy, "auc": float("nan")}
    areas = [roc_auc_score(index == i, probabilities[:, i]) for i in (present[1:] if len(labels) == 2 else present)]
    return {"accuracy": accuracy, "auc": float(np.mean(areas))}
