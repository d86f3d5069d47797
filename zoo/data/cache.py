"""Encoded examples on disk, mapped into memory: encoding happens once, and memory stays flat for any amount of data.

raw examples, a batch at a time → encode → one file of values per array, and the place of each example in it
one long series → Windows → examples that are overlapping parts of it, without a copy
bytes from which something slow is computed → Store → its rows, which examples may share
"""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from zoo.data.locks import locked


@dataclass(frozen=True)
class Field:
    """One array of all examples. Example i is values[offsets[i] : offsets[i] + lengths[i]]; examples may overlap.

    Attributes:
        values: [S, ...], the steps of all examples; without an axis, entries that examples may share.
        offsets: int64[N], the first step of each example, or its entry.
        lengths: int64[N], the steps of each example; None if each example is one entry.
        axis: the column of `Cache.lengths` with these lengths; None if each example is one entry.
    """

    values: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray | None
    axis: int | None


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
        fields: "x" and "y", or "x/NAME" and "y/NAME" where they are dicts.
        lengths: int[N, A], the length of each example on each axis. Arrays of equal lengths share an axis.
    """

    def __init__(self, fields: dict[str, Field], lengths: np.ndarray, folder: Path):
        self.fields, self.lengths, self.folder = fields, lengths, folder
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # also at the end of the program

    def __len__(self) -> int:
        return len(self.lengths)

    def fingerprint(self) -> str:
        """A checksum of all examples."""
        return checksum(self.folder, zlib.crc32(self.lengths.tobytes()))

    @staticmethod
    def structure(arrays: dict[str, Any], of: Literal["x", "y"]) -> Any:
        """The x or the y of `arrays`: a single array, or a dict if `encode` gave one."""
        if of in arrays:
            return arrays[of]
        return {name.removeprefix(f"{of}/"): value for name, value in arrays.items() if name.startswith(f"{of}/")}


def show_progress(what: str, total: int | None, unit: str) -> Callable[[int], None]:
    """Prints `what`, and on a terminal a progress bar: call the result with the count so far."""
    print(what, flush=True)
    if not sys.stdout.isatty():  # in a log file every step of the bar would be a line
        return lambda count: None
    return keras.utils.Progbar(total, unit_name=unit).update


class Store:
    """Arrays of one shape on disk, each computed once from some bytes, such as the features of a picture.

    The file `values` has the arrays, the file `index` a SHA-256 of the bytes of each array, in the same order. A digest
    is written after its array. Data half-written by a killed process is therefore never read, and is overwritten
    later. Any number of processes may use a store; they take turns to write.

    Args:
        compute: a list of bytes → [B, *shape].
        folder: a folder that later runs use again; None is a temporary one.
    """

    def __init__(self, compute: Callable, shape: Sequence[int], dtype: Any, *, folder: Path | None = None):
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="zoo-store-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self._compute, self._shape, self._dtype = compute, tuple(shape), np.dtype(dtype)
        self._index, self._values, self._lock = folder / "index", folder / "values", folder / "lock"
        for path in (self._index, self._values):
            path.touch()
        self._rows: dict[bytes, int] = {}

    def rows(self, items: Sequence[bytes]) -> np.ndarray:
        """int64[B]: the rows of `values` that belong to `items`. Computes those that are not there yet."""
        digests = [hashlib.sha256(item).digest() for item in items]
        self._read_index()
        if missing := {digest: item for digest, item in zip(digests, items, strict=True) if digest not in self._rows}:
            self._append(list(missing), np.asarray(self._compute(list(missing.values())), self._dtype))
        return np.array([self._rows[digest] for digest in digests], np.int64)

    def arrays(self, items: Sequence[bytes]) -> np.ndarray:
        """[B, *shape]: the arrays of `items`."""
        rows = self.rows(items)
        return self.values[rows]

    def digests(self, rows: np.ndarray) -> bytes:
        """The SHA-256 of the bytes that each of `rows` was computed from, end to end."""
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
        with locked(self._lock), self._index.open("r+b") as index, self._values.open("r+b") as values:
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
    """A result of `encode`: each example has a row of a store.

    Attributes:
        rows: int[N], a row of `store` for each example; several examples may have the same one.
    """

    store: Store
    rows: np.ndarray


@dataclass(frozen=True)
class Entries:
    """A result of `encode`: an array without a time axis, one entry for each example.

    Attributes:
        values: [N, ...], an array or a tensor. Without this class its second axis would be the time.
    """

    values: Any


@dataclass(frozen=True)
class Windows:
    """A result of `encode`: one example per window into a long array. Windows may overlap.

    The array is written once and a window is never copied, so a window costs a few bytes, whatever its length. Fields
    and batches that share an array share its one copy if they are given the same object.

    Attributes:
        series: [T, ...], a NumPy array (also one mapped into memory) or a tensor.
        starts: int[N], the first step of each window.
        lengths: int[N] or one int for all, the steps of each window.
    """

    series: Any
    starts: np.ndarray
    lengths: np.ndarray | int


def _tensor(values: list) -> tf.Tensor | tf.RaggedTensor:
    """One key of a batch of raw dicts: texts, bytes and numbers as [B], lists and arrays as ragged [B, T, ...]."""
    if isinstance(values[0], np.ndarray) and values[0].ndim:
        if len(shapes := {value.shape[1:] for value in values}) > 1:
            raise ValueError(f"arrays may differ along their first axis alone, not in {' and '.join(map(str, shapes))}")
        return tf.RaggedTensor.from_row_lengths(np.concatenate(values), [len(value) for value in values])
    if isinstance(values[0], (list, tuple)):
        flat = [item for value in values for item in value]
        empty = tf.zeros([0], tf.string)
        return tf.RaggedTensor.from_row_lengths(flat or empty, [len(value) for value in values])
    return tf.constant(values)


class _File:
    """Arrays of one dtype, appended to a file along their first axis."""

    def __init__(self, path: Path):
        self.path, self.count = path, 0
        self._kind: tuple[np.dtype, tuple[int, ...]] | None = None  # dtype, and shape without the first axis

    def append(self, array: np.ndarray) -> int:
        """Gives the position of the first element."""
        kind = (array.dtype, array.shape[1:])
        if array.dtype.hasobject:
            raise ValueError(f"encode gave texts as {self.path.name}: expected numbers")
        if self._kind not in (None, kind):
            raise ValueError(f"encode gave {self.path.name} as {self._kind} and then as {kind}: expected one of them")
        self._kind = kind
        with self.path.open("ab") as file:
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        self.count += len(array)
        return self.count - len(array)

    def values(self) -> np.ndarray:
        """All of it, mapped into memory."""
        assert self._kind, "nothing was appended"
        dtype, step = self._kind
        return np.memmap(self.path, dtype, "r").reshape((-1, *step))


class _SeriesFiles:
    """The arrays that windows look into: a file for each dtype and shape of a step, each array in it once."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._files: dict[tuple, _File] = {}
        self._known: dict[int, tuple[weakref.ref, tuple[_File, int, int]]] = {}  # by id of an array that is in use

    def append(self, series: Any) -> tuple[_File, int, int]:
        """The file of an array, the position where it begins, and its length."""
        known = self._known.get(id(series))
        if known and known[0]() is series:
            return known[1]
        array = np.asarray(series)
        name = f"series-{array.dtype}-{'x'.join(map(str, array.shape[1:]))}"
        file = self._files.setdefault((array.dtype, array.shape[1:]), _File(self._folder / name))
        place = (file, file.append(array), len(array))
        with contextlib.suppress(TypeError):  # a list cannot be referred to weakly, and is written each time
            self._known[id(series)] = (weakref.ref(series), place)
        return place


class _Writer:
    """Collects the batches of one field: its values on disk, the place and length of each example in memory."""

    def __init__(self, path: Path, series: _SeriesFiles):
        self._own, self._series = _File(path), series
        self._file: _File | Store | None = None
        self._offsets: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []  # empty if every example is one entry

    def append(self, value: Any) -> None:
        """`value` is a tensor, ragged or not, an array, a list of arrays, `Entries`, `Stored` or `Windows`."""
        if isinstance(value, Stored):
            self._refer(value.store, value.rows, value.store.digests(value.rows))
        elif isinstance(value, Windows):
            self._append_windows(value)
        elif isinstance(value, Entries):
            self._append_entries(np.asarray(value.values))
        elif isinstance(value, list):
            self._append_flat(np.concatenate(value), np.array([len(array) for array in value], np.int64))
        elif isinstance(value, tf.RaggedTensor):
            if value.ragged_rank != 1:
                raise ValueError(
                    f"encode gave {self._own.path.name} with {value.ragged_rank} ragged axes: expected one"
                )
            self._append_flat(value.values.numpy(), value.row_lengths().numpy())
        else:
            array = np.asarray(value)
            if array.ndim > 1:  # [B, T, ...]: equally long in every example
                lengths = np.full(len(array), array.shape[1], np.int64)
                self._append_flat(array.reshape((-1, *array.shape[2:])), lengths)
            else:
                self._append_entries(array)

    def _append_entries(self, array: np.ndarray) -> None:
        self._file = self._own
        self._offsets.append(self._own.append(array) + np.arange(len(array)))

    def _append_flat(self, flat: np.ndarray, lengths: np.ndarray) -> None:
        self._check(lengths)
        self._file = self._own
        self._offsets.append(self._own.append(flat) + np.cumsum(lengths) - lengths)
        self._lengths.append(lengths)

    def _append_windows(self, windows: Windows) -> None:
        starts = np.asarray(windows.starts, np.int64)
        lengths = np.broadcast_to(np.asarray(windows.lengths, np.int64), starts.shape)
        self._check(lengths)
        file, begin, size = self._series.append(windows.series)
        if len(starts) and (starts.min() < 0 or (starts + lengths).max() > size):
            raise ValueError(f"encode gave windows of {self._own.path.name} that do not lie in their {size:,} steps")
        self._refer(file, begin + starts, (begin + starts).tobytes())
        self._lengths.append(lengths)

    def _refer(self, file: "_File | Store", offsets: np.ndarray, identity: bytes) -> None:
        """Examples that are elsewhere; their identity is written to this field's own file for `Cache.fingerprint`."""
        if self._file not in (None, file):
            raise ValueError(f"encode gave {self._own.path.name} from two stores, or of two dtypes or shapes")
        self._file = file
        self._offsets.append(offsets)
        with self._own.path.open("ab") as own:
            own.write(identity)

    def _check(self, lengths: np.ndarray) -> None:
        if not lengths.all():
            raise ValueError(f"encode gave an empty {self._own.path.name}: every example needs at least one step")

    def field(self, axes: list[np.ndarray]) -> Field:
        """The finished field. Its lengths are added to `axes` unless an equal axis is there already."""
        assert self._file, "encode gave something for every field"
        values = self._file.values if isinstance(self._file, Store) else self._file.values()
        offsets = np.concatenate(self._offsets)
        if not self._lengths:
            return Field(values, offsets, None, None)
        lengths = np.concatenate(self._lengths)
        axis = next((i for i, other in enumerate(axes) if np.array_equal(other, lengths)), len(axes))
        if axis == len(axes):
            axes.append(lengths)
        return Field(values, offsets, lengths, axis)


def _batches(examples: Iterable[dict], size: int, most_bytes: int = 2**26) -> Iterator[list[dict]]:
    """Up to `size` examples at a time, fewer if their arrays would take more than `most_bytes` of memory."""
    rows: list[dict] = []
    taken = 0
    for example in examples:
        rows.append(example)
        taken += sum(value.nbytes for value in example.values() if isinstance(value, np.ndarray))
        if len(rows) == size or taken > most_bytes:
            yield rows
            rows, taken = [], 0
    if rows:
        yield rows


def _named(name: str, part: Any) -> dict[str, Any]:
    return {f"{name}/{key}": value for key, value in part.items()} if isinstance(part, dict) else {name: part}


def encode(examples: Iterable[dict], encode_batch: Callable, *, progress: str | None = None, batch: int = 256) -> Cache:
    """Runs `encode_batch` over all of `examples` and keeps the result on disk.

    Args:
        examples: raw dicts. A value is a text, bytes, a number, a flat list of them, or a NumPy array with a time axis,
            such as a waveform float32[T] or frames uint8[T, 48, 48].
        encode_batch: dict of tensors [B] or ragged [B, T, ...] → (x, y), of any number of rows; both may be dicts. An
            array is a tensor or a NumPy array: with one axis it has one entry per row, else its second axis is the
            time, except in `Entries`. Sequences of different lengths are a ragged tensor or a list of NumPy arrays
            [T, ...]. `Windows` and `Stored` refer to arrays that many rows share.
        progress: a word to show beside a progress bar.
    Raises:
        ValueError: a sequence is empty, or `encode_batch` changes the dtype or number of rows of an array.
    """
    folder = Path(tempfile.mkdtemp(prefix="zoo-cache-"))
    writers: dict[str, _Writer] = {}
    series = _SeriesFiles(folder)
    total = len(examples) if progress and isinstance(examples, Sized) else None
    update = show_progress(progress, total, "example") if progress else (lambda count: None)
    count = 0
    for rows in _batches(examples, batch):
        x, y = encode_batch({name: _tensor([row[name] for row in rows]) for name in rows[0]})
        for name, value in {**_named("x", x), **_named("y", y)}.items():
            if name not in writers:
                writers[name] = _Writer(folder / name.replace("/", "-"), series)
            writers[name].append(value)
        count += len(rows)
        update(count)
    axes: list[np.ndarray] = []
    fields = {name: writer.field(axes) for name, writer in writers.items()}
    if len({len(field.offsets) for field in fields.values()}) > 1:
        told = ", ".join(f"{name} {len(field.offsets):,}" for name, field in fields.items())
        raise ValueError(f"encode gave different numbers of rows: {told}")
    lengths = np.stack(axes, axis=1) if axes else np.ones((len(next(iter(fields.values())).offsets), 1), np.int64)
    return Cache(fields, lengths, folder)
