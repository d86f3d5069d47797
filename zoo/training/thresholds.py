"""The threshold of a detector from scores of held-out normal data. No label is used."""

from typing import Literal

import numpy as np

TAIL = 0.1  # the share of the largest scores that a tail is fitted to
FEWEST = 10  # scores in a tail that is fitted


def threshold(scores: np.ndarray, *, risk: float, how: Literal["quantile", "tail"]) -> float:
    """The score that normal data exceeds with probability `risk`.

    "quantile" is the quantile of the scores, which cannot lie beyond the largest of them. "tail" fits a generalised
    Pareto distribution to the largest tenth and extrapolates (peaks over threshold; Siffer et al. 2017, section 3,
    https://doi.org/10.1145/3097983.3098144).

    Args:
        scores: float[N]; NaN and infinities are left out.
    Raises:
        ValueError: there is no finite score.
    """
    scores = np.asarray(scores, np.float64)
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        raise ValueError("no finite score to choose a threshold from")
    if how == "tail":
        begin = float(np.quantile(scores, 1 - TAIL))
        excess = scores[scores > begin] - begin
        if len(excess) >= FEWEST and risk < TAIL:
            from scipy.stats import genpareto

            shape, _, scale = genpareto.fit(excess, floc=0)
            return begin + float(genpareto.isf(risk * len(scores) / len(excess), shape, scale=scale))
    return float(np.quantile(scores, 1 - risk))
