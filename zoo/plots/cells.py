"""Coloured text in a font of equal widths: each character stands in a cell of a grid. Thousands are drawn at once."""

from functools import cache
from pathlib import Path as File

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from zoo.plots import canvas

FONT, ADVANCE, LINE = 9, 0.602, 1.7  # size in points; width of a character and height of a line, in sizes
MONOSPACE = "DejaVu Sans Mono"  # comes with matplotlib; ADVANCE is its width
PIXELS = 12  # of a line's background
NO_GLYPH = "□"  # stands for a character that the font lacks

Cell = tuple[str, str, str]  # the character, the colour behind it, its own colour


def fill(cells: dict[tuple[int, int], Cell], line: int, column: int, text: str, background: str, ink: str) -> int:
    """Puts a text into the cells of a line, from `column` on; returns the column after it."""
    for place, character in enumerate(text):
        cells[line, column + place] = character, background, ink
    return column + len(text)


def draw(cells: dict[tuple[int, int], Cell], path: File, *, columns: int, title: str = "") -> None:
    """Draws the cells as a PNG picture.

    Args:
        cells: (line, column) → cell; columns are smaller than `columns`.
    """
    height = max([line for line, _ in cells] + [2]) + 1
    behind = np.ones((height, PIXELS, columns, 3))
    ink: dict[str, list[Path]] = {}
    for (line, column), (character, background, color) in cells.items():
        behind[line, 1:, column] = to_rgb(background)  # a white row of pixels stays between two lines
        if not character.isspace():
            place = Affine2D().translate(column, line + 0.7)
            ink.setdefault(color, []).append(_glyph(character).transformed(place))
    figure, panel = canvas.panel(size=(ADVANCE * columns * FONT / 72, LINE * height * FONT / 72))
    panel.set_position((0, 0, 1, 1))
    panel.set_title(title, loc="left", fontsize=9)
    panel.axis("off")
    extent = (0, columns, height, 0)
    panel.imshow(behind.reshape(-1, columns, 3), extent=extent, aspect="auto", interpolation="none")
    for color, glyphs in ink.items():
        panel.add_patch(PathPatch(Path.make_compound_path(*glyphs), color=color, linewidth=0))
    canvas.save(figure, path)


@cache
def _glyph(character: str) -> Path:
    """The outline of a character; one unit is the width of a column, or the height of a line downwards."""
    font = FontProperties(family=MONOSPACE)
    if not get_font(findfont(font)).get_char_index(ord(character)):
        character = NO_GLYPH
    outline = TextPath((0, 0), character, size=FONT, prop=font)
    return outline.transformed(Affine2D().scale(1 / (ADVANCE * FONT), -1 / (LINE * FONT)))
