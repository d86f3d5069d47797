"""Metrics of predicted remaining lives: errors of the mean, the asymmetric score of PHM 2008, and one interval."""

from collections.abc import Sequence

import numpy as np

from zoo.metrics import series

EARLY, LATE = 13.0, 10.0  # cycles after which a penalty has grown by the factor e
LARGEST = 700.0  # exp of more is infinite


def penalty(off: np.ndarray) -> np.ndarray:
    """exp(−d / 13) − 1 where d < 0, and exp(d / 10) − 1 elsewhere: a late warning costs more than an early one.

    Saxena et al. 2008, section IV, https://doi.org/10.1109/PHM.2008.4711414

    Args:
        off: float[...], d = predicted − true life in cycles.
    """
    return np.expm1(np.minimum(np.where(off < 0, -off / EARLY, off / LATE), LARGEST))


def scores(quantiles: np.ndarray, truth: np.ndarray, *, levels: Sequence[float], width: float) -> dict:
    """The metrics of R predictions by name, in cycles.

    rmse, phm_score and mae judge the mean of the predicted distribution. phm_score is the sum of the penalties, so that
    it grows with R, and a few late predictions decide it. coverage and width are those of the central interval of
    `width`.

    Args:
        quantiles: float[R, Q].
        truth: float[R].
        levels: Q ascending shares of probability.
    """
    off = quantiles @ series.mean_weights(levels) - truth
    low, high = (quantiles[:, i] for i in series.ends(levels, width))
    return {
        "rmse": float(np.sqrt(np.mean(off**2))),
        "phm_score": float(penalty(off).sum()),
        "mae": float(np.abs(off).mean()),
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "width": float(np.mean(high - low)),
    }
