"""The answers of a detector of anomalies: scores, alarms and the truth over time; the distribution of the scores."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zoo.plots import canvas

SHOWN = 3  # sensors below the score
MODEL, TRUTH, ALARM, EXPECTED = "#1f5c85", "#c2543b", "#e0a030", "#7aa6c2"


def series(example: dict, answer: dict, path: Path, *, names: Sequence[str]) -> None:
    """The score with its threshold, the alarms and the truth, above the sensors that are furthest from expectation.

    Args:
        example: history float[T, C], first, and if it is known anomaly float[T].
        answer: score float[T], alarm bool[T], threshold, errors float[T, C], expected float[T, C].
        names: of the C sensors.
    """
    score, alarm = np.asarray(answer["score"]), np.asarray(answer["alarm"], bool)
    history, expected = np.asarray(example["history"]), np.asarray(answer["expected"])
    steps = np.arange(len(score))
    worst = np.argsort(-np.asarray(answer["errors"])[example["first"] :].max(axis=0, initial=0))[:SHOWN]
    figure, panels = canvas.panels(1 + len(worst), 1, size=(10, 2.2 + 1.3 * len(worst)))
    figure.set_layout_engine("constrained")
    top = panels[0, 0]
    top.plot(steps, score, color=MODEL, linewidth=0.8, label="score")
    top.axhline(answer["threshold"], color="grey", linestyle="--", linewidth=0.8, label="threshold")
    limit = 4 * abs(answer["threshold"])
    top.set_ylim(min(0, score.min()), max(limit, np.quantile(score, 0.9)))
    top.set_title(str(example.get("series", "")), fontsize=9, parse_math=False)
    for panel, sensor in zip(panels[1:, 0], worst, strict=True):
        panel.plot(steps, expected[:, sensor], color=EXPECTED, linewidth=0.8, label="expected")
        panel.plot(steps, history[:, sensor], color=MODEL, linewidth=0.7, label="observed")
        panel.set_ylabel(names[sensor], fontsize=8, parse_math=False)
    for panel in panels[:, 0]:
        panel.set_xlim(0, max(len(score) - 1, 1))
        panel.tick_params(labelsize=7)
        panel.spines[["top", "right"]].set_visible(False)
        if example["first"]:
            panel.axvspan(0, example["first"], color="#f2f2f2", zorder=0, label="not scored")
        if "anomaly" in example:
            _shade(panel, np.asarray(example["anomaly"]) > 0, TRUTH, "anomaly", low=0.0, high=1.0, alpha=0.18)
        _shade(panel, alarm, ALARM, "alarm", low=0.93, high=1.0, alpha=1.0)
    panels[-1, 0].set_xlabel("step")
    found: dict = {}
    for panel in panels[:2, 0]:
        found |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(found.values(), found, loc="outside lower center", ncols=len(found), fontsize=8, frameon=False)
    canvas.save(figure, path)


def distribution(pairs: Iterable[tuple[dict, dict]], path: Path) -> None:
    """Histograms of the scores of normal and of anomalous steps, in thresholds.

    Args:
        pairs: examples, with first and anomaly float[T], which is NaN where it is unknown, and their answers, with
            score float[T] and threshold.
    """
    values, truths = [], []
    for example, answer in pairs:
        values.append(np.asarray(answer["score"])[example["first"] :] / answer["threshold"])
        truths.append(np.asarray(example["anomaly"])[example["first"] :])
    value, truth = np.concatenate(values), np.concatenate(truths)
    figure, panel = canvas.panel(size=(7, 3.4))
    bins = np.linspace(min(0.0, float(np.quantile(value, 0.01))), max(4.0, float(np.quantile(value, 0.9))), 61)
    for name, mine, color in (("normal", truth == 0, MODEL), ("anomalous", truth > 0, TRUTH)):
        if mine.any():
            panel.hist(np.clip(value[mine], bins[0], bins[-1]), bins, density=True, color=color, alpha=0.55, label=name)
    if not np.isfinite(truth).any():
        panel.hist(np.clip(value, bins[0], bins[-1]), bins, density=True, color=MODEL, alpha=0.55, label="all steps")
    panel.axvline(1, color="grey", linestyle="--", linewidth=1, label="threshold")
    panel.set_xlabel("score in thresholds; the last bar holds all larger ones")
    panel.set_ylabel("density")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend()
    canvas.save(figure, path)


def _shade(panel, flags: np.ndarray, color: str, label: str, *, low: float, high: float, alpha: float) -> None:
    """Marks runs of true values between two heights of the panel, 0 to 1."""
    panel.fill_between(
        np.arange(len(flags)),
        low,
        high,
        where=flags | np.append(False, flags[:-1]),
        transform=panel.get_xaxis_transform(),
        color=color,
        alpha=alpha,
        linewidth=0,
        label=label,
    )
