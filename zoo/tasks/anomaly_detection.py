"""Anomaly detection: sensor series in, a score for every step, alarms, and the sensors to blame out.

    python -m zoo.tasks.anomaly_detection                                        # bundled sample, a minute
    python -m zoo.tasks.anomaly_detection --data DIR --test-from 2026-03-01      # own files: normal data comes first
    zoo predict RUN_DIR pump.csv --output alarms.csv                             # one row for each alarm

The last steps → GRU → a narrow code → GRU → the same steps again, wrong where they do not resemble normal ones:
Malhotra et al. 2016, https://arxiv.org/abs/1607.00148. With --network predictor: each step from those before it
(Malhotra et al. 2015, https://www.esann.org/sites/default/files/proceedings/legacy/es2015-56.pdf)
Numbers and cost: tasks/anomaly_detection/card.md
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
from zoo.answers import alarms
from zoo.data import codec as codecs
from zoo.data import frames, observed, splits
from zoo.data.examples import Examples
from zoo.data.formats import events
from zoo.data.formats import series as files
from zoo.data.samples import pumps
from zoo.errors import InputError
from zoo.metrics import Metric
from zoo.options import option
from zoo.training import losses, optimizers, thresholds


@dataclass(frozen=True)
class Config(options.Series, options.Forward, options.Training):
    epochs: int = 15
    learning_rate: float = 1e-2
    cell: options.Cell = "gru"
    units: int = 32
    dropout: float = 0.0
    batch_tokens: int = 2048
    sensors: str = option(
        "", "columns to watch, joined by commas; without it, all but the time and the label", basic=True
    )
    label_column: str = option("anomaly", "column with 1 at anomalous steps, for the evaluation alone; may be missing")
    events: str | None = option(None, "JSON file with the times of the anomalies instead: name → [[first, last], …]")
    network: Literal["autoencoder", "predictor"] = option(
        "autoencoder", "restore a frame from a narrow code, or predict each step from those before it", basic=True
    )
    frame: int = option(5, "steps that are read to judge the last of them", low=1, basic=True)
    code: int = option(6, "numbers between encoder and decoder of the autoencoder; fewer restore less", low=1)
    stride: int = option(1, "steps from one training frame to the next", low=1)
    smooth: int = option(2, "steps at the end of a frame whose errors count", low=1)
    lookahead: int = option(0, "judge a step by this many later steps too; the alarm comes as much later", low=0)
    recent: int = option(
        0, "judge a score by those of so many steps before it, where series change for good; 0: by held-out data", low=0
    )
    quiet: int = option(0, "steps after an alarm without another one", low=0)
    threshold: Literal["quantile", "tail", "fixed"] = option(
        "quantile",
        "a quantile of the scores of held-out normal steps, a tail that is fitted to them, or --margin itself",
    )
    risk: float = option(0.01, "share of normal steps that may be flagged", low=1e-9, high=0.5, basic=True)
    margin: float = option(1.0, "the threshold is so many times that, where normal data drifts", low=1e-9)
    shared_threshold: bool = option(False, "one threshold for all series instead of one for each")
    season: int = option(240, "steps after which a series resembles itself, for the seasonal baseline", low=1)
    baselines: str = option(
        "random,all,t2,pca,frames,forest,seasonal",
        "methods to compare with: random, all, t2, pca, frames (PCA of the last steps together), forest, seasonal",
    )


METRICS = (
    Metric("f1", format=".3f"),
    Metric("precision", format=".1%"),
    Metric("recall", format=".1%"),
    Metric("false_alarm_rate", better="min", format=".1%"),
    Metric("miss_rate", better="min", format=".1%"),
    Metric("event_f1", format=".3f"),
    Metric("event_recall", format=".1%"),
    Metric("delay", better="min", format=".1f"),
    Metric("pr_auc", format=".3f"),
    Metric("nab", format=".1f"),
    Metric("alarm_rate", better="none", format=".1%"),
)
SPLIT = splits.by_time("time")
BLAMED = 3  # sensors that are named for an alarm
SMALLEST = 1e-3  # standard deviations: the least usual error of a sensor


def sensors(cfg: Config) -> tuple[str, ...]:
    """The columns that are watched.

    Raises:
        InputError: there is none, or one twice.
    """
    if cfg.data == "sample":
        return pumps.SENSORS
    apart = {*cfg.time_column.split(","), cfg.series_column, cfg.label_column}
    found = [name.strip() for name in cfg.sensors.split(",") if name.strip()]
    found = found or [name for name in files.columns_of(cfg.data) if name not in apart]
    if not found or len(set(found)) < len(found):
        raise InputError(
            f"--data {cfg.data}: no sensor, or one twice; --sensors {cfg.sensors!r} should name columns of numbers"
        )
    return tuple(found)


def read(cfg: Config, data: str, names: Sequence[str], **borders: str | None) -> Sequence[files.Series]:
    """All series of a source; where it has a label, the last column holds it."""
    labelled = cfg.label_column in files.columns_of(data)
    wanted = files.Columns(
        (*names, cfg.label_column) if labelled else tuple(names),
        tuple(cfg.time_column.split(",")),
        cfg.series_column,
        cfg.gaps,
    )
    return files.read(data, wanted, share=cfg.validation_share, **borders)


def source(cfg: Config) -> Sequence[files.Series]:
    borders = {"validation": cfg.validation_from, "test": cfg.test_from, "end": cfg.end}
    if cfg.data == "sample":
        return [one.divided(cfg.validation_share, **borders) for one in pumps.series()]
    return read(cfg, cfg.data, sensors(cfg), **borders)


def without_labels(every: Sequence[files.Series], count: int) -> list[files.Series]:
    """The same series without their labels."""
    return [dataclasses.replace(one, columns=one.columns[:count], values=one.values[:, :count]) for one in every]


def question(one: files.Series, first: int = 0) -> dict:
    """A whole series without label, of which the steps from `first` on are scored."""
    times = np.array([one.when(step) for step in range(len(one.values))])
    return {"series": one.name, "first": first, "sensors": one.columns, "times": times, "history": one.values}


def examples(cfg: Config, split: str) -> Examples | None:
    """Frames as {"series", "history": float32[≤ frame, C]} to learn from. To test with, whole series: the same, and
    "first", the first step that is scored, and "anomaly": float32[T], 1 at anomalous steps, NaN where that is unknown.
    """
    baselines.alarms.check(cfg.baselines.split(","))
    every, count = source(cfg), len(sensors(cfg))
    if split != "test":
        stride = cfg.stride if split == "train" else 1
        return frames.frames(without_labels(every, count), split, length=cfg.frame, stride=stride, data=cfg.data)
    known = events.read(Path(cfg.events)) if cfg.events else None

    def truth(one: files.Series) -> np.ndarray:
        if known is not None:
            return events.marked(one, known)
        return one.values[:, count] if len(one.columns) > count else np.full(len(one.values), np.nan, np.float32)

    pairs = zip(every, without_labels(every, count), strict=True)
    whole = [question(bare, one.test) | {"anomaly": truth(one)} for one, bare in pairs]
    return Examples(lambda: iter(whole), count=len(whole))


def codec(cfg: Config, train: Examples) -> codecs.Codec:
    return codecs.Codec(scales=frames.SeriesScales.fit(without_labels(source(cfg), len(sensors(cfg)))))


def encode(cfg: Config, codec: codecs.Codec, batch: dict) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    history = batch["history"]
    lengths = tf.cast(history.row_lengths(), tf.int32)
    place = codec.scales.place(batch["series"])
    found = frames.inputs(history.to_tensor(), lengths, place, scales=codec.scales, length=cfg.frame)
    target = tf.where(found.seen, found.scaled, float("nan"))
    x, y = (tf.RaggedTensor.from_tensor(part, lengths=found.lengths) for part in (found.past, target))
    return x, y


def model(cfg: Config, codec: codecs.Codec) -> keras.Model:
    C = len(codec.scales.columns)
    past = keras.Input([None, 1 + 3 * C], name="past")  # [B, L, P]
    keep_mask = past[:, :, 0] > 0  # True = real step
    encoder = layers.RecurrentEncoder.of(cfg, bidirectional=False, name="encoder")
    if cfg.network == "predictor":
        before = keras.layers.ZeroPadding1D((1, 0), name="before")(past)[:, :-1]  # each step sees those before it
        steps, _ = encoder(before, keep_mask)  # [B, L, units]
    else:
        _, state = encoder(past, keep_mask)  # [B, units]
        level = layers.Pooling("mean", name="level")(past, state, keep_mask)  # [B, P]
        state = keras.layers.Dropout(cfg.dropout, name="state_dropout")(state)
        code = keras.layers.Dense(cfg.code, name="code")(keras.ops.concatenate([state, level], axis=1))
        place = keras.ops.cumsum(past[:, :, :1], axis=1) / cfg.frame
        steps = layers.ForecastDecoder(cfg.units, cell=layers.decoder_cell(cfg.cell), name="decoder")(code, place)
        # A second way from frame to frame is linear: levels beyond those of training do not saturate it.
        around = keras.layers.Dense(C, name="around")(code)[:, None]  # [B, 1, C]
    steps = keras.layers.Dropout(cfg.dropout, name="steps_dropout")(steps)
    estimate = keras.layers.Dense(C, name="out")(steps)  # [B, L, C]
    if cfg.network == "autoencoder":
        estimate = estimate + around
    estimate = layers.AlarmRule(C, len(codec.scales.series) + 1, name="rule")(estimate)
    detector = keras.Model(past, estimate, name="detector")
    detector.compile(optimizers.adamw(cfg), losses.SquaredError())
    return detector


def rule_of(cfg: Config, codec: codecs.Codec) -> dict:
    """How `alarms.judge` scores a frame."""
    return {"scales": codec.scales, "length": cfg.frame, "last": cfg.smooth}


def serve(cfg: Config, codec: codecs.Codec, model: keras.Model) -> answers.service.Service:
    C, rule = len(codec.scales.columns), model.get_layer("rule")
    scored, followed = rule_of(cfg, codec), {"recent": cfg.recent, "quiet": cfg.quiet}
    history = tf.TensorSpec([None, None, C], tf.float32, name="history")
    steps = tf.TensorSpec([None], tf.int32, name="steps")
    series = tf.TensorSpec([None], tf.string, name="series")

    def estimate(past):
        return model(past, training=False)

    @tf.function(input_signature=[history, steps, series], autograph=False)
    def whole(history, steps, series):
        length = tf.shape(history)[1]
        lengths = tf.where((steps < 1) | (steps > length), length, steps)
        place = codec.scales.place(series)
        threshold = tf.gather(rule.threshold, place)
        errors, score, expected = alarms.judge_all(estimate, history, place, usual=rule.usual, **scored)
        score, alarm = alarms.follow_all(score, threshold=threshold, **followed)
        later = tf.minimum(tf.range(length) + cfg.lookahead, lengths[:, None] - 1)
        score, alarm, errors = (tf.gather(part, later, batch_dims=1) for part in (score, alarm, errors))
        answer = {"score": score, "alarm": alarm, "threshold": threshold, "errors": errors, "expected": expected}
        return answer | {"lengths": lengths}

    observation = tf.TensorSpec([None, C], tf.float32, name="observation")
    memory = tf.TensorSpec([None, alarms.MEMORY], tf.float32, name="memory")

    @tf.function(input_signature=[observation, history, steps, memory, series], autograph=False)
    def step(observation, history, steps, memory, series):
        """The state is the last steps, right-padded to a frame, how many of them are real, and the memory of scores."""
        history, steps = observed.append(history, steps, observation, lookback=cfg.frame)
        place = codec.scales.place(series)
        threshold = tf.gather(rule.threshold, place)
        errors, score, expected = alarms.judge(estimate, history, steps, place, usual=rule.usual, **scored)
        (score, alarm), memory = alarms.follow(score, memory, threshold=threshold, **followed)
        answer = {"score": score, "alarm": alarm, "threshold": threshold, "errors": errors, "expected": expected}
        return answer | {"history": history, "steps": steps, "memory": memory}

    return answers.service.Service(
        codec,
        model,
        defaults={"steps": lambda asked: len(asked["history"]), "series": ""},
        serving_default=whole,
        step=step,
    )


def questions(cfg: Config, codec: codecs.Codec, path: str) -> Iterable[dict]:
    """One question for each series of a file."""
    names = codec.scales.columns
    return [question(one) for one in without_labels(read(cfg, path, names), len(names))]


def finish(run, validation: Examples) -> dict[str, float]:
    """Chooses the usual error of each sensor and the thresholds, from the held-out steps of the training series."""
    cfg, rule = run.cfg, run.model.get_layer("rule")
    errors = [held_out(run, one) for one in without_labels(source(cfg), len(run.codec.scales.columns))]
    together = np.concatenate(errors)
    count = np.maximum((together > 0).sum(axis=0), 1)
    usual = np.maximum(np.sqrt(np.square(together).sum(axis=0) / count), SMALLEST)

    def judged(errors: np.ndarray) -> np.ndarray:
        score = alarms.score(tf.constant(errors / usual, tf.float32))[None]
        return alarms.follow_all(score, threshold=tf.constant([np.inf]), recent=cfg.recent, quiet=0).score[0].numpy()

    scores = [judged(part) for part in errors]
    pooled = threshold(cfg, np.concatenate(scores))
    own = [pooled if cfg.shared_threshold or not len(part) else threshold(cfg, part) for part in scores]
    rule.usual.assign(usual)
    rule.threshold.assign(np.array([*own, pooled]))
    return {"threshold": float(np.mean(own))}


def threshold(cfg: Config, scores: np.ndarray) -> float:
    """The score above which there is an alarm, from scores of held-out normal steps."""
    if cfg.threshold == "fixed":
        return cfg.margin
    return cfg.margin * thresholds.threshold(scores, risk=cfg.risk, how=cfg.threshold)


def held_out(run, one: files.Series) -> np.ndarray:
    """float32[T, C]: the errors of the sensors at the validation steps of a series, in deviations of its training."""
    history, place = tf.constant(one.values[None, : one.test]), run.codec.scales.place(tf.constant([one.name]))

    def estimate(past):
        return run.model.predict_on_batch(past.numpy())

    steps = tf.range(one.validation, one.test)
    how = rule_of(run.cfg, run.codec)
    parts = [
        alarms.judge_steps(estimate, history, place, steps[first : first + alarms.CHUNK], usual=1.0, **how).errors[0]
        for first in range(0, len(steps), alarms.CHUNK)
    ]
    return np.concatenate([np.zeros([0, history.shape[2]], np.float32), *parts])


def score(cfg: Config, codec: codecs.Codec, answers: list[dict], examples: Iterable[dict]) -> dict[str, float]:
    return metrics.alarms.scores(answers, examples)


def baseline(cfg: Config, codec: codecs.Codec, train: Examples, test: Examples) -> list[baselines.Baseline]:
    return baselines.alarms.compare(
        cfg.baselines.split(","),
        source(cfg),
        len(codec.scales.columns),
        season=cfg.season,
        frame=cfg.frame,
        threshold=lambda scores: thresholds.threshold(scores, risk=cfg.risk, how="quantile"),
    )


def quality(example: dict, answer: dict) -> float:
    """The share of the scored steps with a known truth that are judged right."""
    truth, alarm = (np.asarray(part)[example["first"] :] for part in (example["anomaly"], answer["alarm"]))
    known = np.isfinite(truth)
    return float((alarm == (truth > 0))[known].mean()) if known.any() else 1.0


def rows(cfg: Config, question: dict, answer: dict) -> Iterable[dict]:
    """A row for each alarm after the first scored step: its first and last time, its largest score in thresholds, and
    the sensors with the largest errors, the worst first."""
    names, times = question["sensors"], question["times"]
    for begin, end in metrics.alarms.events(np.asarray(answer["alarm"])):
        if end > question["first"]:
            worst = np.asarray(answer["errors"])[begin:end].max(axis=0)
            yield {
                "series": question["series"],
                "start": times[begin],
                "end": times[end - 1],
                "severity": round(max(answer["score"][begin:end]) / answer["threshold"], 2),
                "sensors": " ".join(names[i] for i in np.argsort(-worst)[:BLAMED]),
            }


def show(example: dict, answer: dict) -> str:
    alarm = np.asarray(answer["alarm"])[example["first"] :]
    place = f"{example['series']}, {len(alarm):,} steps"
    found = metrics.alarms.events(alarm)
    told = f"alarms: {len(found)}, {alarm.mean():.1%} of the steps"
    if "anomaly" not in example or not np.isfinite(example["anomaly"]).any():
        return f"{place}: {told}"
    truth = np.asarray(example["anomaly"])[example["first"] :] > 0
    known = metrics.alarms.events(truth)
    hit = sum(bool(alarm[begin:end].any()) for begin, end in known)
    return f"{place}: {told}; {hit} of {len(known)} events found, {(alarm & ~truth).sum():,} normal steps flagged"


def draw_one(run, question: dict, path: Path) -> None:
    """The score and the alarms of one series, above the sensors with the largest errors and their expected values."""
    (answer,) = run.predict([question])
    plots.alarms.series(question, answer, path, names=run.codec.scales.columns)


ARTIFACTS = {"alarms.png": draw_one}


def draw(run, answers: list[dict], examples: Examples) -> None:
    """Draws every series with its alarms (twelve at most), and the scores of normal and anomalous steps; writes the
    table of alarms."""
    folder, names = run.directory / "plots", run.codec.scales.columns
    pairs = list(zip(examples, answers, strict=True))
    for i, (example, answer) in enumerate(pairs[:12], 1):
        plots.alarms.series(example, answer, folder / f"series_{i}.png", names=names)
    plots.alarms.distribution(pairs, folder / "scores.png")
    table = (row for example, answer in pairs for row in rows(run.cfg, example, answer))
    plots.tables.write(table, folder / "alarms.csv")


if __name__ == "__main__":
    from zoo.cli import main

    raise SystemExit(main(task="anomaly_detection"))
