"""The trials of a search: their history, their options as lines, and the importance of each option.

A trial is a dict: "trial" (its number), "state" ("complete" or "pruned"), the monitored value, the options.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from zoo.metrics.metric import Metric, direction
from zoo.plots import canvas

BLUE, RED = "#1f5c85", "#c2543b"


def history(rows: Sequence[Mapping[str, Any]], path: Path, *, monitor: str, metric: Metric) -> None:
    """The monitored value of each trial, and the best one up to it.

    Args:
        monitor: the name of the value in `rows`.
        metric: its declaration, for direction and format.
    """
    figure, panel = canvas.panel(size=(6.5, 3.6))
    ended = sorted((row for row in rows if row["state"] == "complete"), key=lambda row: row["trial"])
    pruned = [row for row in rows if row["state"] == "pruned"]
    panel.plot([r["trial"] for r in ended], [r[monitor] for r in ended], "o", color=BLUE, markersize=5, label="trial")
    if pruned:
        x, y = [r["trial"] for r in pruned], [r[monitor] for r in pruned]
        panel.plot(x, y, "x", color="grey", markersize=5, label="pruned: its last value")
    if ended:
        best = _better(monitor, metric).accumulate([row[monitor] for row in ended])
        panel.step([row["trial"] for row in ended], best, where="post", color=RED, linewidth=1.3, label="best so far")
    panel.set(xlabel="trial", ylabel=monitor)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(panel, metric)
    panel.legend(frameon=False, fontsize=9)
    canvas.save(figure, path)


def parallel(
    rows: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    names: Sequence[str],
    logs: Sequence[str],
    monitor: str,
    metric: Metric,
) -> None:
    """One line for each trial through the values of its options to the monitored value, which colours it.

    Args:
        names: the options, one axis each.
        logs: those with a logarithmic axis.
        monitor, metric: as for `history`.
    """
    figure, panel = canvas.panel(size=(2.0 + 1.6 * len(names), 4))
    axes = [_axis([row[name] for row in rows], log=name in logs) for name in names]
    values = np.array([row[monitor] for row in rows])
    axes.append(_axis(list(values), log=False))
    places = np.stack([place for place, _ in axes], axis=1)  # [trials, axes], each from 0 to 1
    shade = Normalize(values.min(), values.max())
    scale = colormaps["viridis" if _better(monitor, metric) is np.maximum else "viridis_r"]
    best_last = np.argsort(values if _better(monitor, metric) is np.maximum else -values)
    for i in best_last:
        style = ":" if rows[i]["state"] == "pruned" else "-"
        panel.plot(range(len(axes)), places[i], style, color=scale(shade(values[i])), linewidth=1.2, alpha=0.85)
    for x, (_, ticks) in enumerate(axes):
        panel.axvline(x, color="grey", linewidth=0.8)
        for y, label in ticks:
            text = metric.text(label) if x == len(names) else _word(label)
            box = {"fc": "white", "ec": "none", "alpha": 0.7, "pad": 1}
            panel.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", fontsize=8, va="center", bbox=box)
    panel.set_xticks(range(len(axes)), [*names, monitor])
    panel.set_yticks([])
    panel.set_xlim(-0.1, len(axes) - 0.6)
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    bar = figure.colorbar(ScalarMappable(shade, scale), ax=panel, pad=0.02)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: metric.text(value)))
    bar.set_label(monitor)
    canvas.save(figure, path)


def importance(shares: Mapping[str, float], path: Path, *, monitor: str) -> None:
    """How much of the variance of the monitored value each option explains, the largest share at the top."""
    figure, panel = canvas.panel(size=(5.5, 0.9 + 0.4 * len(shares)))
    names = sorted(shares, key=lambda name: shares[name])
    bars = panel.barh(names, [shares[name] for name in names], color=BLUE)
    panel.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=9)
    panel.set(xlabel=f"share of the variance of {monitor}", xlim=(0, 1.1))
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    panel.spines[["top", "right"]].set_visible(False)
    canvas.save(figure, path)


def _better(monitor: str, metric: Metric) -> np.ufunc:
    return np.minimum if direction(monitor, [metric]) == "min" else np.maximum


def _axis(values: list[Any], *, log: bool) -> tuple[np.ndarray, list[tuple[float, Any]]]:
    """Places from 0 to 1 of the values, float[trials], and the ticks of their axis: (place, value)."""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        numbers = np.array(values, float)
        bend = np.log if log else np.asarray
        low, high = numbers.min(), numbers.max()
        span = (bend(high) - bend(low)) or 1.0
        inner = np.geomspace(low, high, 5) if log else np.linspace(low, high, 5)
        marks = sorted(set(numbers)) if len(set(numbers)) <= 6 else list(inner)
        return (bend(numbers) - bend(low)) / span, [((bend(mark) - bend(low)) / span, mark) for mark in marks]
    words = sorted({str(value) for value in values})
    place = {word: i / max(len(words) - 1, 1) for i, word in enumerate(words)}
    return np.array([place[str(value)] for value in values]), [(place[word], word) for word in words]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"


def _finish(panel, metric: Metric) -> None:
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: metric.text(value)))
    panel.spines[["top", "right"]].set_visible(False)
