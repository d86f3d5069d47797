"""Piano rolls: the notes of a piece over its steps, with the given part marked, and how likely each note was."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.data.notes import Span
from zoo.plots import canvas

GIVEN, WRITTEN = "#c2543b", "#1f5c85"
MARGIN = 2  # semitones above and below


def notes(spans: Sequence[Span], path: Path, *, given: int = 0, bar: int = 4, title: str = "") -> None:
    """The notes as bars.

    Args:
        spans: pitch, first step and the step after the last of every note.
        given: steps of the primer, which has another colour.
        bar: steps of a bar, for the grid.
    """
    figure, panel = canvas.panel(size=(9, 3.2))
    for pitch, first, end in spans:
        color = GIVEN if first < given else WRITTEN
        panel.barh(pitch, end - first - 0.08, left=first, height=0.9, color=color, linewidth=0)
    _frame(panel, spans, bar)
    if given:
        panel.axvline(given, color=GIVEN, linewidth=1, linestyle="--")
    for label, color, shown in (("given", GIVEN, given > 0), ("written", WRITTEN, True)):
        if shown:
            panel.barh([np.nan], [1], color=color, label=label)
    panel.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    panel.set_title(title, fontsize=10, loc="left", parse_math=False)
    canvas.save(figure, path)


def probabilities(
    notes: Sequence[tuple[int, int, float]], path: Path, *, nats: Sequence[float], bar: int = 4, title: str = ""
) -> None:
    """Every note shaded by its probability, and below the nats of each step.

    Args:
        notes: step, pitch and probability.
        nats: float[steps].
    """
    figure, (top, bottom) = canvas.panels(2, size=(9, 4.6))
    panel, below = top[0], bottom[0]
    steps, pitches, chances = np.array(notes, float).reshape(-1, 3).T
    marks = panel.scatter(
        steps + 0.5, pitches, c=chances, cmap="viridis", vmin=0, vmax=1, marker="s", s=max(4, 600 / max(len(nats), 1))
    )
    _frame(panel, [(int(pitch), 0, len(nats)) for pitch in pitches], bar)
    panel.set(xlabel="")
    figure.colorbar(marks, ax=[panel, below], label="probability of the note", shrink=0.6)
    below.step(np.arange(len(nats) + 1), [*nats, *list(nats)[-1:]] or [0.0], where="post", color=WRITTEN)
    below.set(xlabel="step", ylabel="nats of the step", xlim=panel.get_xlim())
    below.spines[["top", "right"]].set_visible(False)
    panel.set_title(title, fontsize=10, loc="left", parse_math=False)
    canvas.save(figure, path)


def _frame(panel, spans: Sequence[Span], bar: int) -> None:
    pitches = [pitch for pitch, _, _ in spans] or [60]
    end = max([end for _, _, end in spans], default=1)
    panel.set(xlim=(0, max(end, 1)), ylim=(min(pitches) - MARGIN, max(pitches) + MARGIN), xlabel="step", ylabel="pitch")
    octaves = range(12 * (min(pitches) // 12), max(pitches) + 12, 12)
    panel.set_yticks([c for c in octaves if min(pitches) - MARGIN <= c <= max(pitches) + MARGIN])
    panel.yaxis.set_major_formatter(lambda pitch, _: f"C{int(pitch) // 12 - 1}")
    panel.set_xticks(np.arange(0, end + 1, max(bar, bar * (end // (bar * 16)))))
    panel.grid(axis="x", linewidth=0.4, alpha=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
