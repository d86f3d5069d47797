"""How sure a tagger is of each word."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.plots import canvas


def probabilities(
    values: np.ndarray | Sequence[Sequence[float]], path: Path, *, tokens: Sequence[str], tags: Sequence[str]
) -> None:
    """One sentence: a column for each word, a row for each tag that is likely for any of them.

    Args:
        values: float[words, tags], the probability of each tag.
        tokens: the words.
        tags: the names of the tags.
    """
    shares = np.asarray(values, float)
    likely = np.flatnonzero((shares > 0.01).any(axis=0))  # a tag set of fifty would hide the few rows that matter
    figure, panel = canvas.panel(size=(max(3.2, 0.55 * len(tokens) + 1), max(1.6, 0.35 * len(likely) + 0.8)))
    panel.imshow(shares[:, likely].T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    panel.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right")
    panel.set_yticks(range(len(likely)), [tags[int(i)] for i in likely])
    for word, tag in np.argwhere(shares[:, likely] > 0.01):
        share = shares[word, likely[tag]]
        color = "white" if share > 0.6 else "black"
        panel.text(word, tag, f"{share:.2f}", ha="center", va="center", fontsize=7, color=color)
    canvas.save(figure, path)
