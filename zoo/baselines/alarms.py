"""Classical detectors of anomalies. Each is fitted to the training steps of a series and knows no other series.

Missing values count as the mean. The threshold is chosen on the validation steps, without labels.
"""

from collections.abc import Callable, Sequence

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data.formats.series import Series
from zoo.errors import InputError, did_you_mean

VARIANCE = 0.9  # the share that the principal components hold


def compare(
    names: Sequence[str],
    series: Sequence[Series],
    sensors: int,
    *,
    season: int,
    threshold: Callable[[np.ndarray], float],
) -> list[Baseline]:
    """The answers of each method for whole series: {"score": float[T], "alarm": bool[T]}.

    Args:
        names: as `check` accepts them.
        sensors: the first columns that are watched.
        season: steps after which a series resembles itself.
        threshold: held-out scores → the score above which there is an alarm.
    """
    found = []
    for name in names:
        title, score = METHODS[name]
        answers = []
        for i, one in enumerate(series):
            scores = score(_scaled(one, sensors), one, np.random.default_rng(i), season)
            limit = threshold(scores[one.validation : one.test]) if name != "all" else -1.0
            answers.append({"score": scores, "alarm": scores > limit})
        found.append(Baseline(title, answers=answers))
    return found


def check(names: Sequence[str]) -> None:
    """Raises InputError if there is no method of one of these names."""
    for name in names:
        if name not in METHODS:
            raise InputError(
                f"--baselines {name!r}{did_you_mean(name, METHODS)}: expected some of {', '.join(METHODS)}"
            )


def _scaled(one: Series, sensors: int) -> np.ndarray:
    values = one.values[:, :sensors].astype(np.float64)
    train = values[: one.validation]
    counts = np.maximum(np.isfinite(train).sum(axis=0), 1)
    mean = np.nansum(train, axis=0) / counts
    std = np.sqrt(np.nansum((train - mean) ** 2, axis=0) / counts)
    scaled = (values - mean) / np.where(std > 0, std, 1.0)
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _random(values, one, rng, season) -> np.ndarray:
    return rng.random(len(values))


def _everything(values, one, rng, season) -> np.ndarray:
    return np.zeros(len(values))


def _hotelling(values, one, rng, season) -> np.ndarray:
    """T²: the squared Mahalanobis distance from the mean of the training steps."""
    precision = np.linalg.pinv(np.atleast_2d(np.cov(values[: one.validation].T)))
    return np.einsum("ti,ij,tj->t", values, precision, values)


def _components(values, one, rng, season) -> np.ndarray:
    """Q: the squared distance from the first principal components (Jackson & Mudholkar 1979)."""
    from sklearn.decomposition import PCA

    if values.shape[1] == 1:
        return _hotelling(values, one, rng, season)
    pca = PCA(VARIANCE, svd_solver="full").fit(values[: one.validation])
    return np.square(values - pca.inverse_transform(pca.transform(values))).sum(axis=1)


def _forest(values, one, rng, season) -> np.ndarray:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(random_state=int(rng.integers(2**31))).fit(values[: one.validation])
    return -forest.score_samples(values)


def _seasonal(values, one, rng, season) -> np.ndarray:
    """The squared difference from the step one season before."""
    lag = min(season, len(values) - 1)
    off = np.zeros(len(values))
    off[lag:] = np.square(values[lag:] - values[: len(values) - lag]).sum(axis=1)
    return off


METHODS: dict[str, tuple[str, Callable]] = {
    "random": ("random alarms", _random),
    "all": ("flag everything", _everything),
    "t2": ("Hotelling's T²", _hotelling),
    "pca": ("PCA residual", _components),
    "forest": ("isolation forest", _forest),
    "seasonal": ("seasonal naive residual", _seasonal),
}
