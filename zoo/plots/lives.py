"""Predicted remaining lives: all units beside the truth, and one unit over its cycles."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.metrics import series as metrics
from zoo.plots import canvas, tables

TRUTH, MODEL, SHADE = "#c2543b", "#1f5c85", "#b7cfdf"


def against_truth(
    quantiles: np.ndarray, truth: np.ndarray, path: Path, *, levels: Sequence[float], width: float, names: Sequence[str]
) -> None:
    """The true life and the predicted one with its interval, in the order of the true lives; and a table.

    Args:
        quantiles: float[R, Q].
        truth: float[R].
        path: of the picture; the table has the ending .csv.
        levels: Q ascending probabilities.
        width: the probability of the interval.
        names: of the R units.
    """
    order = np.argsort(truth, kind="stable")
    places = np.arange(len(order))
    low, high = metrics.ends(levels, width)
    means = quantiles @ metrics.mean_weights(levels)
    figure, panel = canvas.panel(size=(8, 4))
    bars = quantiles[order]
    panel.vlines(places, bars[:, low], bars[:, high], color=SHADE, linewidth=max(1.0, min(6.0, 250 / len(order))))
    panel.plot(places, means[order], "o", color=MODEL, markersize=3.5, label="predicted (mean)")
    panel.plot(places, truth[order], color=TRUTH, linewidth=1.4, label="true")
    panel.plot([], [], color=SHADE, linewidth=6, label=f"{width:.0%} interval")
    _finish(panel, "windows, by true life")
    canvas.save(figure, path)
    columns = [f"q{level:g}" for level in levels]
    rows = (
        {"unit": names[i], "true": float(truth[i]), **dict(zip(columns, map(float, quantiles[i]), strict=True))}
        for i in order
    )
    tables.write(rows, path.with_suffix(".csv"))


def over_cycles(
    cycles: np.ndarray,
    quantiles: np.ndarray,
    path: Path,
    *,
    truth: float,
    levels: Sequence[float],
    width: float,
    name: str,
) -> None:
    """One unit: the life that was predicted after each of its cycles.

    Args:
        cycles: float[T], ascending.
        quantiles: float[T, Q].
        truth: the life after the last cycle; NaN if it is unknown.
    """
    low, high = metrics.ends(levels, width)
    figure, panel = canvas.panel(size=(6.5, 3.6))
    panel.fill_between(
        cycles, quantiles[:, low], quantiles[:, high], color=SHADE, linewidth=0, label=f"{width:.0%} interval"
    )
    panel.plot(cycles, quantiles @ metrics.mean_weights(levels), color=MODEL, label="predicted (mean)")
    if np.isfinite(truth):
        panel.plot(cycles, truth + cycles[-1] - cycles, color=TRUTH, linewidth=1.4, label="true")
    panel.set_title(name, fontsize=10, parse_math=False)
    _finish(panel, "cycle")
    canvas.save(figure, path)


def _finish(panel, label: str) -> None:
    panel.set(xlabel=label, ylabel="remaining life in cycles")
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, fontsize=9)
