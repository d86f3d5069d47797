"""Which labels are mistaken for which."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.plots import canvas


def matrix(predicted: Sequence[str], path: Path, *, truth: Sequence[str], labels: Sequence[str]) -> None:
    """The confusion matrix: rows are the true labels, columns the predicted ones.

    Numbers are counts; the shade is the share of the row.
    """
    index = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), int)
    for true, guess in zip(truth, predicted, strict=True):
        counts[index[true], index[guess]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    many = len(labels) > 5
    side = max(3.2, 0.45 * len(labels) + 1.5)
    figure, panel = canvas.panel(size=(side, side))
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    panel.set_xticks(range(len(labels)), labels, rotation=90 if many else 0)
    panel.set_yticks(range(len(labels)), labels)
    panel.set(xlabel="predicted", ylabel="true")
    for i, j in np.argwhere(counts > 0):
        color = "white" if shares[i, j] > 0.6 else "black"
        panel.text(j, i, counts[i, j], ha="center", va="center", fontsize=8 if many else 10, color=color)
    canvas.save(figure, path)
