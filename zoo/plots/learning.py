"""How a training went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from zoo.plots import canvas


def curve(history: Mapping[str, Sequence[float]], path: Path, *, monitor: str, best: int) -> None:
    """Loss and the monitored metric by epoch, training against validation.

    Args:
        history: name → one value per epoch; names of validation begin with val_.
        monitor: the monitored key, such as "val_accuracy".
        best: the epoch whose weights were kept, from 0; a dashed line marks it.
    """
    metric = monitor.removeprefix("val_")
    names = ["loss"] if metric == "loss" else ["loss", metric]
    figure, panels = canvas.panels(1, len(names), size=(5 * len(names), 3.4))
    for panel, name in zip(panels[0], names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                panel.plot(range(1, len(history[key]) + 1), history[key], marker="o", markersize=3, label=label)
        panel.axvline(best + 1, color="grey", linewidth=0.8, linestyle="--", label="kept")
        panel.set(xlabel="epoch", ylabel=name)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend()
    canvas.save(figure, path)


def gradient_norm(history: Mapping[str, Sequence[float]], path: Path, *, clip_norm: float) -> None:
    """The mean global gradient norm of each epoch before clipping; a dashed line marks `clip_norm`."""
    figure, panel = canvas.panel(size=(5, 3.4))
    panel.plot(range(1, len(history["gradient_norm"]) + 1), history["gradient_norm"], marker="o", markersize=3)
    panel.axhline(clip_norm, color="grey", linewidth=0.8, linestyle="--", label="clipped to")
    panel.set(xlabel="epoch", ylabel="gradient norm", yscale="log")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend()
    canvas.save(figure, path)
