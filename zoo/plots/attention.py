"""Where a decoder looked while it wrote."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.plots import canvas


def alignment(weights: Sequence[Sequence[float]], path: Path, *, source: Sequence[str], target: Sequence[str]) -> None:
    """The attention weights of a translation: a row for each token written, a column for each token read.

    Args:
        weights: float[len(target), len(source)], each row sums to 1.
    """
    figure, panel = canvas.panel(size=(0.34 * len(source) + 1.2, 0.3 * len(target) + 1.0))
    panel.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    panel.set_xticks(range(len(source)), source, rotation=60, ha="left", rotation_mode="anchor")
    panel.set_yticks(range(len(target)), target)
    panel.xaxis.tick_top()
    canvas.save(figure, path)


def over_picture(
    weights: Sequence[Sequence[float]], path: Path, *, picture: np.ndarray, words: Sequence[str], columns: int = 5
) -> None:
    """A picture once for each word of its caption; the places that the word was read from are light.

    Args:
        weights: float[len(words), positions], each row a square grid, row by row.
        picture: uint8[H, W, 3].
    """
    rows = -(-max(len(words), 1) // columns)
    figure, panels = canvas.panels(rows, columns, size=(2 * columns, 2.3 * rows))
    height, width = picture.shape[:2]
    for panel in panels.flat:
        panel.axis("off")
    for panel, word, weight in zip(panels.flat, words, weights, strict=False):
        side = round(len(weight) ** 0.5)
        grid = np.reshape(weight, (side, side))
        panel.imshow(picture)
        light = panel.imshow(
            grid, cmap="gray", alpha=0.6, extent=(0, width, height, 0), interpolation="bilinear", vmin=0
        )
        light.set_clim(0, max(grid.max(), 1e-9))
        panel.set_title(word, fontsize=10)
    canvas.save(figure, path)
