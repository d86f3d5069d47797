"""The metric of several variants of a model against their costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import FuncFormatter, MaxNLocator

from zoo.metrics.metric import Metric
from zoo.plots import canvas

COSTS = {"weights": "trainable weights", "seconds": "seconds of training", "tokens_per_second": "tokens per second"}
MARKERS = "osD^vP*X"


def against(
    rows: Sequence[Mapping[str, Any]], path: Path, *, metric: Metric, baselines: Sequence[Mapping[str, Any]] = ()
) -> None:
    """A panel for each cost. Bars are one standard deviation over the seeds; a dashed line is a classical baseline.

    Args:
        rows: "variant" (its name), the metric under its own name and the costs: a number or one for each seed. A row
            without values of the metric is left out.
        metric: its name, direction and format.
        baselines: "name", and values of the metric.
    """
    figure, panels = canvas.panels(1, len(COSTS), size=(4.2 * len(COSTS), 3.8))
    colors = colormaps["tab10"]
    for panel, (cost, label) in zip(panels[0], COSTS.items(), strict=True):
        for i, row in enumerate(rows):
            if not row[metric.name]:
                continue
            x, y = np.atleast_1d(row[cost]), np.array(row[metric.name])
            panel.errorbar(
                x.mean(),
                y.mean(),
                xerr=_deviation(x),
                yerr=_deviation(y),
                fmt=MARKERS[i // 10 % len(MARKERS)],
                color=colors(i % 10),
                capsize=3,
                label=row["variant"],
            )
        for i, baseline in enumerate(baselines):
            style = {"color": "grey", "linewidth": 1, "linestyle": ("--", ":", "-.")[i % 3]}
            panel.axhline(np.mean(baseline[metric.name]), label=baseline["name"], **style)
        panel.set_xlabel(label)
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: metric.text(value)))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel(f"{metric.name} {metric.arrow}, test split".replace(" ,", ","))
    figure.tight_layout()
    handles, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    canvas.save(figure, path)


def _deviation(values: np.ndarray) -> float | None:
    return values.std(ddof=1) if len(values) > 1 else None
