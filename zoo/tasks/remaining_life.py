"""Remaining life: the rows of a machine so far in, quantiles of the cycles until it fails out.

    python -m zoo.tasks.remaining_life                                       # bundled sample, a minute
    python -m zoo.tasks.remaining_life --data pumps --unit-column pump --cycle-column day
    zoo predict RUN_DIR pumps.csv                                            # one answer for each unit

Values, their masks and gaps → GRU over the last cycles → quantiles that cannot cross, calibrated on units that training
has not seen. Training clips lives at --cap, because a machine that is like new does not show its age: Heimes 2008,
https://doi.org/10.1109/PHM.2008.4711422. Test lives are never clipped. Numbers and cost: tasks/remaining_life/card.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo import answers, baselines, layers, metrics, options, plots
from zoo.data import batching, cache, lives, observed, series, splits
from zoo.data import codec as codecs
from zoo.data.examples import Examples
from zoo.data.formats import failures
from zoo.data.samples import machines
from zoo.errors import InputError
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import conformal, losses, optimizers


@dataclass(frozen=True)
class Config(options.Forward, options.Training):
    epochs: int = 12
    cell: options.Cell = "gru"
    dropout: float = 0.2
    batch_tokens: int = 4096
    validation_share: float = 0.2
    unit_column: str = option("unit", "column with the name of the unit", basic=True)
    cycle_column: str = option("cycle", "column with the cycle, a number that grows", basic=True)
    life_column: str = option("life", "column with the remaining life; without it units fail after their last row")
    sensors: str = option("", "columns of sensors and settings, joined by commas; empty: all others", basic=True)
    subset: str = option("", "read files in the layout of C-MAPSS, such as train_FD001.txt for FD001")
    lookback: int = option(50, "cycles that are read, at most", low=1, basic=True)
    shortest: int = option(5, "cycles that a training window has at least", low=1)
    stride: int = option(2, "cycles from one training window to the next", low=1)
    cap: float = option(125.0, "longer lives count as this many cycles in training; 0: as they are", low=0, basic=True)
    levels: str = option("0.05,0.1,0.25,0.5,0.75,0.9,0.95", "levels of the quantiles, joined by commas")
    interval: float = option(0.8, "central interval whose coverage is reported", low=0.01, high=0.999)
    calibrate: bool = option(True, "move the quantiles so that they hold on validation")
    baselines: str = option("mean,ridge", "methods to compare with: mean, ridge, cox")


METRICS = (
    Metric("rmse", better="min", format=".2f"),
    Metric("phm_score", better="min", format=".0f"),
    Metric("mae", better="min", format=".2f"),
    Metric("coverage", better="none", format=".1%"),
    Metric("width", better="none", format=".1f"),
)
SPLIT = splits.by_group("unit")
WORN = 0.93  # of the cap: above, a prediction says only that no wear shows yet; card.md has the measurement


def levels(cfg: Config) -> list[float]:
    return metrics.series.levels(cfg.levels, cfg.interval)


def columns(cfg: Config, sensors: Iterable[str] = ()) -> failures.Columns:
    named = [name.strip() for name in cfg.sensors.split(",") if name.strip()]
    if len(set(named)) < len(named):
        raise InputError(f"--sensors {cfg.sensors!r}: expected no column twice")
    return failures.Columns(cfg.unit_column, cfg.cycle_column, cfg.life_column, tuple(sensors or named))


def units(cfg: Config, split: str) -> Sequence[failures.Unit] | None:
    """The units of a split; those of validation and test have the columns of train."""
    if cfg.data == "sample":
        return None if split == "validation" else machines.units(split)
    train = failures.read(cfg.data, "train", columns(cfg), subset=cfg.subset)
    if split == "train" or train is None:
        return train
    return failures.read(cfg.data, split, columns(cfg, train[0].columns), subset=cfg.subset)


def examples(cfg: Config, split: str) -> Examples | None:
    """Windows as {"unit", "cycle", "history": float[T, C], "life"}; see `lives.windows`.

    Train and validation have a window after every `stride` cycles. Where the test file has units that are still
    running, test has one window for each unit, after its last row.
    """
    levels(cfg)
    baselines.life.check(cfg.baselines.split(","))
    found = units(cfg, split)
    if found is None:
        return None
    if split == "test" and any(unit.life[-1] > 0 for unit in found):
        return lives.last(found)
    return lives.windows(found, lookback=cfg.lookback, shortest=cfg.shortest, stride=cfg.stride)


def clipped(cfg: Config, life):
    """The life that training counts."""
    return np.minimum(life, cfg.cap or np.inf)


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    """The scaler of the columns, and of the life as one more."""
    rows = np.array([[*example["history"][-1], clipped(cfg, example["life"])] for example in train])
    found = units(cfg, "train")
    assert found  # train has been read
    return codecs.Codec(scaler=series.SeriesScaler.of([*found[0].columns, "life"], rows))


def inputs(cfg: Config, codec: codecs.Codec, history: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """float32[B, T, 1 + 3 C], T ≤ lookback: 1 at real rows, scaled values, masks, gaps; and the real rows, int32[B]."""
    values, lengths = observed.latest(history, steps, lookback=cfg.lookback)
    real = (tf.range(tf.shape(values)[1]) < lengths[:, None])[:, :, None]
    mean, std = (tf.constant(part[:-1], tf.float32) for part in (codec.scaler.mean, codec.scaler.std))
    found = observed.marked(values, observed.observed(values) & real, mean, std, longest=cfg.lookback)
    return observed.features(found, real), lengths


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[tf.RaggedTensor, tf.Tensor]:
    steps = tf.cast(batch["history"].row_lengths(), tf.int32)
    past, lengths = inputs(cfg, codec, batch["history"].to_tensor(), steps)
    life = tf.minimum(tf.cast(batch["life"], tf.float32), cfg.cap or tf.float32.max)
    y = (life - codec.scaler.mean[-1]) / codec.scaler.std[-1]
    return tf.RaggedTensor.from_tensor(past, lengths=lengths), y[:, None, None]  # one step, one target


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    wanted = levels(cfg)
    past = keras.Input([None, 3 * len(codec.scaler.columns) - 2], name="past")  # [B, T, 1 + 3 C]
    keep_mask = past[:, :, 0] > 0  # True = real row
    encoder = layers.RecurrentEncoder.of(cfg, bidirectional=False, name="encoder")
    _, state = encoder(past, keep_mask)  # [B, units]
    hidden = keras.layers.Dense(cfg.units, activation="relu", name="hidden")(state)
    hidden = keras.layers.Dropout(cfg.dropout, name="dropout")(hidden)
    free = keras.layers.Dense(len(wanted), name="out")(hidden)
    free = keras.layers.Reshape([1, 1, len(wanted)], name="free")(free)
    quantiles = layers.Quantiles(wanted, horizon=1, targets=1, name="quantiles")(
        free, keras.ops.zeros_like(free[..., 0])
    )
    network = keras.Model(past, quantiles, name="remaining_life")
    network.compile(optimizers.adamw(cfg), losses.Pinball(wanted))
    return network


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    wanted, size = levels(cfg), len(codec.scaler.columns) - 1
    history = tf.TensorSpec([None, None, size], tf.float32, name="history")
    steps = tf.TensorSpec([None], tf.int32, name="steps")
    observation = tf.TensorSpec([None, size], tf.float32, name="observation")

    def answer(history, steps):
        scaled = model(inputs(cfg, codec, history, steps)[0], training=False)[:, 0, 0]  # [B, Q]
        quantiles = tf.maximum(scaled * codec.scaler.std[-1] + codec.scaler.mean[-1], 0.0)
        mean = tf.linalg.matvec(quantiles, tf.constant(metrics.series.mean_weights(wanted), tf.float32))
        shares = tf.tile([wanted], [tf.shape(quantiles)[0], 1])
        return {"life": mean, "quantiles": quantiles, "levels": shares}

    @tf.function(input_signature=[history, steps], autograph=False)
    def whole(history, steps):
        return answer(history, steps)

    @tf.function(input_signature=[observation, history, steps], autograph=False)
    def step(observation, history, steps):
        """The state is the history so far, right-padded to the lookback; `steps` of it are real, 0 at the beginning."""
        history, steps = observed.append(history, steps, observation, lookback=cfg.lookback)
        return answer(history, steps) | {"history": history, "steps": steps}

    defaults = {"steps": lambda asked: len(asked["history"])}
    return answers.service.Service(codec, model, defaults=defaults, serving_default=whole, step=step)


def questions(cfg: Config, codec: codecs.Codec, path: str) -> Iterable[dict]:
    """One question for each unit of a file, about the time after its last row."""
    return lives.last(failures.question(path, columns(cfg, codec.scaler.columns[:-1])))


def finish(run, validation: Examples) -> dict[str, float]:
    """Calibrates the quantiles on validation, where lives are not clipped.

    A unit that is predicted to live almost as long as the cap shows no wear yet. It may live for any time, so such
    windows are left out.
    """
    if not run.cfg.calibrate:
        return {}
    mean, std = run.codec.scaler.mean[-1], run.codec.scaler.std[-1]
    whole = dataclasses.replace(run.cfg, cap=0.0)
    encoded = cache.encode(validation, lambda batch: encode(whole, run.codec, batch))
    batches = batching.bucketed(run.cfg, encoded, seed=None)
    highest = (WORN * run.cfg.cap - mean) / std if run.cfg.cap else np.inf
    return {"mean_offset": conformal.calibrate(run.model, batches, highest=highest) * float(std)}


def arrays(answers: list[dict], examples: Iterable[dict]) -> tuple[np.ndarray, np.ndarray]:
    """The quantiles float[R, Q] and the truth float[R]."""
    return np.array([answer["quantiles"] for answer in answers]), np.array([example["life"] for example in examples])


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Iterable[dict]) -> dict:
    return metrics.life.scores(*arrays(answers, examples), levels=levels(cfg), width=cfg.interval)


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> list[baselines.Baseline]:
    names = cfg.baselines.split(",")
    return baselines.life.compare(names, train, test, levels=levels(cfg), cap=cfg.cap or np.inf, rows=cfg.lookback)


def quality(example: dict, answer: dict) -> float:
    """1 / (1 + the penalty of PHM 2008)."""
    return 1 / (1 + float(metrics.life.penalty(np.array(answer["life"] - example["life"]))))


def show(example: dict, answer: dict) -> str:
    low, high = answer["quantiles"][0], answer["quantiles"][-1]
    width = answer["levels"][-1] - answer["levels"][0]
    truth = f" (truth: {example['life']:.0f})" if "life" in example else ""
    place = f"{example.get('unit', 'unit')} after cycle {example.get('cycle', len(example['history'])):.10g}"
    return f"{place}: {answer['life']:.0f} cycles left, {low:.0f} to {high:.0f} with probability {width:.0%}{truth}"


def rows(cfg: Config, question: dict, answer: dict) -> Iterable[dict]:
    """One row of a table."""
    place = {"unit": question.get("unit", ""), "cycle": question.get("cycle", ""), "life": answer["life"]}
    yield place | {f"q{level:g}": value for level, value in zip(levels(cfg), answer["quantiles"], strict=True)}


def draw_one(run, question: dict, path: Path) -> None:
    """The lives that are predicted after each cycle of one unit."""
    history = np.asarray(question["history"], np.float32)
    found = run.predict([{"history": history[: end + 1]} for end in range(len(history))])
    plots.lives.over_cycles(
        question.get("cycle", len(history)) - np.arange(len(history))[::-1],
        np.array([answer["quantiles"] for answer in found]),
        path,
        truth=question.get("life", np.nan),
        levels=levels(run.cfg),
        width=run.cfg.interval,
        name=str(question.get("unit", "")),
    )


ARTIFACTS = {"life.png": draw_one}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Draws the predicted lives of the split beside the true ones, and writes them as a table."""
    plots.lives.against_truth(
        *arrays(answers, examples),
        run.directory / "plots" / "against_truth.png",
        levels=levels(run.cfg),
        width=run.cfg.interval,
        names=[f"{example['unit']} after {example['cycle']:.10g}" for example in examples],
    )


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="remaining_life"))
