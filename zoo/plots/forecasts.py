"""How good forecasts are: fans of quantiles beside the truth, errors and coverage by horizon, and the worst series."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator, PercentFormatter

from zoo.metrics import series as metrics
from zoo.plots import canvas, tables

FANS, COLUMNS = 9, 3  # the most panels of `fans`, and how many stand side by side
WORST = 15  # the most series of `worst`
MARKED = 24  # the longest horizon whose points are marked
PAST, TRUTH, MODEL, SHADE, BASELINE = "#8a8a8a", "#c2543b", "#1f5c85", "#7aa6c2", "#d9c9b6"


def report(
    quantiles: np.ndarray,
    truth: np.ndarray,
    examples: Sequence[dict],
    folder: Path,
    *,
    levels: Sequence[float],
    width: float,
) -> None:
    """Draws some forecasts of the first target, errors and coverage by horizon and the worst series; writes tables.

    Args:
        quantiles: float[R, H, N, Q].
        truth: float[R, H, N], NaN where it is missing.
        examples: R windows; see `zoo.data.series.windows`.
        folder: for fans.png, by_horizon.png, worst.png, horizon.csv and series.csv.
        levels: Q ascending probabilities, 0.5 among them.
        width: the probability of the interval whose coverage is shown.
    """
    chosen = np.linspace(0, len(examples) - 1, min(len(examples), FANS)).astype(int)
    fans(
        [examples[i]["history"][:, 0] for i in chosen],
        [quantiles[i, :, 0] for i in chosen],
        [truth[i, :, 0] for i in chosen],
        folder / "fans.png",
        levels=levels,
        names=[f"{examples[i]['series']} {examples[i]['time']}" for i in chosen],
    )
    low, high = metrics.ends(levels, width)
    errors = np.abs(quantiles[..., list(levels).index(0.5)] - truth)  # [R, H, N]
    inside = (truth >= quantiles[..., low]) & (truth <= quantiles[..., high])
    covered = np.where(np.isfinite(truth), inside, np.nan)
    relative = errors / np.array([example["naive_error"] for example in examples])[:, None]
    by_horizon(errors[..., 0], covered[..., 0], folder / "by_horizon.png", wanted=width)
    names = np.array([example["series"] for example in examples])
    by_series = {name: float(_means(relative[names == name].reshape(-1, 1))[0]) for name in dict.fromkeys(names)}
    worst(list(by_series), np.array(list(by_series.values())), folder / "worst.png")
    tables.write(({"series": name, "mase": value} for name, value in by_series.items()), folder / "series.csv")
    columns = {"mae": errors, "mase": relative, "coverage": covered}
    by_step = [_means(values.swapaxes(1, 2).reshape(-1, values.shape[1])) for values in columns.values()]
    rows = ({"step": h + 1, **dict(zip(columns, row, strict=True))} for h, row in enumerate(np.stack(by_step, axis=1)))
    tables.write(rows, folder / "horizon.csv")


def fans(
    histories: Sequence[np.ndarray],
    forecasts: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    path: Path,
    *,
    levels: Sequence[float],
    names: Sequence[str],
) -> None:
    """One small panel for each of the first nine forecasts: history, truth, median, and intervals as shades.

    Levels that mirror each other, such as 0.1 and 0.9, make an interval; inner ones are darker. NaN are gaps.

    Args:
        histories: float[T], oldest first; the last 3*H values are drawn.
        forecasts: float[H, Q], the quantiles of each step.
        truths: float[H].
        levels: Q ascending probabilities; without 0.5 the level nearest to it stands for the median.
        names: the titles.
    """
    count = min(len(names), FANS)
    columns = max(1, min(count, COLUMNS))
    rows = max(1, math.ceil(count / columns))
    figure, panels = canvas.panels(rows, columns, size=(3.9 * columns + 0.4, 2.2 * rows + 0.6))
    figure.set_layout_engine("constrained")
    for panel in panels.flat[count:]:
        panel.set_axis_off()
    shown = zip(histories, forecasts, truths, names, strict=True)
    for panel, (history, quantiles, truth, name) in zip(panels.flat[:count], shown, strict=False):
        _fan(panel, np.asarray(history, float), np.asarray(quantiles, float), np.asarray(truth, float), levels)
        panel.set_title(_short(name), fontsize=9, parse_math=False)
    for panel in panels[-1]:
        panel.set_xlabel("steps from the forecast", fontsize=8)
    if count:
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    canvas.save(figure, path)


def by_horizon(errors: np.ndarray, covered: np.ndarray, path: Path, *, wanted: float) -> None:
    """Two panels by horizon: the mean absolute error, and the share of truths inside the interval.

    Args:
        errors: float[R, H], truth − forecast or its absolute value, in the unit of the series; NaN where there is no
            truth.
        covered: bool[R, H], or float with NaN where there is no truth.
        wanted: the probability of the interval, such as 0.8; a dashed line marks it.
    """
    figure, panels = canvas.panels(1, 2, size=(10, 3.4))
    figure.set_layout_engine("constrained")
    shares = _means(np.asarray(covered, float))
    steps = np.arange(1, len(shares) + 1)
    marker = "o" if len(steps) <= MARKED else ""
    for panel, values in zip(panels[0], (_means(np.abs(errors)), shares), strict=True):
        panel.plot(steps, values, color=MODEL, marker=marker, markersize=3)
        panel.set_xlabel("steps ahead")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(axis="y", color="#e5e5e5", linewidth=0.8)
        panel.set_axisbelow(True)
    left, right = panels[0]
    left.set_ylabel("mean absolute error")
    left.set_ylim(bottom=0)
    right.axhline(wanted, color="grey", linewidth=0.8, linestyle="--", label=f"wanted: {wanted:.0%}")
    right.set_ylabel("inside the interval")
    right.set_ylim(max(0, min(wanted, np.nanmin(shares, initial=1)) - 0.15), 1.02)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.legend(loc="lower right")
    canvas.save(figure, path)


def worst(names: Sequence[str], values: np.ndarray, path: Path, *, baseline: np.ndarray | None = None) -> None:
    """The series with the largest errors as bars, at most 15, the largest on top.

    Args:
        names: of N series.
        values: float[N], the error of each; series with NaN are left out.
        baseline: float[N], the baseline's error, drawn beside each.
    """
    values = np.asarray(values, float)
    order = np.argsort(-values)[:WORST]  # NaN stand at the end
    order = order[np.isfinite(values[order])]
    places = np.arange(len(order))
    height = 0.7 if baseline is None else 0.38
    figure, panel = canvas.panel(size=(6.5, 0.36 * max(len(order), 2) + 0.9))
    panel.barh(places, values[order], height, color=SHADE, label="model")
    if baseline is not None:
        panel.barh(places + height, np.asarray(baseline, float)[order], height, color=BASELINE, label="baseline")
        panel.legend(loc="lower right")
    middle = 0 if baseline is None else height / 2
    panel.set_yticks(places + middle, [_short(names[index]) for index in order], fontsize=8, parse_math=False)
    panel.set_ylim(max(len(order), 1) - 0.5 + middle, middle - 0.6)
    panel.set_xlabel("error")
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(axis="y", length=0)
    canvas.save(figure, path)


def _fan(panel, history: np.ndarray, quantiles: np.ndarray, truth: np.ndarray, levels: Sequence[float]) -> None:
    horizon = len(quantiles)
    history = history[max(0, len(history) - 3 * horizon) :]
    now = history[-1] if len(history) else np.nan
    steps = np.concatenate([[0.5], np.arange(1, horizon + 1), [horizon + 0.5]])  # so that one step has a width
    quantiles = np.pad(quantiles, ((1, 1), (0, 0)), mode="edge")  # [H + 2, Q]
    pairs = _pairs(levels)
    for place, (low, high) in enumerate(pairs):
        color = colormaps["Blues"](0.15 + 0.35 * place / max(len(pairs) - 1, 1))
        name = f"{levels[high] - levels[low]:.0%} interval"
        panel.fill_between(steps, quantiles[:, low], quantiles[:, high], color=color, linewidth=0, label=name)
    median = int(np.argmin(np.abs(np.asarray(levels) - 0.5)))
    panel.plot(np.arange(1 - len(history), 1), history, color=PAST, linewidth=1, label="history")
    panel.plot(steps, quantiles[:, median], color=MODEL, linewidth=1.3, label="median")
    marks = {"marker": "o", "markersize": 3, "markevery": slice(1, None)} if horizon == 1 else {}
    panel.plot(np.arange(horizon + 1), np.append(now, truth), color=TRUTH, linewidth=1.1, label="truth", **marks)
    panel.axvline(0, color="#cccccc", linewidth=0.8, zorder=0)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    return name if len(name) <= 40 else name[:39] + "…"


def _pairs(levels: Sequence[float]) -> list[tuple[int, int]]:
    """The places of the levels that mirror each other, the widest interval first."""
    found = []
    for low, level in enumerate(levels):
        for high in range(low + 1, len(levels)):
            if math.isclose(level + levels[high], 1, abs_tol=1e-6):
                found.append((low, high))
    return found


def _means(values: np.ndarray) -> np.ndarray:
    """float[H]: the mean of each column without its NaN; NaN if there is nothing else."""
    seen = ~np.isnan(values)
    count = seen.sum(axis=0)
    return np.where(count > 0, np.where(seen, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
