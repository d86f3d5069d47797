"""Encoded examples on disk, mapped into memory: encoding happens once, and memory stays flat however long the data.

raw examples, a batch at a time → encode → one file of values per array, and the offsets of the examples in it
bytes of which something slow is computed → Store → rows of it, which examples may share
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Sequence, Sized
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

    values: np.ndarray  # [sum of lengths, ...]; without an axis, entries of one shape
    offsets: np.ndarray  # int64[N + 1], where each example begins; without an axis int64[N], the entry it has
    axis: int | None  # which column of Cache.lengths it follows; None where every example has one entry

    @property
    def lengths(self) -> np.ndarray:
        """int[N]: steps of each example."""
        return np.diff(self.offsets)


def checksum(folder: Path, start: int = 0) -> str:
    """CRC-32 of the names and contents of a folder's files, read a piece at a time."""
    total = start
    for path in sorted(folder.iterdir()):
        total = zlib.crc32(path.name.encode(), total)
        with path.open("rb") as file:
            while part := file.read(2**20):
                total = zlib.crc32(part, total)
    return f"{total:08x}"


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
        """What tells these examples from others."""
        return checksum(self.folder, zlib.crc32(self.lengths.tobytes()))

    def structure(self, arrays: dict[str, Any]) -> Any:
        """The x of `arrays`: a single array or the dict it came as."""
        if "x" in arrays:
            return arrays["x"]
        return {name.removeprefix("x/"): value for name, value in arrays.items() if name.startswith("x/")}


def show_progress(what: str, total: int | None, unit: str) -> Callable[[int], None]:
    """Says what is done, and on a terminal how far it is: call the result with the count so far."""
    print(what, flush=True)
    if not sys.stdout.isatty():  # in a log file every step of the bar would be a line
        return lambda count: None
    return keras.utils.Progbar(total, unit_name=unit).update


class Store:
    """Arrays of one shape on disk, each computed once from the bytes that it belongs to.

    Two files, `index`: a SHA-256 of the bytes for each array, and `values`: the arrays in that order. A digest is
    written after its array, so that what a killed process leaves half-written is never read, and overwritten later.
    Any number of processes may use a store; those that write take turns.

    Args:
        compute: a list of bytes → [B, *shape].
        folder: where later runs find it again; a temporary one without it.
    """

    def __init__(self, compute: Callable, shape: Sequence[int], dtype: Any, *, folder: Path | None = None):
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="zoo-store-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self._compute, self._shape, self._dtype = compute, tuple(shape), np.dtype(dtype)
        self._index, self._values = folder / "index", folder / "values"
        for path in (self._index, self._values):
            path.touch()
        self._rows: dict[bytes, int] = {}

    def rows(self, items: Sequence[bytes]) -> np.ndarray:
        """int64[B]: where in `values` the arrays of `items` are; computes those that are not there."""
        digests = [hashlib.sha256(item).digest() for item in items]
        self._read_index()
        if missing := {digest: item for digest, item in zip(digests, items, strict=True) if digest not in self._rows}:
            self._append(list(missing), np.asarray(self._compute(list(missing.values())), self._dtype))
        return np.array([self._rows[digest] for digest in digests], np.int64)

    def arrays(self, items: Sequence[bytes]) -> np.ndarray:
        """[B, *shape]: what belongs to `items`."""
        rows = self.rows(items)
        return self.values[rows]

    def digests(self, rows: np.ndarray) -> bytes:
        """The SHA-256 of what each of `rows` belongs to, laid end to end."""
        return np.memmap(self._index, np.uint8, "r").reshape(-1, 32)[rows].tobytes()

    @property
    def values(self) -> np.ndarray:
        """[rows so far, *shape], mapped into memory."""
        return np.memmap(self._values, self._dtype, "r", shape=(len(self._rows), *self._shape))

    def _read_index(self) -> None:
        with self._index.open("rb") as file:
            file.seek(32 * len(self._rows))
            while len(digest := file.read(32)) == 32:
                self._rows[digest] = len(self._rows)

    def _append(self, digests: list[bytes], arrays: np.ndarray) -> None:
        with self._index.open("r+b") as index, self._values.open("r+b") as values:
            fcntl.flock(index, fcntl.LOCK_EX)
            self._read_index()  # another process may have computed the same
            new = [i for i, digest in enumerate(digests) if digest not in self._rows]
            values.seek(len(self._rows) * arrays[0].nbytes)
            values.write(arrays[new].tobytes())
            values.flush()
            os.fsync(values.fileno())
            index.seek(32 * len(self._rows))
            index.write(b"".join(digests[i] for i in new))
        self._read_index()


@dataclass(frozen=True)
class Stored:
    """What `encode` gives for an array that is in a store.

    Attributes:
        rows: int[N], the row of `store` that each example has; several may have the same one.
    """

    store: Store
    rows: np.ndarray


def _tensor(values: list) -> tf.Tensor | tf.RaggedTensor:
    """One key of a batch of raw dicts: texts, bytes and numbers as [B], lists of them as ragged [B, T]."""
    if isinstance(values[0], (list, tuple)):
        flat = [item for value in values for item in value]
        empty = tf.zeros([0], tf.string)
        return tf.RaggedTensor.from_row_lengths(flat or empty, [len(value) for value in values])
    return tf.constant(values)


class _Writer:
    """Appends batches of one array to a file; of what is in a store already, only the digests."""

    def __init__(self, path: Path):
        self.path = path
        self.lengths: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []
        self.store: Store | None = None
        self.dtype, self.step = np.dtype("int32"), ()

    def append(self, value: tf.Tensor | tf.RaggedTensor | Stored) -> None:
        if isinstance(value, Stored):
            self.store = value.store
            self.rows.append(value.rows)
            with self.path.open("ab") as file:  # for Cache.fingerprint
                file.write(value.store.digests(value.rows))
            return
        flat = value.flat_values.numpy() if isinstance(value, tf.RaggedTensor) else value.numpy()
        if isinstance(value, tf.RaggedTensor):
            self.lengths.append(value.row_lengths().numpy())
        elif flat.ndim > 1:  # [B, T, ...]: as long in every example
            self.lengths.append(np.full(len(flat), flat.shape[1], np.int64))
            flat = flat.reshape((-1, *flat.shape[2:]))
        if self.lengths and not self.lengths[-1].all():
            raise ValueError(f"encode gave an empty {self.path.name}: every example needs at least one step")
        self.dtype, self.step = flat.dtype, flat.shape[1:]
        with self.path.open("ab") as file:
            file.write(np.ascontiguousarray(flat).tobytes())

    def field(self, axes: list[np.ndarray]) -> Field:
        """The finished array, its lengths added to `axes` unless they are there already."""
        if self.store:
            return Field(self.store.values, np.concatenate(self.rows), None)
        values = np.memmap(self.path, self.dtype, "r").reshape((-1, *self.step))
        if not self.lengths:
            return Field(values, np.arange(len(values)), None)
        lengths = np.concatenate(self.lengths)
        axis = next((i for i, other in enumerate(axes) if np.array_equal(other, lengths)), len(axes))
        if axis == len(axes):
            axes.append(lengths)
        return Field(values, np.concatenate([[0], np.cumsum(lengths)]), axis)


def encode(examples: Iterable[dict], encode_batch: Callable, *, progress: str | None = None, batch: int = 256) -> Cache:
    """Runs `encode_batch` over all of `examples` and keeps the result on disk.

    Args:
        examples: raw dicts of texts, bytes, numbers, or flat lists of them.
        encode_batch: dict of tensors [B] or ragged [B, T] → (x, y), of as many rows as it likes. Ragged arrays, and
            dense ones with more than one axis, are sequences along their second axis; [N] and `Stored` are one entry
            a row.
        progress: a word to show beside a progress bar.
    """
    folder = Path(tempfile.mkdtemp(prefix="zoo-cache-"))
    writers: dict[str, _Writer] = {}
    total = len(examples) if progress and isinstance(examples, Sized) else None
    update = show_progress(progress, total, "example") if progress else (lambda count: None)
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
        update(count)
    axes: list[np.ndarray] = []
    fields = {name: writer.field(axes) for name, writer in writers.items()}
    lengths = np.stack(axes, axis=1) if axes else np.ones((len(fields["y"].offsets), 1), np.int64)
    return Cache(fields, lengths, folder)
