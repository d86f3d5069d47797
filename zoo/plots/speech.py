"""A sound and its transcript over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.plots import canvas


def aligned(
    features: np.ndarray, path: Path, *, symbols: Sequence[str], times: Sequence[float], seconds: float, truth: str = ""
) -> None:
    """The features of a sound, and each symbol at the time where it begins.

    Args:
        features: float[T, F], such as log-mel energies, low frequencies first.
        times: where each symbol begins, in seconds.
        seconds: from one frame to the next.
        truth: the text that was said, if it is known.
    """
    length = len(features) * seconds
    figure, panel = canvas.panel(size=(min(max(4 * length, 6), 16), 3))
    panel.imshow(features.T, origin="lower", aspect="auto", cmap="magma", extent=(0, length, 0, features.shape[1]))
    top = features.shape[1]
    for symbol, time in zip(symbols, times, strict=True):
        panel.axvline(time, color="white", linewidth=0.6, alpha=0.7)
        panel.text(time, top, symbol if symbol.strip() else "␣", va="bottom", fontsize=9)
    panel.set_xlabel("seconds" + (f"; said: {truth}" if truth else ""))
    panel.set_ylabel("feature")
    canvas.save(figure, path)


def posteriors(probabilities: np.ndarray, path: Path, *, classes: Sequence[str], seconds: float) -> None:
    """The probability of each class over the time, as lines; the blank is grey.

    Args:
        probabilities: float[T, N + 1], the blank last.
        classes: names of the N symbols.
        seconds: from one step to the next.
    """
    figure, panel = canvas.panel(size=(min(max(4 * len(probabilities) * seconds, 6), 16), 3))
    time = np.arange(len(probabilities)) * seconds
    panel.fill_between(time, probabilities[:, -1], color="0.85", label="blank")
    highest = probabilities[:, :-1].max(axis=0)
    named = [int(i) for i in np.flatnonzero(highest > 0.3)]
    for i in named:
        panel.plot(time, probabilities[:, i], linewidth=1.2)
        at = int(probabilities[:, i].argmax())
        panel.text(time[at], probabilities[at, i] + 0.02, classes[i] if classes[i].strip() else "␣", ha="center")
    panel.set_ylim(0, 1.15)
    panel.set_xlabel("seconds")
    panel.set_ylabel("probability")
    panel.legend(loc="upper left", bbox_to_anchor=(1, 1))
    canvas.save(figure, path)
