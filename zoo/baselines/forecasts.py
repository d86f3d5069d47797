"""The classical methods of forecasting on the test windows of a task, in the user's units."""

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from zoo.baselines import series as methods
from zoo.baselines.baseline import Baseline
from zoo.data import cache
from zoo.data.examples import Examples
from zoo.data.formats.series import Series
from zoo.data.series import CIRCLES
from zoo.errors import InputError, did_you_mean, needs

MOST_ROWS = 20_000  # training windows that a regression on lags is fitted to, drawn evenly
MOST_LAGS = 2_000  # of all columns together


def compare(
    names: Sequence[str],
    series: Sequence[Series],
    train: Examples,
    test: Examples,
    *,
    season: int,
    levels: Sequence[float],
    score: Callable[[list[dict], Iterable[dict]], dict],
    seconds: float,
) -> list[Baseline]:
    """The metrics of each method. A local method reads its series from the beginning up to the first target.

    Args:
        names: "last", …, "ridge", as `check` accepts them.
        series: all series of the data.
        train, test: windows; see `zoo.data.series.windows`.
        season, levels: as in `zoo.baselines.series.local`.
        score: answers and their examples → metrics.
        seconds: after this time a local method is scored on the windows that it has reached, in an even draw of all;
            its name tells how many these are.
    """
    found = []
    for name in names:
        began = time.perf_counter()
        if name in methods.GLOBAL:
            title, answers = _lags(name, train, test, season, levels)
            result = Baseline(title, metrics=score(answers, test))
        else:
            result = _local(name, series, test, season, levels, score, seconds)
        spent = time.perf_counter() - began
        found.append(Baseline(result.name, metrics=result.metrics, seconds=spent))
    return found


def check(names: Sequence[str]) -> None:
    """Raises InputError if there is no method of one of these names, or a package that it needs is missing."""
    known = [*methods.LOCAL, *methods.GLOBAL]
    for name in names:
        if name not in known:
            raise InputError(f"--baselines {name!r}{did_you_mean(name, known)}: expected some of {', '.join(known)}")
        if package := methods.PACKAGES.get(name):
            needs(package, extra="forecasting", purpose=f"the baseline {name!r}")


_TITLES = {
    "last": "last value",
    "seasonal": "seasonal naive",
    "mean": "moving average",
    "ar": "autoregression",
    "arima": "ARIMA",
    "ets": "exponential smoothing (ETS)",
    "theta": "Theta",
    "ewma": "EWMA volatility",
    "garch": "GARCH(1,1)",
    "ridge": "ridge on",
    "mlp": "MLP on",
}


def _local(name, series, test, season, levels, score, seconds) -> Baseline:
    method, whole = methods.LOCAL[name], {one.name: one.values for one in series}
    examples = list(test)
    order = np.random.default_rng(0).permutation(len(examples))
    answers: dict[int, dict] = {}
    update = cache.show_progress(f"  {_TITLES[name]}", len(examples), "window")
    began = time.perf_counter()
    for i in order:
        example = examples[i]
        horizon, targets = example["target"].shape
        before = whole[example["series"]][: example["position"]]
        forecasts = [method(before[:, n], horizon=horizon, season=season, levels=levels) for n in range(targets)]
        answers[int(i)] = {"quantiles": np.stack(forecasts, axis=1)}  # [H, N, Q]
        update(len(answers))
        if time.perf_counter() - began > seconds:
            break
    reached = sorted(answers)
    title = _TITLES[name]
    if len(reached) < len(examples):
        title += f" on {len(reached):,} of {len(examples):,} windows"
    return Baseline(title, metrics=score([answers[i] for i in reached], [examples[i] for i in reached]))


def _lags(name: str, train: Examples, test: Examples, season: int, levels: Sequence[float]) -> tuple[str, list[dict]]:
    """The title and the answers of a regression on the history, the known future and the place in day, week and year.

    Ridge reads one or four seasons or the whole history, whichever predicts the last tenth of the training rows best.
    """
    if len(train) > MOST_ROWS:
        train = train.select(np.linspace(0, len(train) - 1, MOST_ROWS).astype(int))
    rows, tests = list(train), list(test)
    longest = min(max(len(example["history"]) for example in rows), max(MOST_LAGS // rows[0]["history"].shape[1], 1))
    several = len({example["series"] for example in rows}) > 1
    history, rest, level, spread = _windows(rows, longest, several)
    target = (np.array([example["target"] for example in rows]) - level) / spread
    counts = sorted({min(count, longest) for count in (season, 4 * season, longest)}) if name == "ridge" else [longest]
    fits = {lags: methods.Lags.fit(name, _features(history, rest, lags), target, levels=levels) for lags in counts}
    lags = min(fits, key=lambda count: fits[count].error)
    history, rest, level, spread = _windows(tests, longest, several)
    quantiles = fits[lags](_features(history, rest, lags)) * spread[..., None] + level[..., None]
    return f"{_TITLES[name]} {lags} lags", [{"quantiles": one} for one in quantiles]


def _features(history: np.ndarray, rest: np.ndarray, lags: int) -> np.ndarray:
    return np.concatenate([history[:, -lags:].reshape(len(history), -1), rest], axis=1)


def _windows(rows: list[dict], longest: int, several: bool) -> tuple[np.ndarray, ...]:
    """History float[R, T, C], NaN where it is shorter; other inputs float[R, F]; level and spread float[R, 1, N].

    Values of the targets are differences from their last one, which is among the other inputs, so that a penalty draws
    forecasts to the last value. If the data has several series, which may differ in scale, they are divided by the
    deviation of each history. A missing value is read as the one before it. Marks of missing values would be rare
    columns: ridge learns by heart the few hours that have them.
    """
    targets, columns = rows[0]["target"].shape[1], rows[0]["history"].shape[1]
    history = np.full([len(rows), longest, columns], np.nan, np.float32)
    for row, example in zip(history, rows, strict=True):
        part = example["history"][-longest:]
        row[longest - len(part) :] = part
    seen = np.isfinite(history)
    history[~seen] = np.nan
    newest = np.maximum.accumulate(np.where(seen, np.arange(longest)[None, :, None], 0), axis=1)
    history = np.take_along_axis(history, newest, axis=1)
    level = np.nan_to_num(history[:, -1:, :targets]).astype(np.float64)
    spread = np.ones([len(rows), 1, targets])
    if several:
        off = history[..., :targets] - level
        deviation = np.sqrt(np.nan_to_num(off**2).mean(axis=1, keepdims=True))
        spread = np.maximum(deviation, 0.01 * np.abs(level) + 1e-9)
    history[..., :targets] = (history[..., :targets] - level) / spread
    moments = np.array([example["seconds"] for example in rows])
    circles = [2 * np.pi * (moments % length) / length for length, _ in CIRCLES]
    clock = np.stack([wave(angle) for angle in circles for wave in (np.sin, np.cos)], axis=1)
    future = np.array([example["future"] for example in rows]).reshape(len(rows), -1)
    rest = [future, clock] if several else [future, clock, level[:, 0]]  # the level tells nothing of another series
    return history, np.concatenate(rest, axis=1), level, spread
