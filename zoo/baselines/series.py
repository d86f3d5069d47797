"""The classical baselines of forecasting: one series in, quantiles of its next values out.

    quantiles = local("ets", history, horizon=48, season=24, levels=(0.1, 0.5, 0.9))   # [48, 3]
    quantiles = Lags.fit("ridge", past, target, levels=(0.1, 0.5, 0.9))(new_past)      # [m, H, N, 3]

A local method sees the history of one series only. A global one learns from the training windows of all series. The
fits are those of statsmodels (Seabold & Perktold 2010), arch and scikit-learn. The textbook of most local methods is
Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd edition, https://otexts.com/fpp3
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from zoo import errors

GLOBAL = ("ridge", "mlp")
NAIVE = ("last", "seasonal", "mean")
ORDERS = ((1, 0, 1), (2, 0, 1), (0, 1, 1), (1, 1, 1))  # the candidates (p, d, q) of "arima"
DECAY = 0.94  # of "ewma": RiskMetrics' value for daily returns
ALPHAS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)  # the candidates for the penalty of "ridge"
RECENT = 2_000  # last values, at least four seasons, that "last", "seasonal" and "mean" look at
FEWEST_VALUES = 12  # that a model of statsmodels or arch is fitted to
FEWEST_ROWS = 20  # that Lags is fitted to
FAILURES = (ArithmeticError, LookupError, RuntimeError, ValueError)  # of a fit; LinAlgError is a ValueError


def local(name: str, history: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """Forecasts one series: float64[horizon, Q], finite, and ascending in the last axis.

    | name | forecast | intervals |
    |---|---|---|
    | last | the last value | differences at the lag of each step |
    | seasonal | the last value of the same phase | differences at multiples of the season |
    | mean | the mean of the last `season` values | the method's own errors at each step |
    | ar | autoregression on up to `season` lags, at most a tenth of the history | normal |
    | arima | the one of `ORDERS` with the lowest AIC, on seasonal differences from three seasons on | normal |
    | ets | damped trend, and additive seasons from two seasons on | normal |
    | theta | Theta method, Assimakopoulos & Nikolopoulos 2000, https://doi.org/10.1016/S0169-2070(00)00066-2 | normal |
    | ewma | returns of mean 0 and RiskMetrics volatility, J.P. Morgan 1996, section 5.2 | standardised returns |
    | garch | returns of constant mean and GARCH(1,1) volatility, Bollerslev 1986 | standardised residuals |

    The first three look at the last `RECENT` values. The last two scale the quantiles of the standardised past by the
    forecast volatility. This is filtered historical simulation: Barone-Adesi et al. 1999.

    Missing values: last, seasonal and mean use the observed values only, ewma and garch skip the missing ones, and
    before the other fits a gap is filled linearly and the ends with the nearest value. A constant or short history and
    a fit that fails get the forecast of "last"; a history without any value gets zeros.

    Args:
        name: one of `LOCAL`.
        history: float[T], oldest first; NaN and infinities count as missing.
        horizon: steps to forecast, at least 1.
        season: steps of a season, 1 if there is none.
        levels: Q ascending probabilities between 0 and 1.
    Raises:
        InputError: the package of this method is not installed.
        ValueError: an unknown name, or a horizon, season or levels outside of the above.
    """
    if name not in LOCAL:
        raise ValueError(
            f"{name!r} is not a local method{errors.did_you_mean(name, LOCAL)}: expected {', '.join(LOCAL)}"
        )
    if horizon < 1 or season < 1:
        raise ValueError(f"horizon is {horizon}, season is {season}: expected at least 1")
    _check(levels)
    package = PACKAGES.get(name)
    if package:
        errors.needs(package, extra="forecasting", purpose=f"the baseline {name!r}")
    values = np.asarray(history, np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    seen = values[~np.isnan(values)]
    if not len(seen):
        return np.zeros((horizon, len(levels)))
    if name in NAIVE and not np.isnan(recent := values[-max(RECENT, 4 * season) :]).all():
        values = recent
    steps: dict[str, Any] = {"horizon": horizon, "season": season, "levels": levels}
    quantiles = None
    if not package or (len(seen) >= FEWEST_VALUES and np.ptp(seen) > 0):
        with warnings.catch_warnings():  # the libraries warn of slow convergence and of indexes without dates
            warnings.simplefilter("ignore")
            try:
                quantiles = METHODS[name](values, **steps)
            except FAILURES:
                quantiles = None
    if quantiles is None or not np.isfinite(quantiles).all():
        quantiles = _last(values, **steps)
    return np.maximum.accumulate(quantiles, axis=1)


class Lags:
    """Ridge regression or a small neural network from the last values of a window to all its next ones.

    Quantiles are the point forecast plus the quantiles of its errors on the last tenth of the training rows, for each
    step and target. If windows overlap, the targets of the rows before that tenth reach into it.

    Attributes:
        error: the mean squared error on that tenth, in standard deviations of each output.
    """

    def __init__(self, model: Any, inputs: StandardScaler, outputs: StandardScaler):
        self._model, self._inputs, self._outputs = model, inputs, outputs
        self._offsets = np.zeros(0)  # float64[H, N, Q], set by `fit`, as the next one
        self.error = np.nan

    @classmethod
    def fit(cls, kind: str, past: np.ndarray, target: np.ndarray, *, levels: Sequence[float], seed: int = 0) -> "Lags":
        """Fits all steps and targets at once.

        The penalty of ridge is the one of `ALPHAS` with the lowest squared error on the last tenth of the rows, and
        the final fit is to all rows. The network has one layer of 128 units and stops early on a tenth of the others.

        Args:
            kind: "ridge" or "mlp".
            past: float[n, F], rows in the order of time. A missing value (NaN) is read as the column's mean.
            target: float[n, H, N]. A row with a missing value is left out.
            levels: Q ascending probabilities between 0 and 1.
            seed: of the network's first weights.
        Raises:
            ValueError: an unknown kind, wrong levels, or fewer than `FEWEST_ROWS` rows with all targets.
        """
        if kind not in GLOBAL:
            raise ValueError(f"{kind!r} is not a global method: expected {' or '.join(GLOBAL)}")
        _check(levels)
        past, target = np.asarray(past, np.float64), np.asarray(target, np.float64)
        whole = np.isfinite(target).all(axis=(1, 2))
        if whole.sum() < FEWEST_ROWS:
            raise ValueError(f"{whole.sum()} rows have all targets: need at least {FEWEST_ROWS}")
        past = np.where(np.isfinite(past[whole]), past[whole], np.nan)
        flat = target[whole].reshape(whole.sum(), -1)  # [n, H*N]
        early = len(flat) - len(flat) // 10
        with warnings.catch_warnings():  # a column without any value, a network that has not converged
            warnings.simplefilter("ignore")
            inputs, outputs = StandardScaler().fit(past[:early]), StandardScaler().fit(flat[:early])
            lags = cls(None, inputs, outputs)
            x, y = lags._features(past), outputs.transform(flat)
            if kind == "ridge":
                candidates = [Ridge(alpha).fit(x[:early], y[:early]) for alpha in ALPHAS]
                lags._model = min(candidates, key=lambda one: np.square(_predict(one, x[early:]) - y[early:]).mean())
            else:
                network = MLPRegressor(hidden_layer_sizes=(128,), early_stopping=True, max_iter=50, random_state=seed)
                lags._model = network.fit(x[:early], y[:early])
            residuals = flat[early:] - lags._points(past[early:])
            lags.error = float(np.square(residuals / outputs.scale_).mean())
            if kind == "ridge":
                lags._model = Ridge(lags._model.alpha).fit(x, y)
        offsets = np.quantile(residuals, levels, axis=0)  # [Q, H*N]
        lags._offsets = offsets.T.reshape(*target.shape[1:], len(levels))
        return lags

    def __call__(self, past: np.ndarray) -> np.ndarray:
        """float64[m, H, N, Q] for float[m, F]. Rows do not depend on each other, so they can be given in chunks."""
        past = np.asarray(past, np.float64)
        points = self._points(np.where(np.isfinite(past), past, np.nan))
        return points.reshape(len(past), *self._offsets.shape[:2], 1) + self._offsets

    def _features(self, past: np.ndarray) -> np.ndarray:
        """float64[m, F]: scaled values, 0 where one is missing."""
        return np.nan_to_num(self._inputs.transform(past))

    def _points(self, past: np.ndarray) -> np.ndarray:
        """float64[m, H*N]"""
        return self._outputs.inverse_transform(_predict(self._model, self._features(past)))


def _predict(model: Any, x: np.ndarray) -> np.ndarray:
    """float64[m, H*N]; scikit-learn drops the last axis of a single target."""
    return model.predict(x).reshape(len(x), -1)


def _check(levels: Sequence[float]) -> None:
    if not len(levels) or not 0 < levels[0] <= levels[-1] < 1 or (np.diff(levels) < 0).any():
        raise ValueError(f"levels are {list(levels)}: expected ascending probabilities between 0 and 1")


def _last(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    return _seasonal(values, horizon=horizon, season=1, levels=levels)


def _seasonal(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """Where no value of a phase is observed, the last value of any phase stands in."""
    season = season if len(values) > season else 1
    seen = np.flatnonzero(~np.isnan(values))
    longest = _longest(values, season)
    spreads: dict[int, np.ndarray] = {}
    quantiles = []
    for target in range(len(values), len(values) + horizon):
        same = seen[(target - seen) % season == 0]
        source = same[-1] if len(same) else seen[-1]
        lag = min(target - source, longest)
        if lag not in spreads:
            spreads[lag] = _spread(values[lag:] - values[:-lag], levels)
        quantiles.append(values[source] + spreads[lag])
    return np.stack(quantiles)


def _mean(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    observed = ~np.isnan(values)
    seen = values[observed]
    sums = np.concatenate([[0], np.cumsum(seen)])
    count = np.arange(1, len(seen) + 1)
    means = (sums[1:] - sums[np.maximum(count - season, 0)]) / np.minimum(count, season)  # after each observed value
    means[: min(season, len(seen) // 2) - 1] = np.nan  # too few values to tell how good a full window is
    after = np.concatenate([[np.nan], means])[np.cumsum(observed)]  # [T], also after a missing value
    longest = _longest(values, 1)
    lags = [min(step, longest) for step in range(1, horizon + 1)]
    return np.stack([means[-1] + _spread(values[lag:] - after[:-lag], levels) for lag in lags])


def _longest(values: np.ndarray, season: int) -> int:
    """The longest lag that leaves half of the history for errors; steps further ahead get the errors of this one."""
    return max(season, len(values) // 2 // season * season)


def _spread(misses: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """float64[Q]: the quantiles of the errors around their median, 0 if there is no error."""
    misses = misses[~np.isnan(misses)]
    if not len(misses):
        return np.zeros(len(levels))
    return np.quantile(misses, levels) - np.median(misses)


def _ar(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    from statsmodels.tsa.ar_model import AutoReg

    values = _filled(values)
    fit = AutoReg(values, lags=max(1, min(season, len(values) // 10))).fit()
    ahead = fit.get_prediction(len(values), len(values) + horizon - 1)
    return _normal(ahead.predicted_mean, ahead.se_mean, levels)


def _arima(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """Differences are taken by hand: a seasonal state space would make a fit ten times slower.

    AIC compares different d only roughly, because the differenced series has one value less.
    """
    from statsmodels.tsa.arima.estimators.innovations import innovations_mle
    from statsmodels.tsa.arima.model import ARIMA
    from statsmodels.tsa.arima_process import arma2ma

    values = _filled(values)
    seasonal = season > 1 and len(values) > 3 * season
    base = values[season:] - values[:-season] if seasonal else values
    candidates = []
    for p, d, q in ORDERS:
        series = np.diff(base, n=d)
        middle = series.mean() if d == 0 else 0.0
        start = np.array([0.5, 0.0][:p] + [-0.1] * q + [series.var()])  # the default start takes as long as the fit
        found, about = innovations_mle(
            series - middle,
            order=(p, 0, q),
            demean=False,
            start_params=start,
            minimize_kwargs={"options": {"maxiter": 25}},  # more moves parameters that hardly change the likelihood
        )
        aic = 2 * about.minimize_results.fun + 2 * (p + q + 1 + (d == 0))
        candidates.append((aic, p, d, q, middle, found.params))
    _, p, d, q, middle, parameters = min(candidates, key=lambda one: one[0])
    fit = ARIMA(np.diff(base, n=d) - middle, order=(p, 0, q), trend="n").filter(parameters)
    points = fit.forecast(horizon) + middle
    whole = np.append(1, -fit.arparams)  # the polynomial in the lag that turns values into ARMA's left side
    if d:
        points = base[-1] + np.cumsum(points)
        whole = np.convolve(whole, [1, -1])
    if seasonal:
        path = np.concatenate([values[-season:], points])
        for step in range(season, len(path)):
            path[step] += path[step - season]
        points = path[season:]
        whole = np.convolve(whole, [1] + [0] * (season - 1) + [-1])
    weights = arma2ma(whole, np.append(1, fit.maparams), horizon)  # of past shocks in the value of a step
    return _normal(points, np.sqrt(parameters[-1] * np.cumsum(weights**2)), levels)


def _ets(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    import pandas
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    seasonal = season > 1 and len(values) >= 2 * season + 1
    model = ETSModel(
        pandas.Series(_filled(values)),  # intervals need an index
        trend="add",
        damped_trend=True,
        seasonal="add" if seasonal else None,
        seasonal_periods=season if seasonal else None,
        initialization_method="heuristic",  # one parameter less for each phase: a tenth of the time
    )
    ahead = model.fit(disp=False).get_prediction(len(values), len(values) + horizon - 1)
    return _normal(ahead.predicted_mean, np.sqrt(ahead.forecast_variance), levels)


def _theta(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """Smoothing with drift after the seasons are taken out; its intervals are those of an IMA(1,1) process.

    The intervals are computed here, because ThetaModel.prediction_intervals of statsmodels 0.15 has the variance of the
    series with its seasons, and lets it grow by 1 + (α − 1)² each step instead of α². The variance is taken around the
    mean error, which is the drift.
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel
    from statsmodels.tsa.seasonal import seasonal_decompose

    values = _filled(values)
    season = season if len(values) >= 2 * season else 1
    phases = seasonal_decompose(values, period=season).seasonal[:season] if season > 1 else np.zeros(1)
    ahead = phases[np.arange(len(values), len(values) + horizon) % season]
    values = values - np.resize(phases, len(values))
    fit = ThetaModel(values, deseasonalize=False, period=season).fit()
    alpha = fit.params["alpha"]
    level, misses = values[0], []
    for value in values[1:]:
        misses.append(value - level)
        level += alpha * misses[-1]
    growth = 1 + np.arange(horizon) * alpha**2
    return _normal(np.asarray(fit.forecast(horizon)) + ahead, np.sqrt(np.var(misses) * growth), levels)


def _ewma(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    """All steps have the same volatility, as in RiskMetrics: its variance has no mean to return to."""
    returns = values[~np.isnan(values)]
    variance = np.full(len(returns) + 1, np.square(returns).mean())
    for step, value in enumerate(returns):
        variance[step + 1] = DECAY * variance[step] + (1 - DECAY) * value**2
    volatility = np.sqrt(variance)
    standard = returns / np.where(volatility > 0, volatility, 1)[:-1]
    return np.tile(volatility[-1] * np.quantile(standard, levels), (horizon, 1))


def _garch(values: np.ndarray, *, horizon: int, season: int, levels: Sequence[float]) -> np.ndarray:
    from arch import arch_model

    returns = values[~np.isnan(values)]
    scale = returns.std()  # the optimiser expects returns of about 1
    fit = arch_model(returns / scale, mean="Constant", vol="GARCH", p=1, q=1, rescale=False).fit(
        disp="off", show_warning=False
    )
    variance = fit.forecast(horizon=horizon, reindex=False).variance.to_numpy()[-1]
    standard = np.quantile(np.asarray(fit.std_resid), levels)
    return scale * (fit.params["mu"] + np.sqrt(variance)[:, None] * standard)


def _filled(values: np.ndarray) -> np.ndarray:
    """float64[T]: gaps are filled linearly, the ends with the nearest value."""
    seen = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), seen, values[seen])


def _normal(points: np.ndarray, deviations: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """float64[H, Q]: the quantiles of normal distributions."""
    standard = [NormalDist().inv_cdf(level) for level in levels]
    return np.asarray(points)[:, None] + np.asarray(deviations)[:, None] * standard


METHODS: dict[str, Callable[..., np.ndarray]] = {
    "last": _last,
    "seasonal": _seasonal,
    "mean": _mean,
    "ar": _ar,
    "arima": _arima,
    "ets": _ets,
    "theta": _theta,
    "ewma": _ewma,
    "garch": _garch,
}
PACKAGES = {"ar": "statsmodels", "arima": "statsmodels", "ets": "statsmodels", "theta": "statsmodels", "garch": "arch"}
LOCAL = {name: partial(local, name) for name in METHODS}  # name → (history, *, horizon, season, levels) → quantiles
