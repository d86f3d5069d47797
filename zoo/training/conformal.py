"""Conformal calibration: quantiles are moved so far that they hold on data that training has not seen.

For each level the offset is the quantile of (truth − forecast) of the same level on validation. Asymmetric
conformalized quantile regression, Romano et al. 2019, theorem 2, https://arxiv.org/abs/1905.03222. The guarantee needs
exchangeable windows. Those of a time series overlap and drift, so coverage on test is measured, not promised.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

FEWEST = 100  # observed values at a horizon; below, all horizons share an offset


def offsets(quantiles: np.ndarray, truth: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The number to add to each quantile.

    Args:
        quantiles: float[R, H, N, Q], scaled.
        truth: float[R, H, N], scaled; NaN where it is missing.
        levels: Q shares of probability. The median is left as it is, because it is the forecast.
    Returns:
        float32[H, N, Q].
    """
    off = truth[..., None] - quantiles  # [R, H, N, Q]
    found = np.zeros(quantiles.shape[1:], np.float32)
    for n in range(truth.shape[2]):
        for q, level in enumerate(levels):
            if level == 0.5:
                continue
            pooled = off[:, :, n, q]
            for h in range(truth.shape[1]):
                mine = pooled[:, h][np.isfinite(pooled[:, h])]
                if len(mine) < FEWEST:
                    mine = pooled[np.isfinite(pooled)]
                if len(mine):
                    found[h, n, q] = np.quantile(mine, _outward(level, len(mine)))
    return found


def calibrate(model: Any, batches: Any, *, highest: float = np.inf) -> float:
    """Sets the offsets of a model's layer "quantiles" by the batches of a split that it has not seen.

    Args:
        model: a keras.Model that gives quantiles float[B, H, N, Q]; see `zoo.layers.Quantiles`.
        batches: of x, y float[B, H, N] and weights; see `zoo.data.batching`. Rows without a weight are left out.
        highest: rows with a median above are left out too: training has clipped their truth. To choose by the truth
            itself would make the intervals too narrow.
    Returns:
        the mean absolute offset, in the units of y; 0 if no row is left.
    """
    layer = model.get_layer("quantiles")
    quantiles, truth = [], []
    for i in range(len(batches)):
        x, y, weight = batches[i]
        real = weight.any(axis=1)  # dummies have weight 0
        found = model.predict_on_batch(x)
        real &= (found[..., layer.middle] <= highest).all(axis=(1, 2))
        quantiles.append(found[real])
        truth.append(y[real])
    offset = offsets(np.concatenate(quantiles), np.concatenate(truth), layer.levels)
    layer.offset.assign(offset)
    return float(np.abs(offset).mean())


def _outward(level: float, count: int) -> float:
    """The level with the correction for a finite sample, away from the median."""
    if level > 0.5:
        return min(np.ceil((count + 1) * level) / count, 1.0)
    return max(np.floor((count + 1) * level - 1) / count, 0.0)
