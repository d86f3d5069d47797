"""The pictures of a run. Each function writes one PNG."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")  # also on a machine without a screen
from matplotlib import pyplot as plt
from matplotlib.ticker import MaxNLocator


def _save(figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)


def learning_curve(history: Mapping[str, Sequence[float]], path: Path, *, monitor: str, best: int) -> None:
    """Loss and the watched metric by epoch, training against validation; a line marks the epoch that was kept."""
    metric = monitor.removeprefix("val_")
    names = ["loss"] if metric == "loss" else ["loss", metric]
    figure, panels = plt.subplots(1, len(names), figsize=(5 * len(names), 3.4), squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                panel.plot(range(1, len(history[key]) + 1), history[key], marker="o", markersize=3, label=label)
        panel.axvline(best + 1, color="grey", linewidth=0.8, linestyle="--", label="kept")
        panel.set(xlabel="epoch", ylabel=name)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend()
    _save(figure, path)


def gradient_norm(history: Mapping[str, Sequence[float]], path: Path, *, clip_norm: float) -> None:
    """Mean global gradient norm of each epoch, before clipping, and the norm it is clipped to."""
    figure, panel = plt.subplots(figsize=(5, 3.4))
    panel.plot(range(1, len(history["gradient_norm"]) + 1), history["gradient_norm"], marker="o", markersize=3)
    panel.axhline(clip_norm, color="grey", linewidth=0.8, linestyle="--", label="clipped to")
    panel.set(xlabel="epoch", ylabel="gradient norm", yscale="log")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend()
    _save(figure, path)


def length_histogram(lengths: np.ndarray, edges: np.ndarray, path: Path, *, efficiency: float) -> None:
    """How long the examples are, one panel an axis; lines mark the lengths that batches are padded to."""
    axes = lengths.shape[1]
    figure, panels = plt.subplots(1, axes, figsize=(6 * axes, 3.4), squeeze=False)
    for axis, panel in enumerate(panels[0]):
        panel.hist(lengths[:, axis], bins=min(60, max(int(np.ptp(lengths[:, axis])), 1)), color="#7aa6c2")
        for edge in np.unique(edges[:, axis]):
            panel.axvline(edge, color="#c2543b", linewidth=0.9)
        panel.set(xlabel="steps", ylabel="examples")
    figure.suptitle(f"{efficiency:.1%} of the computed positions are real", fontsize=10)
    _save(figure, path)


def confusion_matrix(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str], path: Path) -> None:
    """Rows are the true labels, columns the predicted ones; shade is the share of the row, numbers are counts."""
    index = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), int)
    for true, guess in zip(truth, predicted, strict=True):
        counts[index[true], index[guess]] += 1
    size = max(3.2, 0.45 * len(labels) + 1.5)
    figure, panel = plt.subplots(figsize=(size, size))
    panel.imshow(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    panel.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 5 else 0)
    panel.set_yticks(range(len(labels)), labels)
    panel.set(xlabel="predicted", ylabel="true")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for i, j in np.argwhere(counts > 0):
        colour = "white" if shares[i, j] > 0.6 else "black"
        panel.text(j, i, counts[i, j], ha="center", va="center", fontsize=8 if len(labels) > 5 else 10, color=colour)
    _save(figure, path)


def attention(source: Sequence[str], target: Sequence[str], weights: Sequence[Sequence[float]], path: Path) -> None:
    """What each written token looked at: a row for it, a column for every token read, shade is the weight.

    Args:
        weights: float[len(target), len(source)], each row sums to 1.
    """
    figure, panel = plt.subplots(figsize=(0.34 * len(source) + 1.2, 0.3 * len(target) + 1.0))
    panel.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    panel.set_xticks(range(len(source)), source, rotation=60, ha="left", rotation_mode="anchor")
    panel.set_yticks(range(len(target)), target)
    panel.xaxis.tick_top()
    _save(figure, path)


def attention_maps(
    picture: np.ndarray, words: Sequence[str], weights: Sequence[Sequence[float]], path: Path, *, columns: int = 5
) -> None:
    """A picture once for each word of its caption, light where the word was read from.

    Args:
        picture: uint8[H, W, 3].
        weights: float[len(words), positions], each row a square grid read row by row.
    """
    rows = -(-max(len(words), 1) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(2 * columns, 2.3 * rows), squeeze=False)
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
    _save(figure, path)


def picture_grid(rows: Mapping[str, Sequence[tuple[np.ndarray, str]]], path: Path) -> None:
    """Titled rows of pictures, uint8[H, W, 3], with a text under each."""
    columns = max(map(len, rows.values()))
    figure, panels = plt.subplots(len(rows), columns, figsize=(3 * columns, 3.8 * len(rows)), squeeze=False)
    for panel in panels.flat:
        panel.axis("off")
    for line, (title, cells) in zip(panels, rows.items(), strict=True):
        line[0].set_title(title, loc="left", fontsize=11)
        for panel, (picture, text) in zip(line, cells, strict=False):
            panel.imshow(picture)
            text = "\n".join(textwrap.fill(part, 38) for part in text.splitlines())
            panel.text(0.5, -0.03, text, ha="center", va="top", fontsize=8, transform=panel.transAxes)
    _save(figure, path)


def tag_probabilities(
    tokens: Sequence[str], tags: Sequence[str], probabilities: np.ndarray | Sequence[Sequence[float]], path: Path
) -> None:
    """One sentence: a column for each word, a row for each tag that any word may have, shade is the probability.

    Args:
        tags: the names of the tags.
        probabilities: float[words, tags].
    """
    shares = np.asarray(probabilities, float)
    likely = np.flatnonzero((shares > 0.01).any(axis=0))  # fifty rows of nothing hide the three that matter
    figure, panel = plt.subplots(figsize=(max(3.2, 0.55 * len(tokens) + 1), max(1.6, 0.35 * len(likely) + 0.8)))
    panel.imshow(shares[:, likely].T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    panel.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right")
    panel.set_yticks(range(len(likely)), [tags[int(i)] for i in likely])
    for word, tag in np.argwhere(shares[:, likely] > 0.01):
        share = shares[word, likely[tag]]
        colour = "white" if share > 0.6 else "black"
        panel.text(word, tag, f"{share:.2f}", ha="center", va="center", fontsize=7, color=colour)
    _save(figure, path)
