"""Whether probabilities are honest, and where a threshold of rejection cuts."""

from pathlib import Path

import numpy as np

from zoo.metrics import intents
from zoo.plots import canvas

IN, OUT, LINE = "#1f5c85", "#c2543b", "#444444"


def reliability(confidence: np.ndarray, right: np.ndarray, path: Path) -> None:
    """The reliability diagram: the accuracy of answers by their confidence, and the number of answers below it.

    Args:
        confidence: float[N], 0 to 1.
        right: bool[N].
    """
    counts, sure, accurate = intents.reliability(confidence, right)
    error = intents.calibration_error(confidence, right)
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    figure, grid = canvas.panels(2, 1, size=(4.5, 5.5))
    top, below = grid[:, 0]
    top.bar(middles, np.nan_to_num(accurate), width=1 / len(counts), color=IN, edgecolor="white")
    top.plot(sure, accurate, "o", color=OUT, markersize=4)
    top.plot([0, 1], [0, 1], "--", color=LINE, linewidth=1)
    top.set(ylabel="accuracy", title=f"expected calibration error {error:.3f}", xlim=(0, 1), ylim=(0, 1))
    below.bar(middles, counts, width=1 / len(counts), color=IN, edgecolor="white")
    below.set(xlabel="confidence", ylabel="requests", xlim=(0, 1), yscale="symlog")
    canvas.save(figure, path)


def rejection(score: np.ndarray, known: np.ndarray, threshold: float, path: Path) -> None:
    """Histograms of the score of rejection, in and out of scope, with the threshold.

    Args:
        score: float[N], 0 to 1; requests below the threshold are rejected.
        known: bool[N], True in scope.
    """
    figure, panel = canvas.panel(size=(5.5, 3.2))
    bins = np.linspace(0, 1, 31)
    for mine, name, color in ((known, "in scope", IN), (~known, "out of scope", OUT)):
        if mine.any():
            shares = np.full(mine.sum(), 1 / mine.sum())
            panel.hist(score[mine], bins=bins, weights=shares, alpha=0.6, color=color, label=f"{name}: {mine.sum():,}")
    panel.axvline(threshold, color=LINE, linestyle="--", linewidth=1, label=f"threshold {threshold:.2f}")
    panel.set(xlabel="largest probability", ylabel="share of requests", xlim=(0, 1))
    panel.legend(frameon=False, fontsize=9)
    canvas.save(figure, path)
