"""Metrics of forecasts: of the median, of the quantiles, and of one interval. Missing truth does not count.

sMAPE, MASE and MSIS: Makridakis et al. 2020, section 3, https://doi.org/10.1016/j.ijforecast.2019.04.014
Pinball loss and CRPS: Gneiting & Raftery 2007, sections 4.2 and 6.1, https://doi.org/10.1198/016214506000001437
"""

from collections.abc import Sequence

import numpy as np

from zoo.errors import InputError


def pinball(quantiles: np.ndarray, truth: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """max(q (y − f), (q − 1) (y − f)) for each level q.

    Args:
        quantiles: float[..., Q].
        truth: float[...], NaN where it is missing.
    Returns:
        float[..., Q], NaN where the truth is missing.
    """
    off = truth[..., None] - quantiles
    share = np.asarray(levels)
    return np.maximum(share * off, (share - 1) * off)


def mean_weights(levels: Sequence[float]) -> np.ndarray:
    """What each quantile counts in the mean of a distribution that is uniform between them, float64[Q]; they sum to 1.

    All that lies beyond the outer quantiles counts as these.
    """
    cuts = np.concatenate([[0.0], (np.asarray(levels[1:]) + np.asarray(levels[:-1])) / 2, [1.0]])
    return np.diff(cuts)


def ends(levels: Sequence[float], width: float) -> tuple[int, int]:
    """The places of the two levels that are nearest to the ends of a central interval."""
    low, high = (min(range(len(levels)), key=lambda i: abs(levels[i] - end)) for end in _ends(width))
    return low, high


def has_ends(levels: Sequence[float], width: float) -> bool:
    """Whether the ends of a central interval are among the levels."""
    return all(min(abs(level - end) for level in levels) < 1e-9 for end in _ends(width))


def levels(written: str, width: float) -> list[float]:
    """The levels of quantiles in an option such as "0.1,0.5,0.9", ascending.

    Raises:
        InputError: they are not numbers between 0 and 1, or lack the median or the ends of the central interval.
    """
    try:
        found = sorted({float(word) for word in written.split(",")})
    except ValueError:
        raise InputError(f"--levels {written!r}: expected numbers like 0.1,0.5,0.9") from None
    if not all(0 < level < 1 for level in found) or 0.5 not in found:
        raise InputError(f"--levels {written!r}: expected numbers between 0 and 1, and 0.5 among them")
    if not has_ends(found, width):
        raise InputError(
            f"--levels {written!r} lacks the ends {', '.join(f'{end:g}' for end in _ends(width))} of "
            f"--interval {width:g}"
        )
    return found


def _ends(width: float) -> tuple[float, float]:
    return (1 - width) / 2, (1 + width) / 2


def scores(
    quantiles: np.ndarray,
    truth: np.ndarray,
    *,
    levels: Sequence[float],
    width: float,
    naive_error: np.ndarray,
    std: np.ndarray,
) -> dict:
    """The metrics of R forecasts by name.

    mae and rmse are in the user's units, mse is in training standard deviations of each target (z-scores), and crps is
    twice the mean pinball loss, which approximates the integral over all levels. smape is a share from 0 to 2. mase and
    msis divide by the error of the seasonal naive forecast before the test split. coverage and msis are those of the
    central interval of `width`. levels has the pinball loss of each level, and the share of the truth below its
    quantile.

    Args:
        quantiles: float[R, H, N, Q] in the user's units.
        truth: float[R, H, N], NaN where it is missing.
        levels: Q shares of probability; the one nearest to 0.5 is the forecast.
        naive_error: float[R, N].
        std: float[N].
    """
    levels = list(levels)
    middle = int(np.argmin(np.abs(np.array(levels) - 0.5)))
    off = quantiles[..., middle] - truth
    size = np.abs(truth) + np.abs(quantiles[..., middle])
    losses = pinball(quantiles, truth, levels)
    scale = np.broadcast_to(naive_error[:, None], truth.shape)
    low, high = (quantiles[..., i] for i in ends(levels, width))
    outside = np.maximum(low - truth, 0) + np.maximum(truth - high, 0)
    return {
        "mae": _mean(np.abs(off)),
        "rmse": float(np.sqrt(_mean(off**2))),
        "mse": _mean((off / std) ** 2),
        "smape": _mean(
            np.where(size > 0, 2 * np.abs(off) / np.where(size > 0, size, 1), np.where(size == 0, 0.0, np.nan))
        ),
        "mase": _mean(np.abs(off) / scale),
        "pinball": _mean(losses),
        "crps": 2 * _mean(losses),
        "coverage": _mean(np.where(np.isfinite(truth), outside == 0, np.nan)),
        "width": _mean(np.where(np.isfinite(truth), high - low, np.nan)),
        "msis": _mean((high - low + 2 / (1 - width) * outside) / scale),
        "levels": {
            f"{level:g}": {
                "pinball": _mean(losses[..., i]),
                "below": _mean(np.where(np.isfinite(truth), truth <= quantiles[..., i], np.nan)),
            }
            for i, level in enumerate(levels)
        },
    }


def _mean(values: np.ndarray) -> float:
    """Of the finite values; NaN if there are none."""
    real = values[np.isfinite(values)]
    return float(real.mean()) if len(real) else float("nan")
