"""Classical detectors of anomalies. Each is fitted to the training steps of a series and knows no other series.

Missing values count as the mean. The threshold is chosen on the validation steps, without labels.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from zoo.baselines.baseline import Baseline
from zoo.data.formats.series import Series
from zoo.data.series import moments
from zoo.errors import InputError, did_you_mean

VARIANCE = 0.9  # the share that the principal components hold


class Steps(NamedTuple):
    season: int
    frame: int


def compare(
    names: Sequence[str],
    series: Sequence[Series],
    sensors: int,
    *,
    season: int,
    frame: int,
    threshold: Callable[[np.ndarray], float],
) -> list[Baseline]:
    """The answers of each method for whole series: {"score": float[T], "alarm": bool[T]}.

    Args:
        names: as `check` accepts them.
        sensors: the first columns that are watched.
        season: steps after which a series resembles itself.
        frame: steps that "frames" looks at together.
        threshold: held-out scores → the score above which there is an alarm.
    """
    found, how = [], Steps(season, frame)
    for name in names:
        title, score = METHODS[name]
        answers = []
        for i, one in enumerate(series):
            scores = score(_scaled(one, sensors), one, np.random.default_rng(i), how)
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
    mean, std = moments(values[: one.validation])
    scaled = (values - mean) / std
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _random(values, one, rng, how) -> np.ndarray:
    return rng.random(len(values))


def _everything(values, one, rng, how) -> np.ndarray:
    return np.zeros(len(values))


def _hotelling(values, one, rng, how) -> np.ndarray:
    """T²: the squared Mahalanobis distance from the mean of the training steps."""
    precision = np.linalg.pinv(np.atleast_2d(np.cov(values[: one.validation].T)))
    return np.einsum("ti,ij,tj->t", values, precision, values)


def _components(values, one, rng, how) -> np.ndarray:
    """Q: the squared distance from the first principal components (Jackson & Mudholkar 1979)."""
    if values.shape[1] == 1:
        return _hotelling(values, one, rng, how)
    return np.square(_residual(values, one.validation)).sum(axis=1)


def _frames(values, one, rng, how) -> np.ndarray:
    """The same of frames: what the components of the last steps together leave of the newest one."""
    before = np.pad(values, ((how.frame - 1, 0), (0, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(before, how.frame, axis=0)  # [T, C, L]
    left = _residual(frames.reshape(len(values), -1), one.validation).reshape(frames.shape)
    return np.square(left[:, :, -1]).sum(axis=1)


def _residual(values, train: int) -> np.ndarray:
    """What the first principal components of the first `train` rows leave of each row."""
    from sklearn.decomposition import PCA

    pca = PCA(VARIANCE, svd_solver="full").fit(values[:train])
    return values - pca.inverse_transform(pca.transform(values))


def _forest(values, one, rng, how) -> np.ndarray:
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(random_state=int(rng.integers(2**31))).fit(values[: one.validation])
    return -forest.score_samples(values)


def _seasonal(values, one, rng, how) -> np.ndarray:
    """The squared difference from the step one season before."""
    lag = min(how.season, len(values) - 1)
    off = np.zeros(len(values))
    off[lag:] = np.square(values[lag:] - values[: len(values) - lag]).sum(axis=1)
    return off


METHODS: dict[str, tuple[str, Callable]] = {
    "random": ("random alarms", _random),
    "all": ("flag everything", _everything),
    "t2": ("Hotelling's T²", _hotelling),
    "pca": ("PCA residual", _components),
    "frames": ("PCA residual of frames", _frames),
    "forest": ("isolation forest", _forest),
    "seasonal": ("seasonal naive residual", _seasonal),
}
