"""Makes and saves figures. It does without pyplot, so no screen is needed and a notebook keeps its own backend."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def panels(rows: int = 1, columns: int = 1, *, size: tuple[float, float]) -> tuple[Figure, np.ndarray]:
    """A figure of `size` (width, height in inches) and its axes, matplotlib.axes.Axes[rows, columns]."""
    figure = Figure(figsize=size)
    return figure, figure.subplots(rows, columns, squeeze=False)


def panel(*, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure of `size` (width, height in inches) with one matplotlib.axes.Axes."""
    figure, grid = panels(size=size)
    return figure, grid[0, 0]


def save(figure: Figure, path: Path) -> None:
    """Writes the figure; missing folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")
