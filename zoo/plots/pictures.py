"""Photographs and drawings with a text under each."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zoo.plots import canvas


def grid(rows: Mapping[str, Sequence[tuple[np.ndarray, str]]], path: Path) -> None:
    """Rows of pictures.

    Args:
        rows: title → pictures of a row, each uint8[H, W, 3] with its text.
    """
    columns = max(map(len, rows.values()))
    figure, panels = canvas.panels(len(rows), columns, size=(3 * columns, 3.8 * len(rows)))
    for panel in panels.flat:
        panel.axis("off")
    for line, (title, cells) in zip(panels, rows.items(), strict=True):
        line[0].set_title(title, loc="left", fontsize=11)
        for panel, (picture, text) in zip(line, cells, strict=False):
            panel.imshow(picture)
            text = "\n".join(textwrap.fill(part, 38) for part in text.splitlines())
            panel.text(0.5, -0.03, text, ha="center", va="top", fontsize=8, transform=panel.transAxes)
    canvas.save(figure, path)
