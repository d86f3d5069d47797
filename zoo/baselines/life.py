"""The classical methods for the remaining life of a unit: the mean, ridge on window statistics, and Cox' model."""

import time
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from zoo.baselines.baseline import Baseline
from zoo.data.examples import Examples
from zoo.errors import InputError, did_you_mean, needs
from zoo.metrics import series

NAMES = ("mean", "ridge", "cox")
ALPHAS = np.logspace(-2, 5, 15)  # the candidates for the penalty of ridge
FOLDS = 5  # of units
RECENT = 5  # the last rows, whose mean is a feature
VARIANCE = 0.95  # the share of the features' variance that Cox' model sees
MOST_ROWS = 5_000  # training windows that Cox' model is fitted to, drawn evenly


def check(names: Sequence[str]) -> None:
    """Raises InputError if there is no method of one of these names, or a package that it needs is missing."""
    for name in names:
        if name not in NAMES:
            raise InputError(f"--baselines {name!r}{did_you_mean(name, NAMES)}: expected some of {', '.join(NAMES)}")
    if "cox" in names:
        needs("statsmodels", extra="remaining_life", purpose="the baseline 'cox'")


def compare(
    names: Sequence[str], train: Examples, test: Examples, *, levels: Sequence[float], cap: float, rows: int
) -> list[Baseline]:
    """The answers of each method: the mean life and quantiles.

    Args:
        names: "mean" answers with the quantiles of all training lives. "ridge" is a regression on window statistics,
            whose intervals are the quantiles of its errors on units it was not fitted to. "cox" is a proportional
            hazards model of the life that remains, given the same statistics; Cox 1972,
            https://doi.org/10.1111/j.2517-6161.1972.tb00899.x. Longer lives than the cap are censored there.
        train, test: windows; see `zoo.data.lives.windows`.
        levels: Q ascending shares of probability.
        cap: the longest life in training.
        rows: the last ones of a history that the statistics are of.
    """
    began = time.perf_counter()
    known = list(train)
    life = np.minimum([example["life"] for example in known], cap)
    units = np.array([example["unit"] for example in known])
    features, asked = statistics(known, rows), statistics(test, rows)
    shared, found = (time.perf_counter() - began) / len(names), []
    for name in names:
        began = time.perf_counter()
        if name == "mean":
            title, quantiles = "always the same life", np.tile(np.quantile(life, levels), (len(asked), 1))
        elif name == "ridge":
            title, quantiles = "ridge on window statistics", ridge(features, life, units, asked, levels)
        else:
            title, quantiles = "Cox model of window statistics", cox(features, life, life < cap, asked, levels)
        quantiles = np.sort(np.maximum(quantiles, 0), axis=1)
        means = quantiles @ series.mean_weights(levels)
        answers = [{"life": one, "quantiles": row} for one, row in zip(means, quantiles, strict=True)]
        found.append(Baseline(title, answers, seconds=shared + time.perf_counter() - began))
    return found


def statistics(examples: Iterable[dict], rows: int) -> np.ndarray:
    """The mean, the mean of the last five rows and the slope of each column in the last `rows` of each history.

    Returns:
        float64[R, 3 C]; NaN where nothing was observed.
    """
    found = []
    for example in examples:
        values = np.asarray(example["history"][-rows:], np.float64)
        seen = np.isfinite(values)
        clean = np.where(seen, values, 0)
        recent = clean[-RECENT:].sum(axis=0) / _or_nan(seen[-RECENT:].sum(axis=0))
        count = _or_nan(seen.sum(axis=0))
        mean = clean.sum(axis=0) / count
        steps = np.arange(len(values))[:, None] * np.ones(values.shape[1])
        off = np.where(seen, steps - np.where(seen, steps, 0).sum(axis=0) / count, 0)
        slope = (off * np.where(seen, values - mean, 0)).sum(axis=0) / np.maximum((off**2).sum(axis=0), 1e-9)
        found.append(np.concatenate([mean, recent, slope]))
    return np.array(found)


def _or_nan(counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, counts, np.nan)


def _scaled(features: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Z-scores by the training rows; a missing value is the mean. Statistics that never vary are left out."""
    varies = np.nanstd(features, axis=0) > 1e-6 * (1 + np.abs(np.nanmean(features, axis=0)))
    scaler = StandardScaler().fit(features[:, varies])
    return tuple(np.nan_to_num(scaler.transform(part[:, varies])) for part in (features, asked))


def ridge(
    features: np.ndarray, life: np.ndarray, units: np.ndarray, asked: np.ndarray, levels: Sequence[float]
) -> np.ndarray:
    """float[R, Q]. The penalty is chosen by cross-validation in which a unit is on one side only."""
    known, new = _scaled(features, asked)
    folds = GroupKFold(max(min(FOLDS, len(set(units))), 2))
    if len(set(units)) < 2:
        model = Ridge(1.0).fit(known, life)
        errors = life - model.predict(known)
    else:
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=folds, scoring="neg_mean_squared_error")
        model = search.fit(known, life, groups=units).best_estimator_
        errors = life - cross_val_predict(model, known, life, groups=units, cv=folds)
    return model.predict(new)[:, None] + np.quantile(errors, levels)


def cox(
    features: np.ndarray, life: np.ndarray, failed: np.ndarray, asked: np.ndarray, levels: Sequence[float]
) -> np.ndarray:
    """float[R, Q]: quantiles of the remaining life of a unit that is still running.

    S(s | x) = exp(−H(s) exp(β x)), where s counts from the window's last row and H is Breslow's estimate. So each
    window is a landmark: van Houwelingen 2007, https://doi.org/10.1111/j.1467-9469.2006.00529.x. The statistics are
    reduced to their principal components, because many of them say the same.
    """
    from statsmodels.duration.hazard_regression import PHReg

    rows = np.linspace(0, len(life) - 1, min(len(life), MOST_ROWS)).astype(int)
    known, new = _scaled(features, asked)
    known, life, failed = known[rows], life[rows], failed[rows]
    space = PCA(VARIANCE, whiten=True, svd_solver="full").fit(known)
    known, new = space.transform(known), space.transform(new)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            weights = PHReg(life, known, status=failed.astype(int)).fit().params
        except (ArithmeticError, ValueError):  # LinAlgError is a ValueError
            weights = np.full(known.shape[1], np.nan)
    if not np.isfinite(weights).all():
        weights = np.zeros(known.shape[1])  # the fit failed: the lives of all units
    risk, asked_risk = (np.exp(np.clip(part @ weights, -30, 30)) for part in (known, new))
    order = np.argsort(life, kind="stable")
    at_risk = np.cumsum(risk[order][::-1])[::-1]  # of this and all longer lives
    first = np.searchsorted(life[order], life[order])  # equal lives are at risk together
    hazard = np.cumsum(failed[order] / at_risk[first])
    wanted = -np.log1p(-np.asarray(levels)) / asked_risk[:, None]  # [R, Q]
    place = np.minimum(np.searchsorted(hazard, wanted), len(order) - 1)
    return life[order][place]
