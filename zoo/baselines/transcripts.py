"""The classical baselines of speech recognition: the nearest recording, and one text for all."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.metrics import transcripts

STEPS = 32  # that each recording is cut to before it is compared
TRIED = 50  # of the most frequent texts, one of which is the constant answer
ASKED = 300  # training texts that the constant answer is chosen on


def nearest(
    known: Sequence[np.ndarray], texts: Sequence[str], asked: Sequence[np.ndarray], *, steps: int = STEPS
) -> Baseline:
    """Gives each recording the text of the training recording that is nearest by dynamic time warping.

    Sakoe & Chiba 1978, https://doi.org/10.1109/TASSP.1978.1163055, symmetric steps, on the means of `steps` equal
    parts.

    Args:
        known, asked: features float32[T, F] of training and of the questions.
        texts: what the training recordings say.
    """
    before, after = (np.stack([_parts(one, steps) for one in found]) for found in (known, asked))
    answers = [{"text": texts[int(np.argmin(_warped(before, one)))]} for one in after]
    return Baseline("nearest training recording by dynamic time warping", answers=answers)


def constant(texts: Sequence[str], count: int) -> Baseline:
    """Gives each of `count` recordings the training text that makes the fewest word errors in training."""
    frequent = [text for text, _ in Counter(texts).most_common(TRIED)]
    truth = list(texts[:: max(len(texts) // ASKED, 1)])
    best = min(frequent, key=lambda text: transcripts.scores([text] * len(truth), truth=truth)["wer"])
    return Baseline("always the same text", answers=[{"text": best}] * count)


def _parts(features: np.ndarray, steps: int) -> np.ndarray:
    """float32[steps, F]: the means of equal parts; frames repeat where there are fewer."""
    edges = np.linspace(0, len(features), steps + 1)
    starts = np.minimum(edges[:-1].astype(int), len(features) - 1)
    ends = np.maximum(np.ceil(edges[1:]).astype(int), starts + 1)
    return np.stack([features[start:end].mean(axis=0) for start, end in zip(starts, ends, strict=True)])


def _warped(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """float[N]: the cost of the best path that aligns float[N, S, F] with float[S, F]."""
    squares = (known**2).sum(axis=2)[:, :, None] + (asked**2).sum(axis=1) - 2 * known @ asked.T
    distance = np.sqrt(np.maximum(squares, 0))  # [N, S, S]
    steps = distance.shape[1]
    total = np.full([len(known), steps + 1, steps + 1], np.inf)
    total[:, 0, 0] = 0
    for i in range(steps):
        for j in range(steps):
            here = distance[:, i, j]
            straight = np.minimum(total[:, i, j + 1], total[:, i + 1, j]) + here
            total[:, i + 1, j + 1] = np.minimum(straight, total[:, i, j] + 2 * here)
    return total[:, -1, -1]
