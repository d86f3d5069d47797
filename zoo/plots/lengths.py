"""How long the examples are, and how much padding they cost."""

from pathlib import Path

import numpy as np

from zoo.plots import canvas


def histogram(lengths: np.ndarray, edges: np.ndarray, path: Path, *, efficiency: float) -> None:
    """A histogram of lengths for each time axis; red lines mark the lengths that batches are padded to.

    Args:
        lengths: int[examples, axes].
        edges: int[shapes, axes], the padded lengths.
        efficiency: the share of computed positions that are not padding.
    """
    axes = lengths.shape[1]
    figure, panels = canvas.panels(1, axes, size=(6 * axes, 3.4))
    for axis, panel in enumerate(panels[0]):
        panel.hist(lengths[:, axis], bins=min(60, max(int(np.ptp(lengths[:, axis])), 1)), color="#7aa6c2")
        for edge in np.unique(edges[:, axis]):
            panel.axvline(edge, color="#c2543b", linewidth=0.9)
        panel.set(xlabel="steps", ylabel="examples")
    figure.suptitle(f"{efficiency:.1%} of the computed positions are real", fontsize=10)
    canvas.save(figure, path)
