"""Recordings and their texts: sound files (WAV or FLAC), or features of frames, beside a list.

A list is a `.jsonl`, `.csv` or `.tsv` file (`.gz` too), one recording a line: its text, its speaker, its split, and

    audio            the name of a sound file, in the folder, in folders in it, or in a `.tar` in it; or
    offset, frames   the place of its frames in the one array of the `.npz` file beside the list.
"""

import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoo.data import audio
from zoo.data.examples import Examples
from zoo.data.formats import files, tables
from zoo.errors import InputError

LISTS = (".jsonl", ".csv", ".tsv")
RATE = 8_000  # of recordings that are joined


@dataclass(frozen=True)
class Columns:
    """The names of the columns of a list."""

    audio: str = "audio"
    text: str = "text"
    speaker: str = "speaker"


@dataclass(frozen=True)
class Recording:
    """One line of a list."""

    name: str
    text: str
    speaker: str
    split: str
    read: Callable[[], bytes | np.ndarray]  # a WAV file, or features float32[T, F]

    def example(self) -> dict:
        content = self.read()
        key = "audio_bytes" if isinstance(content, bytes) else "features"
        return {"audio": self.name, key: content, "text": self.text, "speaker": self.speaker}


def recordings(
    data: str,
    split: str,
    *,
    sample: Callable[[str], Iterable[dict]],
    columns: Columns,
    test_speakers: Sequence[str] = (),
    join: tuple[int, int] = (1, 1),
    joined: int = 0,
) -> Examples | None:
    """{"audio": name, "audio_bytes": WAV or "features": float32[T, F], "text": str, "speaker": str}.

    Args:
        data: "sample", or a directory.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
        test_speakers: make the test split, whatever the list says; all others are train.
        join: fewest and most recordings of one speaker that are joined with gaps into one; (1, 1) joins none.
        joined: how many such strings each speaker says.
    Returns:
        None if the source has no such split.
    Raises:
        InputError: names the file, the line and the expected form, or the sound that cannot be read.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    found = _listed(Path(data), columns)
    if test_speakers:
        known = {one.speaker for one in found}
        if missing := [name for name in test_speakers if name not in known]:
            raise InputError(f"--test-speakers {missing[0]!r}: the speakers are {', '.join(sorted(known)[:20])}")
        found = [replace(one, split="test" if one.speaker in test_speakers else "train") for one in found]
    mine = [one for one in found if one.split in files.SPLIT_NAMES[split]]
    if not mine and split != "train":
        return None
    if not mine:
        raise InputError(f"--data {data}: no line of the list is of the train split")
    if join != (1, 1):
        mine = list(_joined(mine, join, joined))

    def read() -> Iterator[dict]:
        for one in mine:
            yield one.example()

    return Examples(read, count=len(mine))


def _listed(directory: Path, columns: Columns) -> list[Recording]:
    expected = f"one {' or '.join(LISTS)} of {columns.audio} (or offset, frames), {columns.text}, {columns.speaker}"
    if not directory.is_dir():
        raise files.missing_split(directory, "train", expected)
    lists = sorted(p for p in directory.iterdir() if p.name.removesuffix(".gz").endswith(LISTS))
    if len(lists) > 1:
        raise InputError(f"{len(lists)} lists in {directory}: {' and '.join(path.name for path in lists)}; keep one")
    if not lists:
        raise files.missing_split(directory, "train", expected)
    (path,) = lists
    source = _Frames(directory) if next(directory.glob("*.npz"), None) else _Sounds(directory)
    found = []
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    for number, record in (files.json_lines if kind == "jsonl" else tables.rows)(path):
        where = f"{path} line {number}"
        text = record.get(columns.text)
        if not isinstance(text, str | int) or not str(text).strip():
            raise InputError(
                f"{where}: expected a {columns.text!r}, the text that is said; it has {', '.join(map(repr, record))}. "
                "--text-column names another column"
            )
        name, read = source.find(record, columns.audio, where)
        words = " ".join(str(text).split())
        split = str(record.get("split") or "train").lower()
        speaker = " ".join(str(record.get(columns.speaker) or name).split())  # unknown: one of its own
        found.append(Recording(name, words, speaker, split, read))
    if not found:
        raise InputError(f"{path} is empty: expected {expected}")
    return found


def questions(path: Path, columns: Columns) -> Iterator[dict]:
    """The questions in a sound file, in an array of features `.npy`, or in a list of sound files beside it."""
    kind = path.name.removesuffix(".gz")
    if kind.endswith(LISTS):
        for number, record in (files.json_lines if kind.endswith(".jsonl") else tables.rows)(path):
            name, read = _Sounds(path.parent).find(record, columns.audio, f"{path} line {number}")
            yield {"audio": name, "audio_bytes": read()}
        return
    try:
        if kind.endswith(".npy"):
            yield {"audio": str(path), "features": np.load(path).astype(np.float32)}
        else:
            yield {"audio": str(path), "audio_bytes": audio.as_wav(path.read_bytes(), str(path))}
    except (OSError, ValueError) as error:
        raise error if isinstance(error, InputError) else InputError(f"{path} cannot be read: {error}") from error


class _Sounds:
    """Finds sound files by their path in the directory, or by their name in its `.tar` files."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._members: dict[str, tuple[Path, tarfile.TarInfo]] = {}
        for path in sorted(directory.glob("*.tar")):
            try:
                with tarfile.open(path, "r:") as archive:
                    members = [member for member in archive if member.isreg()]
            except (OSError, tarfile.TarError) as error:
                raise InputError(f"{path} cannot be read: {error}") from error
            self._members |= {member.name: (path, member) for member in members}
            self._members |= {member.name.rsplit("/", 1)[-1]: (path, member) for member in members}

    def find(self, record: dict, column: str, where: str) -> tuple[str, Callable[[], bytes]]:
        name = record.get(column)
        if not isinstance(name, str) or not name:
            raise InputError(
                f"{where}: expected {column!r}, the name of a sound file; it has {', '.join(map(repr, record))}. "
                "--audio-column names another column"
            )
        path = self._directory / name
        found = path.is_file() and path.resolve().is_relative_to(self._directory.resolve())
        if name not in self._members and not found:
            raise InputError(f"{where}: there is no {name!r} in {self._directory}")
        return name, lambda: audio.as_wav(self._bytes(name), str(path))

    def _bytes(self, name: str) -> bytes:
        if name not in self._members:
            return (self._directory / name).read_bytes()
        path, member = self._members[name]
        with path.open("rb") as file:  # an archive that is not compressed has its files as they are
            file.seek(member.offset_data)
            return file.read(member.size)


class _Frames:
    """Finds the frames of a recording in the one array of a `.npz` file."""

    def __init__(self, directory: Path):
        self._path, *more = sorted(directory.glob("*.npz"))
        if more:
            raise InputError(f"two .npz files in {directory}: {self._path.name} and {more[0].name}; keep one")
        try:
            with np.load(self._path) as archive:
                arrays = [archive[name] for name in archive.files]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path} cannot be read: {error}") from error
        if len(arrays) != 1 or arrays[0].ndim != 2 or arrays[0].dtype.kind != "f":
            raise InputError(f"{self._path}: expected one array of floats [frames, features]")
        self._array = arrays[0]

    def find(self, record: dict, column: str, where: str) -> tuple[str, Callable[[], np.ndarray]]:
        try:
            start, count = int(record["offset"]), int(record["frames"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{where}: expected 'offset' and 'frames', the place of its frames") from None
        if start < 0 or count < 1 or start + count > len(self._array):
            raise InputError(f"{where}: frames {start} to {start + count} are not among the {len(self._array):,}")
        return str(record.get("id", start)), lambda: self._array[start : start + count].astype(np.float32)


def _joined(found: Sequence[Recording], join: tuple[int, int], count: int) -> Iterator[Recording]:
    """Strings of recordings, each of one speaker, with gaps of 50 to 300 ms; drawn by the speaker's name alone."""
    for speaker in sorted({one.speaker for one in found}):
        mine = [one for one in found if one.speaker == speaker]
        for number in range(count):
            rng = np.random.default_rng([*speaker.encode(), number])
            parts = [mine[i] for i in rng.integers(0, len(mine), rng.integers(join[0], join[1] + 1))]
            gaps = rng.uniform(0.05, 0.3, len(parts) + 1)
            text = " ".join(part.text for part in parts)
            yield Recording(f"{speaker} {number}", text, speaker, parts[0].split, _Together(parts, gaps))


@dataclass(frozen=True)
class _Together:
    parts: Sequence[Recording]
    gaps: np.ndarray  # seconds, one more than parts

    def __call__(self) -> bytes:
        import tensorflow as tf

        contents = [part.read() for part in self.parts]
        if not all(isinstance(content, bytes) for content in contents):
            raise InputError("--join takes sound files, not features")
        samples, lengths = audio.decode(tf.constant(contents), rate=RATE)
        rows = [row[:length] for row, length in zip(samples.numpy(), lengths.numpy(), strict=True)]
        quiet = [np.zeros(int(gap * RATE), np.float32) for gap in self.gaps]
        between = [piece for pair in zip(quiet[1:], rows, strict=True) for piece in reversed(pair)]
        return audio.to_wav(np.concatenate([quiet[0], *between]), RATE)
