"""Frames: the last steps of a series up to each step, in the scale of that series.

    Series → frames(split) → encode → float[B, L, P], in training
    a whole series → up_to(history, t) → the same numbers for any step t, in the export

A frame that ends in one split may begin in the split before it, as it does when a live value is judged.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from zoo.data import codec, observed
from zoo.data.examples import Examples
from zoo.data.formats.series import Series
from zoo.data.series import moments
from zoo.errors import InputError

CLIP = 10.0  # standard deviations: one wild value must not drown the others


def frames(series: Sequence[Series], split: str, *, length: int, stride: int = 1, data: str = "") -> Examples:
    """The frames that end at the steps of a split, as {"series": str, "history": float32[≤ length, C]}.

    Args:
        split: "train" or "validation".
        length: steps of a frame; at the beginning of a series it has fewer.
        stride: steps from one frame to the next.
        data: names the source in errors.
    Raises:
        InputError: no series has a step in this split.
    """
    begins = [{"train": 0, "validation": one.validation}[split] for one in series]
    ends = [{"train": one.validation, "validation": one.test}[split] for one in series]
    starts = [np.arange(end - 1, begin - 1, -stride)[::-1] for begin, end in zip(begins, ends, strict=True)]
    count = sum(map(len, starts))
    if not count:
        raise InputError(
            f"--data {data}: no series has a step of the {split} split; --validation-from and --test-from change it"
        )

    def read() -> Iterator[dict]:
        for one, places in zip(series, starts, strict=True):
            for step in places:
                yield {"series": one.name, "history": one.values[max(step + 1 - length, 0) : step + 1]}

    return Examples(read, count=count)


@codec.register(".json")
class SeriesScales(tf.Module):
    """The mean and the standard deviation of each column in the training split of each series, and of all together.

    Args:
        columns: C names.
        series: S names.
        mean, std: float64[S + 1, C]; the last row is that of all series together, for a series with another name.
    """

    def __init__(self, columns: Sequence[str], series: Sequence[str], mean: np.ndarray, std: np.ndarray):
        super().__init__()
        self.columns, self.series = tuple(columns), tuple(series)
        self.mean, self.std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        places = tf.lookup.KeyValueTensorInitializer(
            tf.constant(self.series or ("",), tf.string), tf.range(max(len(self.series), 1), dtype=tf.int32)
        )
        self._places = tf.lookup.StaticHashTable(places, default_value=len(self.series))

    @classmethod
    def fit(cls, series: Sequence[Series]) -> Self:
        """Reads the steps before the validation split."""
        parts = [one.values[: one.validation] for one in series]
        found = [moments(part) for part in (*parts, np.concatenate(parts))]
        mean, std = (np.stack(part) for part in zip(*found, strict=True))
        mean[:-1] = np.where(np.isfinite(mean[:-1]), mean[:-1], mean[-1])  # a column that a series never has
        std[:-1] = np.where(np.isfinite(std[:-1]), std[:-1], std[-1])
        return cls(series[0].columns, [one.name for one in series], np.nan_to_num(mean), np.nan_to_num(std, nan=1.0))

    def place(self, names: tf.Tensor) -> tf.Tensor:
        """The rows of `mean` and `std` of series by name: string[B] → int32[B]."""
        return self._places.lookup(names)

    def save(self, file: Path) -> None:
        found = {"columns": self.columns, "series": self.series, "mean": self.mean.tolist(), "std": self.std.tolist()}
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        return cls(**json.loads(file.read_text(encoding="utf-8")))


class Inputs(NamedTuple):
    """Everything that is computed from raw frames, in graph.

    past:    float32[B, L, 1 + 3 C]: 1 at real steps, and value, mask and gap of each column; right-padded with 0.
    scaled:  float32[B, L, C], clipped to ±10; 0 where nothing was observed.
    seen:    bool[B, L, C].
    lengths: int32[B].
    """

    past: tf.Tensor
    scaled: tf.Tensor
    seen: tf.Tensor
    lengths: tf.Tensor


def inputs(history: tf.Tensor, lengths: tf.Tensor, place: tf.Tensor, *, scales: SeriesScales, length: int) -> Inputs:
    """Scales the last steps of raw histories and marks their missing values.

    Args:
        history: float32[B, T, C] in the user's units; the first `lengths` steps of each row are real.
        lengths: int32[B]; 0 or more than T: all of them are real.
        place: int32[B], of each row's series in `scales`.
        length: steps of a frame.
    """
    values, lengths = observed.latest(history, lengths, lookback=length)
    real = (tf.range(tf.shape(values)[1]) < lengths[:, None])[:, :, None]  # [B, L, 1]
    seen = observed.observed(values) & real
    mean, std = (tf.gather(tf.constant(part, tf.float32), place)[:, None] for part in (scales.mean, scales.std))
    found = observed.marked(values, seen, mean, std, longest=length)
    found = found._replace(scaled=tf.clip_by_value(found.scaled, -CLIP, CLIP))
    return Inputs(observed.features(found, real), found.scaled, seen, lengths)


def up_to(history: tf.Tensor, steps: tf.Tensor, *, length: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The raw frames that end at some steps of whole series.

    Args:
        history: float32[B, T, C].
        steps: int32[S], the last step of each frame; the same for every row.
    Returns:
        float32[B, S, length, C], right-padded with steps that do not count, and the real steps of each, int32[S].
    """
    first = tf.maximum(steps - length + 1, 0)
    index = tf.minimum(first[:, None] + tf.range(length), tf.shape(history)[1] - 1)  # [S, length]
    return tf.gather(history, index, axis=1), tf.minimum(steps + 1, length)
