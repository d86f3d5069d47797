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


def pairs(mistakes: Sequence[tuple[str, str, int]], path: Path) -> None:
    """The most frequent mistakes as bars, for labels that are too many for a matrix.

    Args:
        mistakes: (true label, given label, count), the most frequent first.
    """
    figure, panel = canvas.panel(size=(5, max(1.6, 0.26 * len(mistakes) + 0.8)))
    names = [f"{true} → {given}" for true, given, _ in mistakes]
    panel.barh(range(len(names)), [count for *_, count in mistakes], color="#1f5c85")
    panel.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    panel.invert_yaxis()
    panel.set(xlabel="requests", title="" if mistakes else "no mistakes")
    panel.xaxis.get_major_locator().set_params(integer=True)
    canvas.save(figure, path)
