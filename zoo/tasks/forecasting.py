"""Forecasting: the history of a series in, quantiles of its next values out, with missing values on both sides.

    python -m zoo.tasks.forecasting                                              # bundled sample, a minute
    python -m zoo.tasks.forecasting --data load.csv --targets load --known holiday --horizon 48
    zoo predict RUN_DIR load.csv                                                 # goes on after the last row

Values, their masks and gaps → GRU over the history → GRU over the known future → quantiles that cannot cross, which
are calibrated on validation. Direct quantiles: Wen et al. 2017, https://arxiv.org/abs/1711.11053
With --network segments: SegRNN, Lin et al. 2023, https://arxiv.org/abs/2308.11200
Numbers and cost: tasks/forecasting/card.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import batching, cache, observed, series, splits
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import series as files
from zoo.data.samples import load
from zoo.errors import InputError
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import conformal, losses, optimizers


@dataclass(frozen=True)
class Config(options.Series, options.Forward, options.Training):
    epochs: int = 8
    cell: options.Cell = "gru"
    dropout: float = 0.1
    batch_tokens: int = 8192
    targets: str = option("value", "columns to predict, joined by commas", basic=True)
    past: str = option("", "columns that are known up to now, joined by commas")
    known: str = option(
        "",
        "columns known in the future too, such as holidays, or constant ones, such as a size; joined by commas",
        basic=True,
    )
    returns: bool = option(False, "predict log returns in percent instead of the targets themselves, which are prices")
    horizon: int = option(24, "steps to predict", low=1, basic=True)
    lookback: int = option(168, "steps of history that are read, at most", low=1, basic=True)
    season: int = option(24, "steps after which a series resembles itself", low=1, basic=True)
    long_season: int = option(
        0, "the same for a longer season, such as 168 for the week of hourly data; 0: none", low=0
    )
    network: Literal["steps", "segments"] = option(
        "steps", "read every step and the known future, or segments of the targets alone (SegRNN)"
    )
    segment: int = option(12, "steps in a segment", low=1)
    scale: Literal["train", "window"] = option(
        "window", "scale the targets by the training split, or by each history itself, where series differ in scale"
    )
    anchor: Literal["none", "last", "season", "long_season"] = option(
        "season", "predict the difference from the last value, or from the value one season before"
    )
    levels: str = option("0.025,0.05,0.1,0.25,0.5,0.75,0.9,0.95,0.975", "levels of the quantiles, joined by commas")
    interval: float = option(0.8, "central interval whose coverage and MSIS are reported", low=0.01, high=0.999)
    stride: int = option(1, "steps from one training window to the next", low=1)
    shortest: int = option(24, "steps of history that a training window has at least", low=1)
    calibrate: bool = option(True, "move the quantiles so that they hold on validation")
    baselines: str = option(
        "last,seasonal,ridge",
        "methods to compare with: last, seasonal, mean, ar, arima, ets, theta, ewma, garch, ridge, mlp",
    )
    baseline_seconds: float = option(
        60.0, "time for a method that is fitted to every window; the rest is left out", low=0
    )


METRICS = (
    Metric("mase", better="min", format=".3f"),
    Metric("mae", better="min", format=".3g"),
    Metric("rmse", better="min", format=".3g"),
    Metric("mse", better="min", format=".3f"),
    Metric("smape", better="min", format=".1%"),
    Metric("pinball", better="min", format=".3g"),
    Metric("crps", better="min", format=".3g"),
    Metric("coverage", better="none", format=".1%"),
    Metric("width", better="none", format=".3g"),
    Metric("msis", better="min", format=".2f"),
)
SPLIT = splits.by_time("time")


def columns(cfg: Config) -> tuple[list[str], ...]:
    """The targets, and the covariates of the past and of the future.

    Raises:
        InputError: no target, or a column twice.
    """
    if cfg.data == "sample":
        return load.COLUMNS
    found = [[name.strip() for name in part.split(",") if name.strip()] for part in (cfg.targets, cfg.past, cfg.known)]
    every = [name for part in found for name in part]
    if not found[0] or len(set(every)) < len(every):
        raise InputError(
            f"--targets {cfg.targets!r} --past {cfg.past!r} --known {cfg.known!r}: name a target, no column twice"
        )
    return tuple(found)


def read(cfg: Config, data: str, **borders: str | None) -> Sequence[files.Series]:
    """All series of a source, with the beginnings of their splits."""
    targets, past, known = columns(cfg)
    wanted = files.Columns(
        (*targets, *past, *known),
        tuple(cfg.time_column.split(",")),
        cfg.series_column,
        cfg.gaps,
        tuple(targets) if cfg.returns else (),
    )
    return files.read(data, wanted, share=cfg.validation_share, **borders)


def source(cfg: Config) -> Sequence[files.Series]:
    borders = {"validation": cfg.validation_from, "test": cfg.test_from, "end": cfg.end}
    if cfg.data == "sample":
        return [one.divided(cfg.validation_share, **borders) for one in load.series()]
    return read(cfg, cfg.data, **borders)


def shape(cfg: Config) -> series.Shape:
    targets, past, known = columns(cfg)
    return series.Shape(len(targets), len(past), len(known), cfg.lookback, cfg.horizon, cfg.season, cfg.long_season)


def levels(cfg: Config) -> list[float]:
    return metrics.series.levels(cfg.levels, cfg.interval)


def examples(cfg: Config, split: str) -> Examples | None:
    """Windows as {"history", "future", "target": float[steps, columns], "series", "time", …}; see `series.windows`."""
    levels(cfg)
    baselines.forecasts.check(cfg.baselines.split(","))
    if cfg.anchor == "long_season" and not cfg.long_season:
        raise InputError("--anchor long_season needs --long-season, such as 168 for the week of hourly data")
    stride = cfg.stride if split == "train" else 1
    return series.windows(source(cfg), split, shape(cfg), stride=stride, shortest=cfg.shortest, data=cfg.data)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    return codecs.Codec(scaler=series.SeriesScaler.fit(source(cfg)))


def dated(codec: codecs.Codec) -> bool:
    """Whether the steps have dates, so that the calendar is an input."""
    return bool(codec.scaler.step)


def inputs(cfg: Config, codec: codecs.Codec, history, lengths, future, seconds) -> series.Inputs:
    return series.inputs(
        history, lengths, future, seconds, scaler=codec.scaler, shape=shape(cfg), scale=cfg.scale, anchor=cfg.anchor
    )


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[dict, tf.Tensor]:
    history, target = batch["history"], batch["target"].to_tensor(float("nan"))
    lengths = tf.cast(history.row_lengths(), tf.int32)
    future = batch["future"].to_tensor(float("nan")) if shape(cfg).known else None
    found = inputs(cfg, codec, history.to_tensor(), lengths, future, batch["seconds"] if dated(codec) else None)
    past = tf.RaggedTensor.from_tensor(found.past, lengths=found.lengths)
    x = {"past": past, "future": found.future, "anchor": found.anchor}
    return x, (target - found.level) / found.spread


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    form, wanted = shape(cfg), levels(cfg)
    N, Q = form.targets, len(wanted)
    P, F = series.sizes(form, codec.scaler, dated=dated(codec))
    past = keras.Input([None, P], name="past")  # [B, T, P]
    future = keras.Input([None, F], name="future")  # [B, H, F]
    anchor = keras.Input([None, N], name="anchor")  # [B, H, N]
    if cfg.network == "segments":
        free = layers.SegmentForecaster(
            cfg.units,
            segment=cfg.segment,
            lookback=cfg.lookback,
            horizon=cfg.horizon,
            targets=N,
            columns=form.columns,
            outputs=Q,
            dropout=cfg.dropout,
            name="segments",
        )(past, future, anchor)  # [B, H, N, Q]
    else:
        keep_mask = past[:, :, 0] > 0  # True = real step
        encoder = layers.RecurrentEncoder.of(cfg, bidirectional=False, name="encoder")
        _, state = encoder(past, keep_mask)  # [B, units]
        decoder = layers.ForecastDecoder(cfg.units, cell=layers.decoder_cell(cfg.cell), name="decoder")
        steps = decoder(state, future)  # [B, H, units]
        steps = keras.layers.Dropout(cfg.dropout, name="dropout")(steps)
        free = keras.layers.Dense(N * Q, name="out")(steps)
        free = keras.layers.Reshape([-1, N, Q], name="free")(free)  # [B, H, N, Q]
    quantiles = layers.Quantiles(wanted, horizon=cfg.horizon, targets=N, name="quantiles")(free, anchor)
    forecaster = keras.Model({"past": past, "future": future, "anchor": anchor}, quantiles, name="forecaster")
    forecaster.compile(optimizers.adamw(cfg), losses.Pinball(wanted))
    return forecaster


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    form, wanted = shape(cfg), levels(cfg)
    optional = [tf.TensorSpec([None, None, form.known], tf.float32, name="future")] if form.known else []
    optional += [tf.TensorSpec([None], tf.int64, name="seconds")] if dated(codec) else []
    history = tf.TensorSpec([None, None, form.columns], tf.float32, name="history")
    steps = tf.TensorSpec([None], tf.int32, name="steps")

    def forecast(history, steps, more):
        more = dict(zip([spec.name for spec in optional], more, strict=True))
        found = inputs(cfg, codec, history, steps, more.get("future"), more.get("seconds"))
        x = {"past": found.past, "future": found.future, "anchor": found.anchor}
        quantiles = model(x, training=False) * found.spread[..., None] + found.level[..., None]  # [B, H, N, Q]
        shares = tf.tile([wanted], [tf.shape(quantiles)[0], 1])
        return {"forecast": quantiles[..., wanted.index(0.5)], "quantiles": quantiles, "levels": shares}

    @tf.function(input_signature=[history, steps, *optional], autograph=False)
    def whole(history, steps, *more):
        return forecast(history, steps, more)

    observation = tf.TensorSpec([None, form.columns], tf.float32, name="observation")

    @tf.function(input_signature=[observation, history, steps, *optional], autograph=False)
    def step(observation, history, steps, *more):
        """The state is the history so far, right-padded to the lookback; `steps` of it are real, 0 at the beginning."""
        history, steps = observed.append(history, steps, observation, lookback=cfg.lookback)
        return forecast(history, steps, more) | {"history": history, "steps": steps}

    return answers.service.Service(
        codec,
        model,
        defaults={"steps": lambda asked: len(asked["history"])},
        serving_default=whole,
        step=step,
    )


def questions(cfg: Config, codec: codecs.Codec, path: str) -> Iterable[dict]:
    """One question for each series of a file, about the steps after its last row. Known future rows may follow it."""
    return [series.question(one, shape(cfg)) for one in read(cfg, path)]


def folds(cfg: Config, count: int) -> list[Config]:
    """The test split in `count` parts of one length, each with the validation split right before it.

    Raises:
        InputError: a part is shorter than the horizon.
    """
    every = source(cfg)
    length = min(len(one.values) - one.test for one in every)
    held_out = min(one.test - one.validation for one in every)
    size = length // count
    if size < cfg.horizon:
        raise InputError(
            f"--backtest {count}: {length:,} test steps give parts of {size:,}, too few for a horizon of {cfg.horizon}"
        )
    starts = [length - size * (count - i) for i in range(count)]
    return [
        dataclasses.replace(
            cfg,
            validation_from=str(start - length - held_out),
            test_from=str(start - length),
            end=str(start + size - length) if start + size < length else None,
        )
        for start in starts
    ]


def finish(run, validation: Examples) -> dict[str, float]:
    """Calibrates the quantiles on validation."""
    if not run.cfg.calibrate:
        return {}
    encoded = cache.encode(validation, lambda batch: encode(run.cfg, run.codec, batch))
    batches = batching.bucketed(run.cfg, encoded, seed=None)
    return {"mean_offset": conformal.calibrate(run.model, batches)}


def arrays(answers: list[dict], examples: Iterable[dict]) -> tuple[np.ndarray, np.ndarray]:
    """The quantiles float[R, H, N, Q] and the truth float[R, H, N]."""
    return np.array([answer["quantiles"] for answer in answers]), np.array([example["target"] for example in examples])


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Iterable[dict]) -> dict:
    quantiles, truth = arrays(answers, examples)
    return metrics.series.scores(
        quantiles,
        truth,
        levels=levels(cfg),
        width=cfg.interval,
        naive_error=np.array([example["naive_error"] for example in examples]),
        std=codec.scaler.std[: truth.shape[2]],
    )


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> list[baselines.Baseline]:
    return baselines.forecasts.compare(
        cfg.baselines.split(","),
        source(cfg),
        train,
        test,
        season=cfg.season,
        levels=levels(cfg),
        score=lambda answers, examples: score(cfg, codec, answers, examples),
        seconds=cfg.baseline_seconds,
    )


def quality(example: dict, answer: dict) -> float:
    """1 / (1 + the error in mean errors of the seasonal naive forecast)."""
    error = np.abs(np.array(answer["forecast"]) - example["target"]) / example["naive_error"]
    return 1 / (1 + float(np.nanmean(error))) if np.isfinite(error).any() else 1.0


def show(example: dict, answer: dict) -> str:
    def some(values) -> str:
        rows = np.asarray(values)[:, 0]
        return " ".join(f"{value:.4g}" for value in rows[:6]) + (" …" if len(rows) > 6 else "")

    truth = f" (truth: {some(example['target'])})" if "target" in example else ""
    place = f"{example.get('series', 'series')} from {example.get('time', 'the next step')}"
    return f"{place}: {some(answer['forecast'])}{truth}"


def rows(cfg: Config, question: dict, answer: dict) -> Iterable[dict]:
    """A row of a table for each step and target."""
    names = columns(cfg)[0]
    for h, step in enumerate(answer["quantiles"]):
        for name, values in zip(names, step, strict=True):
            place = {
                "series": question.get("series", ""),
                "first": question.get("time", ""),
                "step": h + 1,
                "target": name,
            }
            yield place | {f"q{level:g}": value for level, value in zip(levels(cfg), values, strict=True)}


def draw_one(run, question: dict, path: Path) -> None:
    """The forecast of one question, after its history."""
    (answer,) = run.predict([question])
    quantiles = np.array(answer["quantiles"])
    plots.forecasts.fans(
        [np.asarray(question["history"])[:, 0]],
        [quantiles[:, 0]],
        [np.asarray(question["target"])[:, 0] if "target" in question else np.full(len(quantiles), np.nan)],
        path,
        levels=levels(run.cfg),
        names=[f"{question.get('series', '')} {question.get('time', '')}"],
    )


ARTIFACTS = {"forecast.png": draw_one}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Draws forecasts over the truth, the error and coverage by horizon, and the worst series; writes their tables."""
    quantiles, truth = arrays(answers, examples)
    folder, width = run.directory / "plots", run.cfg.interval
    plots.forecasts.report(quantiles, truth, list(examples), folder, levels=levels(run.cfg), width=width)


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="forecasting"))
