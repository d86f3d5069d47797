"""Encoded examples on disk, mapped into memory: encoding happens once, and memory stays flat however long the data.

raw examples, a batch at a time → encode → one file of values per array, and the offsets of the examples in it
"""

import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Field:
    """One array of all examples, laid end to end."""

    values: np.ndarray  # [sum of lengths, ...]; [N] for a scalar
    offsets: np.ndarray  # int64[N + 1], where each example begins; unused for a scalar
    axis: int | None  # which column of Cache.lengths it follows; None for a scalar

    @property
    def lengths(self) -> np.ndarray:
        """int[N]: steps of each example."""
        return np.diff(self.offsets)


class Cache:
    """All encoded examples of a split; random access by row.

    Attributes:
        fields: "x" (or "x/NAME" where x is a dict) and "y".
        lengths: int[N, A]. Arrays that have the same length in every example share an axis.
    """

    def __init__(self, fields: dict[str, Field], lengths: np.ndarray, folder: Path):
        self.fields, self.lengths, self.folder = fields, lengths, folder
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # also at the end of the program

    def __len__(self) -> int:
        return len(self.lengths)

    def fingerprint(self) -> str:
        """What tells these examples from others. The files are read past the map, which would fill memory."""
        sum = zlib.crc32(self.lengths.tobytes())
        for path in sorted(self.folder.iterdir()):
            with path.open("rb") as file:
                while part := file.read(2**20):
                    sum = zlib.crc32(part, sum)
        return f"{sum:08x}"

    def structure(self, arrays: dict[str, Any]) -> Any:
        """The x of `arrays`: a single array or the dict it came as."""
        if "x" in arrays:
            return arrays["x"]
        return {name.removeprefix("x/"): value for name, value in arrays.items() if name.startswith("x/")}


def _tensor(values: list) -> tf.Tensor | tf.RaggedTensor:
    """One key of a batch of raw dicts: texts, bytes and numbers as [B], lists of them as ragged [B, T]."""
    if isinstance(values[0], (list, tuple)):
        flat = [item for value in values for item in value]
        empty = tf.zeros([0], tf.string)
        return tf.RaggedTensor.from_row_lengths(flat or empty, [len(value) for value in values])
    return tf.constant(values)


class _Writer:
    """Appends batches of one array to a file."""

    def __init__(self, path: Path):
        self.path = path
        self.lengths: list[np.ndarray] = []
        self.dtype, self.step = np.dtype("int32"), ()
        self.scalar = False

    def append(self, value: tf.Tensor | tf.RaggedTensor) -> None:
        flat = value.flat_values.numpy() if isinstance(value, tf.RaggedTensor) else value.numpy()
        self.scalar = flat.ndim == 1 and not isinstance(value, tf.RaggedTensor)
        if isinstance(value, tf.RaggedTensor):
            self.lengths.append(value.row_lengths().numpy())
        elif not self.scalar:  # [B, T, ...]: as long in every example
            self.lengths.append(np.full(len(flat), flat.shape[1], np.int64))
            flat = flat.reshape((-1, *flat.shape[2:]))
        if not self.scalar and not self.lengths[-1].all():
            raise ValueError(f"encode gave an empty {self.path.name}: every example needs at least one step")
        self.dtype, self.step = flat.dtype, flat.shape[1:]
        with self.path.open("ab") as file:
            file.write(np.ascontiguousarray(flat).tobytes())

    def field(self, axes: list[np.ndarray]) -> Field:
        """The finished array, its lengths added to `axes` unless they are there already."""
        values = np.memmap(self.path, self.dtype, "r").reshape((-1, *self.step))
        if self.scalar:
            return Field(values, np.arange(len(values) + 1), None)
        lengths = np.concatenate(self.lengths)
        axis = next((i for i, other in enumerate(axes) if np.array_equal(other, lengths)), len(axes))
        if axis == len(axes):
            axes.append(lengths)
        return Field(values, np.concatenate([[0], np.cumsum(lengths)]), axis)


def encode(examples: Iterable[dict], encode_batch: Callable, *, progress: str | None = None, batch: int = 256) -> Cache:
    """Runs `encode_batch` over all of `examples` and keeps the result on disk.

    Args:
        examples: raw dicts of texts, bytes, numbers, or flat lists of them.
        encode_batch: dict of tensors [B] or ragged [B, T] → (x, y). Ragged arrays, and dense ones with more than one
            axis, are sequences along their second axis; [B] is one value an example.
        progress: a word to show beside a progress bar.
    """
    folder = Path(tempfile.mkdtemp(prefix="zoo-cache-"))
    writers: dict[str, _Writer] = {}
    bar = None
    if progress:
        print(progress, flush=True)
    if progress and sys.stdout.isatty():  # in a log file every step of the bar would be a line
        bar = keras.utils.Progbar(len(examples) if isinstance(examples, Sized) else None, unit_name="example")
    count, iterator = 0, iter(examples)
    while rows := list(islice(iterator, batch)):
        x, y = encode_batch({name: _tensor([row[name] for row in rows]) for name in rows[0]})
        for name, value in {
            **({f"x/{key}": part for key, part in x.items()} if isinstance(x, dict) else {"x": x}),
            "y": y,
        }.items():
            if name not in writers:
                writers[name] = _Writer(folder / name.replace("/", "-"))
            writers[name].append(value)
        count += len(rows)
        if bar:
            bar.update(count)
    axes: list[np.ndarray] = []
    fields = {name: writer.field(axes) for name, writer in writers.items()}
    return Cache(fields, np.stack(axes, axis=1) if axes else np.ones((count, 1), np.int64), folder)
