"""Windows into time series, and the numbers that a model reads: scaled, with missing values marked.

    Series → windows (history, known future, target) → inputs(…) float[B, T, F], in training and in the export

A target belongs to one split. The history of a window may reach into the split before it, as it does when a forecast is
made. No value after the first target is ever read, apart from covariates that are known in advance.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from zoo.data import codec, observed
from zoo.data.examples import Examples
from zoo.data.formats.series import Series
from zoo.errors import InputError

DAY = 86_400
CIRCLES = ((DAY, 0), (7 * DAY, 3 * DAY), (31_556_952, 0))  # seconds of a day, a week, a year; 1970-01-01 was a Thursday
MOST_SEASONS = 4  # that are searched for an observation of the same phase
SMALLEST = 1e-6  # of a standard deviation: a constant column stays at 0


@dataclass(frozen=True)
class Shape:
    """The form of a window.

    Attributes:
        targets, past, known: how many columns are predicted, are known up to now, and are known in the future too. The
            columns of a series are in this order.
        lookback: the longest history.
        horizon: steps to predict.
        season: steps after which the series resembles itself.
        long_season: the same for a longer season, such as the week of hourly data; 0: none.
    """

    targets: int
    past: int
    known: int
    lookback: int
    horizon: int
    season: int
    long_season: int = 0

    @property
    def seasons(self) -> list[int]:
        return [self.season, self.long_season] if self.long_season else [self.season]

    @property
    def columns(self) -> int:
        return self.targets + self.past + self.known


def windows(
    series: Sequence[Series], split: str, shape: Shape, *, stride: int = 1, shortest: int = 1, data: str = ""
) -> Examples:
    """All windows of a split, as dicts.

    history float32[T, C], T ≤ lookback; future float32[H, known]; target float32[H, targets]; series and time, the name
    of the series and the time of the first target; seconds, the same time as a number; position, the same as a step of
    the series; naive_error float64[targets], the mean absolute error of the seasonal naive forecast before the test
    split, by which MASE divides.

    Args:
        split: "train", "validation" or "test".
        stride: steps from one window to the next.
        shortest: steps of history that a training window has at least.
        data: names the source in errors.
    Raises:
        InputError: the split is shorter than the horizon in every series.
    """
    starts = [_starts(one, split, shape, stride, shortest) for one in series]
    count = sum(map(len, starts))
    if not count:
        begins = {"train": 0, "validation": series[0].validation, "test": series[0].test}
        ends = {"train": series[0].validation, "validation": series[0].test, "test": len(series[0].values)}
        raise InputError(
            f"--data {data}: the {split} split of {series[0].name!r} has {ends[split] - begins[split]:,} steps, too "
            f"few for a horizon of {shape.horizon}; --horizon, --validation-from and --test-from change it"
        )

    def read() -> Iterator[dict]:
        for one, places in zip(series, starts, strict=True):
            error = naive_error(one.values[: one.test, : shape.targets], shape.season)
            for start in places:
                yield _window(one, int(start), shape) | {"naive_error": error}

    return Examples(read, count=count)


def _starts(one: Series, split: str, shape: Shape, stride: int, shortest: int) -> np.ndarray:
    """The positions of the first target of each window."""
    first = {"train": min(shortest, one.validation), "validation": one.validation, "test": one.test}[split]
    last = {"train": one.validation, "validation": one.test, "test": len(one.values)}[split] - shape.horizon
    starts = np.arange(last, max(first, 1) - 1, -stride)[::-1]  # the last steps of a split are always used
    observed = np.isfinite(one.values[:, : shape.targets]).any(axis=1)
    seen = np.concatenate([[0], np.cumsum(observed)])
    return starts[seen[starts + shape.horizon] > seen[starts]] if len(starts) else starts


def _window(one: Series, start: int, shape: Shape) -> dict:
    until = start + shape.horizon
    return {
        "series": one.name,
        "time": one.when(start),
        "seconds": int(one.times[0]) + start * one.step if one.dated and one.step else 0,
        "position": start,
        "history": one.values[max(start - shape.lookback, 0) : start],
        "future": one.values[start:until, shape.targets + shape.past :],
        "target": one.values[start:until, : shape.targets],
    }


def question(one: Series, shape: Shape) -> dict:
    """The window after the end of a series: its targets are unknown.

    Rows at the end in which all targets are missing and a known covariate is present belong to the future.
    """
    end = len(one.values)
    if shape.known:
        seen = np.flatnonzero(np.isfinite(one.values[:, : shape.targets + shape.past]).any(axis=1))
        end = max(int(seen[-1]) + 1 if len(seen) else 0, end - shape.horizon, 1)
    asked = _window(one, end, shape)
    future = np.full([shape.horizon, shape.known], np.nan, np.float32)
    future[: len(asked["future"])] = asked["future"]
    del asked["target"]
    return asked | {"future": future}


def naive_error(values: np.ndarray, season: int) -> np.ndarray:
    """float64[N]: the mean absolute error of y_t = y_{t−season} in values float[T, N]; NaN where it is unknown or 0."""
    lag = season if len(values) > season else 1
    errors = np.abs(values[lag:].astype(np.float64) - values[:-lag])
    counts = np.isfinite(errors).sum(axis=0)
    found = np.nansum(errors, axis=0) / np.maximum(counts, 1)
    return np.where((counts > 0) & (found > 0), found, np.nan)


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the standard deviation of the observed values of each column, float64[C] each.

    Both are NaN for a column without a value, and a constant column has the deviation 1.

    Args:
        values: float[T, C], NaN where one is missing.
    """
    values = values.astype(np.float64)
    seen = np.isfinite(values)
    counts = seen.sum(axis=0)
    mean = np.where(seen, values, 0).sum(axis=0) / np.maximum(counts, 1)
    std = np.sqrt((np.where(seen, values - mean, 0) ** 2).sum(axis=0) / np.maximum(counts, 1))
    std = np.where(std > SMALLEST * np.maximum(np.abs(mean), SMALLEST), std, 1.0)
    return np.where(counts > 0, mean, np.nan), np.where(counts > 0, std, np.nan)


@codec.register(".json")
class SeriesScaler:
    """The mean and the standard deviation of each column in the training split.

    Args:
        columns: C names.
        mean, std: float64[C].
        step: seconds between steps; 0 if they have no dates.
    """

    def __init__(self, columns: Sequence[str], mean: np.ndarray, std: np.ndarray, step: int):
        self.columns, self.step = tuple(columns), step
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)

    @classmethod
    def fit(cls, series: Sequence[Series]) -> Self:
        """Reads the steps before the validation split."""
        values = np.concatenate([one.values[: one.validation] for one in series])
        return cls.of(series[0].columns, values, step=series[0].step * series[0].dated)

    @classmethod
    def of(cls, columns: Sequence[str], values: np.ndarray, *, step: int = 0) -> Self:
        """The scaler of values float[T, C], NaN where one is missing. A constant column has the deviation 1."""
        mean, std = moments(values)
        return cls(columns, np.nan_to_num(mean), np.nan_to_num(std, nan=1.0), step)

    def save(self, file: Path) -> None:
        found = {"columns": self.columns, "mean": self.mean.tolist(), "std": self.std.tolist(), "step": self.step}
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        return cls(**json.loads(file.read_text(encoding="utf-8")))


class Inputs(NamedTuple):
    """Everything that is computed from raw windows, in graph.

    past:   float32[B, T, P], right-padded with 0. Its first entry is 1 at real steps.
    future: float32[B, H, F].
    anchor: float32[B, H, N], scaled; forecasts are differences from it.
    level, spread: float32[B, 1, N]; y = level + spread · scaled.
    lengths: int32[B], the real steps of `past`.
    """

    past: tf.Tensor
    future: tf.Tensor
    anchor: tf.Tensor
    level: tf.Tensor
    spread: tf.Tensor
    lengths: tf.Tensor


def inputs(
    history: tf.Tensor,
    lengths: tf.Tensor,
    future: tf.Tensor | None,
    seconds: tf.Tensor | None,
    *,
    scaler: SeriesScaler,
    shape: Shape,
    scale: str,
    anchor: str,
) -> Inputs:
    """Scales raw windows and marks their missing values.

    Beside each scaled value stand whether it was observed and the log of the steps since (`zoo.data.observed`).

    Args:
        history: float32[B, T, C] in the user's units; the first `lengths` steps of each row are real.
        lengths: int32[B]; 0 or more than T: all of them are real.
        future: float32[B, ≤ H, known]; None if no covariate is known in advance.
        seconds: int64[B], the time of the first step to predict; None if the steps have no dates.
        scale: "train" (the scaler's mean and deviation) or "window" (those of the targets in the row's own history).
        anchor: "none", "last" (the last observation), or "season" or "long_season" (the latest observation a whole
            number of these seasons before).
    Raises:
        tf.errors.InvalidArgumentError: a row has no step.
    """
    N, K, H = shape.targets, shape.known, shape.horizon
    values, lengths = observed.latest(history, lengths, lookback=shape.lookback)
    rows, index = tf.shape(values)[0], tf.range(tf.shape(values)[1])
    real = (index < lengths[:, None])[:, :, None]  # [B, T, 1]
    seen = observed.observed(values) & real

    mean, std = (tf.constant(part, tf.float32) for part in (scaler.mean, scaler.std))
    level, spread = _scale(values[..., :N], seen[..., :N], mean[:N], std[:N], scale)
    centre = tf.concat([level, tf.broadcast_to(mean[N:], [rows, 1, shape.columns - N])], axis=2)
    width = tf.concat([spread, tf.broadcast_to(std[N:], [rows, 1, shape.columns - N])], axis=2)
    found = observed.marked(values, seen, centre, width, longest=shape.lookback)
    scaled, flags, _, last = found
    past = [observed.features(found, real)]

    ahead = tf.range(H)
    position = tf.broadcast_to((tf.cast(ahead, tf.float32) + 1)[:, None] / H, [rows, H, 1])
    later = [position]
    if seconds is not None and scaler.step:
        before = index[None] - lengths[:, None]  # −1 is the last real step
        past.append(_calendar(seconds, before, scaler.step) * tf.cast(real, tf.float32))
        later.append(_calendar(seconds, tf.broadcast_to(ahead, [rows, H]), scaler.step))
    if K and future is not None:
        future = future[:, :H]
        future = tf.pad(future, [[0, 0], [0, H - tf.shape(future)[1]], [0, 0]], constant_values=float("nan"))
        known = observed.observed(future)
        later += [observed.scaled(future, known, mean[-K:], std[-K:]), tf.cast(known, tf.float32)]
    before = [_seasons_before(scaled[..., :N], flags[..., :N], lengths, H, season) for season in shape.seasons]
    later += [part for pair in before for part in pair]

    newest = tf.gather(last[..., :N], lengths - 1, batch_dims=1)  # [B, N]
    recent = tf.gather(
        tf.transpose(scaled[..., :N], [0, 2, 1]), tf.maximum(newest, 0)[:, :, None], batch_dims=2
    )  # [B, N, 1]; 0 where nothing was seen
    recent = tf.tile(tf.transpose(recent, [0, 2, 1]), [1, H, 1])
    anchors = {"none": tf.zeros([rows, H, N]), "last": recent}
    for name, (value, flag) in zip(("season", "long_season"), before, strict=False):
        anchors[name] = tf.where(flag > 0, value, recent)
    return Inputs(tf.concat(past, axis=2), tf.concat(later, axis=2), anchors[anchor], level, spread, lengths)


def sizes(shape: Shape, scaler: SeriesScaler, *, dated: bool) -> tuple[int, int]:
    """P and F: how many numbers `inputs` gives for each step of the past and of the future."""
    clock = 2 * sum(0 < scaler.step < length for length, _ in CIRCLES) if dated else 0
    return 1 + 3 * shape.columns + clock, 1 + clock + 2 * shape.known + 2 * shape.targets * len(shape.seasons)


def _scale(
    values: tf.Tensor, seen: tf.Tensor, mean: tf.Tensor, std: tf.Tensor, how: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """The level and the spread of the targets, float32[B, 1, N]."""
    if how == "train":
        shape = [tf.shape(values)[0], 1, values.shape[2]]
        return tf.broadcast_to(mean, shape), tf.broadcast_to(std, shape)
    weight = tf.cast(seen, tf.float32)
    count = tf.reduce_sum(weight, axis=1, keepdims=True)
    clean = observed.or_zero(values, seen)
    level = tf.where(count > 0, tf.reduce_sum(clean, axis=1, keepdims=True) / tf.maximum(count, 1.0), mean)
    off = tf.where(seen, clean - level, 0.0)
    own = tf.sqrt(tf.reduce_sum(off * off, axis=1, keepdims=True) / tf.maximum(count, 1.0))
    # One value has no spread. A share of the level keeps a nearly constant history from blowing up what follows.
    floor = tf.maximum(0.01 * tf.abs(level), 1e-6)
    return level, tf.where(count > 1, tf.maximum(own, floor), tf.maximum(std, floor))


def _seasons_before(
    values: tf.Tensor, seen: tf.Tensor, lengths: tf.Tensor, horizon: int, season: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The latest observation a whole number of seasons before each step to predict.

    Args:
        values, seen: float32[B, T, N]; `seen` is 1 where there is an observation.
        lengths: int32[B].
    Returns:
        the values, 0 where there is none, and whether there is one: float32[B, H, N] each.
    """
    ahead = tf.range(horizon)
    found = known = tf.zeros([tf.shape(values)[0], horizon, values.shape[2]])
    for k in range(1, MOST_SEASONS + 1):
        back = lengths[:, None] + ahead - season * (k + ahead // season)  # [B, H]
        place = tf.clip_by_value(back, 0, tf.shape(values)[1] - 1)
        use = tf.gather(seen, place, batch_dims=1) * tf.cast(back >= 0, tf.float32)[:, :, None] * (1 - known)
        found += tf.gather(values, place, batch_dims=1) * use
        known += use
    return found, known


def _calendar(seconds: tf.Tensor, offset: tf.Tensor, step: int) -> tf.Tensor:
    """The places in the day, the week and the year as points on circles.

    Args:
        seconds: int64[B], a time.
        offset: int32[B, T], steps after it.
        step: seconds.
    Returns:
        float32[B, T, 2 × circles]; circles that one step goes round are left out.
    """
    moment = tf.cast(seconds, tf.int64)[:, None] + tf.cast(offset, tf.int64) * step
    found = []
    for length, shift in CIRCLES:
        if step < length:
            angle = tf.cast(tf.math.floormod(moment + shift, length), tf.float32) * (2 * np.pi / length)
            found += [tf.sin(angle), tf.cos(angle)]
    return tf.stack(found, axis=2)
