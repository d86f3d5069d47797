"""Captioned pictures: a `.jsonl` list beside pictures in folders or `.tar` files, and TFDS."""

import os
import posixpath
import sys
import tarfile
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from zoo.data import cache, images
from zoo.data.examples import Examples
from zoo.data.formats import files, tfds
from zoo.errors import InputError


def captioned(data: str, split: str, *, sample: Callable[[str], Iterable[dict]]) -> Examples | None:
    """Pictures and their captions, as {"image": str, "image_bytes": bytes, "captions": [str, ...]}.

    Pictures that cannot be read are left out and named on the error stream.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]", or a directory with one `.jsonl` of image, captions and split, and the
            pictures in it, in folders in it, or in `.tar` files in it. Links are not followed.
        split: "train", "validation" or "test".
        sample: makes the bundled sample's examples of a split.
    Returns:
        one example per picture; None if the source has no such split.
    Raises:
        InputError: names the file, the line and the expected form.
    """
    if data == "sample":
        return None if split == "validation" else Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split)
    directory = Path(data)
    listed = _listed(directory)
    if split == "train" and (other := Counter(entry.split for entry in listed if not _known(entry.split))):
        told = ", ".join(f"{count:,} of split {name!r}" for name, count in other.items())
        print(f"left out: {told}", file=sys.stderr, flush=True)
    mine = [entry for entry in listed if entry.split in files.SPLIT_NAMES[split]]
    if not mine and split != "train":
        return None
    if not mine:
        raise files.missing_split(directory, split, 'a .jsonl with lines of "split": "train"')
    find = _Pictures(directory)
    faults = _check(mine, find, split)
    broken = [f"{entry.image!r} ({reason})" for entry, reason in zip(mine, faults, strict=True) if reason]
    if len(broken) == len(mine):
        raise InputError(f"--data {data}: none of the {len(mine):,} pictures of {split} can be read: {broken[0]}")
    if broken:
        shown = ", ".join(broken[:20]) + (" …" if len(broken) > 20 else "")
        told = f"{len(broken):,} of {len(mine):,} pictures of {split} are left out"
        print(f"{told}: {shown}", file=sys.stderr, flush=True)

    def read() -> Iterator[dict]:
        for entry in mine:
            yield {"image": entry.image, "image_bytes": find(entry.image), "captions": entry.captions}

    return Examples(read, np.flatnonzero([reason is None for reason in faults]))


def _tfds(data: str, split: str) -> Examples | None:
    import tensorflow_datasets

    builder = tfds.builder(data)
    for feature in ("image", "captions"):
        if feature not in builder.info.features:
            raise InputError(f"--data {data} has no {feature!r}; it has {', '.join(builder.info.features)}")

    def to_example(row: dict) -> dict:
        captions = row["captions"]["text"] if isinstance(row["captions"], dict) else row["captions"]
        name = row.get("image/filename", row.get("image_filename", b""))
        texts = [caption.decode("utf-8", errors="replace") for caption in captions]
        return {"image": name.decode(), "image_bytes": row["image"], "captions": texts}

    return tfds.rows(builder, split, to_example, decoders={"image": tensorflow_datasets.decode.SkipDecoding()})


@dataclass(frozen=True)
class _Entry:
    """One line of the list."""

    image: str
    captions: list[str]
    split: str


def _known(split: str) -> bool:
    return any(split in names for names in files.SPLIT_NAMES.values())


def _listed(directory: Path) -> list[_Entry]:
    """The lines of the one `.jsonl` in `directory`. A line without a split belongs to train."""
    expected = "one .jsonl of image, captions, split, and pictures in folders or .tar files"
    if not directory.is_dir():
        raise files.missing_split(directory, "train", expected)
    lists = sorted(path for path in directory.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz")))
    if len(lists) > 1:
        raise InputError(f"{len(lists)} lists in {directory}: {' and '.join(path.name for path in lists)}; keep one")
    if not lists:
        raise files.missing_split(directory, "train", expected)
    found = []
    for number, record in files.json_lines(lists[0]):
        image, captions = record.get("image"), record.get("captions")
        several = isinstance(captions, list) and all(isinstance(caption, str) for caption in captions)
        if not isinstance(image, str) or not several or not captions:
            raise InputError(
                f'{lists[0]} line {number}: expected {{"image": "NAME.jpg", "captions": ["…", …], "split": "train"}}'
            )
        found.append(_Entry(image, captions, str(record.get("split", "train")).lower()))
    return found


def _check(entries: list[_Entry], find: Callable[[str], bytes | None], split: str) -> list[str | None]:
    """For each entry the reason why its picture cannot be read, or None."""
    fault = images.fault  # loads the module here: the threads would see it half loaded

    def check(entry: _Entry) -> str | None:
        try:
            found = find(entry.image)
        except (OSError, tarfile.TarError) as error:
            return str(error)
        return "not there" if found is None else fault(found)

    faults: list[str | None] = []
    update = cache.show_progress(f"checking {len(entries):,} pictures of {split}", len(entries), "picture")
    with ThreadPoolExecutor() as pool:
        for reason in pool.map(check, entries):
            faults.append(reason)
            update(len(faults))
    return faults


class _Pictures:
    """Finds the bytes of a picture in a directory, in its folders and in its `.tar` files.

    A picture is found by its path, and by its bare name if only one file has that name. Nothing is unpacked and no
    link is followed, so no name leads out of the directory.
    """

    def __init__(self, directory: Path):
        self._found: dict[str, Callable[[], bytes]] = {}
        self._lock = threading.Lock()
        names: list[str] = []
        for folder, _, in_folder in os.walk(directory):
            for name in sorted(in_folder):
                path = Path(folder, name)
                if path.suffix == ".tar" and Path(folder) == directory:
                    names += self._open(path)
                elif not path.is_symlink():
                    names.append(path.relative_to(directory).as_posix())
                    self._found[names[-1]] = path.read_bytes
        bare = Counter(map(posixpath.basename, names))
        for name in names:
            if bare[posixpath.basename(name)] == 1:
                self._found.setdefault(posixpath.basename(name), self._found[name])

    def _open(self, path: Path) -> list[str]:
        try:
            archive = tarfile.open(path, "r:")  # noqa: SIM115
            weakref.finalize(self, archive.close)
            members = {posixpath.normpath(member.name): member for member in archive if member.isreg()}
        except (OSError, tarfile.TarError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        for name, member in members.items():
            self._found[name] = partial(_member, archive, member)
        return list(members)

    def __call__(self, name: str) -> bytes | None:
        """The bytes of a picture; None if there is no such file."""
        read = self._found.get(posixpath.normpath(name))
        if read is None:
            return None
        with self._lock:  # an archive is one open file
            return read()


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file, "a regular file"
    return file.read()
