"""Inside a network that reads one input: states and gates, which steps mattered, how far it remembers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.plots import canvas

LABELLED = 70  # steps; of a longer input, only some have a label
LONGEST = 16  # characters of a label


def states(parts: Mapping[str, np.ndarray], path: Path, *, labels: Sequence[str], title: str) -> None:
    """A heatmap for each part, such as the forget gate: a column for each step, a row for each unit.

    Units stand in the order of their mean state; the rows of a head of attention are the steps that look.

    Args:
        parts: name → float[T, R]. A gate is between 0 and 1, attention too; states and candidates have both signs.
        labels: the name of each step.
    """
    figure, panels = canvas.panels(len(parts), 1, size=(_width(labels), 1.5 * len(parts) + 1))
    order = np.argsort(-parts["state"].mean(axis=0), kind="stable")
    for panel, (name, part) in zip(panels[:, 0], parts.items(), strict=True):
        part = part if name.startswith("head") else part[:, order]
        signed = not name.endswith("gate") and not name.startswith("head")
        limit = max(float(np.abs(part).max()), 1e-9) if signed else 1.0
        colors = {"cmap": "RdBu", "vmin": -limit} if signed else {"cmap": "Greys", "vmin": 0.0}
        image = panel.imshow(part.T, aspect="auto", interpolation="none", vmax=limit, **colors)
        figure.colorbar(image, ax=panel, pad=0.01).ax.tick_params(labelsize=7)
        panel.set_ylabel(name, fontsize=8)
        panel.set_yticks([])
        panel.set_xticks([])
    panels[0, 0].set_title(title, loc="left", fontsize=9)
    _name_steps(panels[-1, 0], labels, range(len(labels) - 1, -1, -(1 + len(labels) // LABELLED)))
    canvas.save(figure, path)


def importance(
    gradient_times_input: np.ndarray, without: np.ndarray, path: Path, *, labels: Sequence[str], what: str
) -> None:
    """Two bars for each step: its gradient × input, and how far the answer moves when the encoder skips it.

    Args:
        gradient_times_input, without: float[T]; above 0 where the step raises the value.
        what: the name of the value, such as "log odds of the answer".
    """
    figure, panels = canvas.panels(2, 1, size=(_width(labels), 4.2))
    kinds = {"gradient × input": gradient_times_input, "fall without the step": without}
    for panel, (name, values) in zip(panels[:, 0], kinds.items(), strict=True):
        panel.bar(range(len(values)), values, color=np.where(values < 0, "tab:red", "tab:blue"), width=0.8)
        panel.axhline(0, color="black", linewidth=0.6)
        panel.set_ylabel(name, fontsize=8)
        panel.set_xlim(-0.6, len(values) - 0.4)
        panel.set_xticks([])
    panels[0, 0].set_title(f"{what}: blue raises it, red lowers it", loc="left", fontsize=9)
    _name_steps(panels[1, 0], labels, _apart(np.abs(without), len(labels) // LABELLED))
    canvas.save(figure, path)


def memory(norms: Mapping[str, np.ndarray], path: Path) -> None:
    """The norm of the derivative of the last state by the input k steps back, a line for each direction of reading.

    Args:
        norms: direction → float[T]; the first is that of the last step read.
    """
    figure, panel = canvas.panel(size=(6, 3.4))
    for name, values in norms.items():
        positive = np.where(values > 0, values, np.nan)  # a Transformer sees nothing beyond its window
        panel.semilogy(range(len(values)), positive, marker="o", markersize=2.5, linewidth=1, label=name)
    panel.set(xlabel="steps back", ylabel="norm of d state / d input")
    panel.legend(fontsize=8)
    canvas.save(figure, path)


def _width(labels: Sequence[str]) -> float:
    return min(max(0.2 * len(labels) + 2, 6), 16)


def _apart(values: np.ndarray, gap: int) -> list[int]:
    """The steps with the largest values, at least `gap` steps from one another."""
    chosen: list[int] = []
    for step in np.argsort(-values, kind="stable"):
        if len(chosen) < LABELLED and all(abs(step - other) > gap for other in chosen):
            chosen.append(int(step))
    return chosen


def _name_steps(panel: Any, labels: Sequence[str], steps: Sequence[int]) -> None:
    short = [label if len(label) <= LONGEST else label[: LONGEST - 1] + "…" for label in (labels[i] for i in steps)]
    panel.set_xticks(list(steps), short, rotation=90, fontsize=7)
    panel.tick_params(length=2)
