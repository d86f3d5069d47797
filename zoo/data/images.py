"""Pictures: from files to pixels, and from pixels to features that are computed once.

FILE.jsonl and a folder or .tar → {"image", "image_bytes", "captions"} → decode → Network → a `Store` of features
"""

from __future__ import annotations  # keras and tensorflow in them are not loaded

import hashlib
import os
import posixpath
import sys
import tarfile
import threading
import tomllib
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf
import tomli_w

from zoo.data import cache, sources
from zoo.errors import InputError, did_you_mean
from zoo.layers import images as layers


@tf.function(reduce_retracing=True)
def decode(image_bytes: tf.Tensor, size: int) -> tf.Tensor:
    """The pixels of JPEG, PNG, GIF, BMP or WebP files of any size: string[B] → uint8[B, size, size, 3].

    Pictures are squashed to a square, not cropped, with antialiasing. Grey, CMYK and palette pictures become RGB,
    transparency is dropped, of an animation the first picture is taken; a rotation noted in EXIF is not applied.

    Raises:
        tf.errors.InvalidArgumentError: one of them is no whole picture.
    """

    def one(data: tf.Tensor) -> tf.Tensor:
        picture = tf.io.decode_image(data, channels=3, expand_animations=False)
        picture = tf.image.resize(picture, [size, size], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(picture), 0, 255), tf.uint8)

    # Few at a time: a photo of 24 million pixels takes 360 MB on its way.
    return tf.map_fn(
        one, image_bytes, fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8), parallel_iterations=2
    )


def pixels(image_bytes: bytes, size: int = 224) -> np.ndarray:
    """uint8[size, size, 3], for people to look at."""
    return decode(tf.constant([image_bytes]), size)[0].numpy()


def fault(image_bytes: bytes) -> str | None:
    """Why these bytes are no whole picture; None where they are one."""
    try:
        tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        return error.message.split("}} ", 1)[-1].split(" [Op:")[0].rstrip(".")
    return None


def cache_folder() -> Path:
    """Where features are kept: `$XDG_CACHE_HOME/zoo`, or `~/.cache/zoo`. It may be deleted at any time between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoo"


class Network:
    """The CNN that looks at the pictures, as it was before the run, and what it saw. A part of a codec.

    No module of TensorFlow: where the model has a CNN of its own, this one is not exported.

    Args:
        network, size, width: of `zoo.layers.images.Cnn`.
        pretrained: whether it has learned elsewhere.
    """

    suffix = ".toml"

    def __init__(self, network: str, *, size: int, width: float = 1.0, pretrained: bool = False):
        self.cnn = layers.Cnn(network, size=size, width=width, name="cnn")
        self.pretrained = pretrained

    @classmethod
    def make(cls, network: str, *, size: int | None, width: float, weights: str) -> Network:
        """A network with pretrained weights: "imagenet", a `.weights.h5` file, or "none".

        Args:
            size: None is 224, and for "small", which knows no ImageNet either, 64.
        Raises:
            InputError: there is no such network, or these are not its weights.
        """
        small = network == layers.SMALL
        try:
            made = cls(network, size=size or (64 if small else 224), width=width)
        except ValueError as error:
            guess = did_you_mean(network, layers.networks())
            raise InputError(f"--cnn {network}: {str(error).splitlines()[0]}{guess}") from error
        if weights == "none" or (small and weights == "imagenet"):
            return made
        try:
            made.cnn.load_pretrained(weights)
        except Exception as error:  # whatever a download and HDF5 can do
            raise InputError(
                f"--cnn-weights {weights}: no weights of {network} without its top, width {width} "
                f"({str(error).splitlines()[0][:160]}); it takes imagenet, a .weights.h5 file, or none"
            ) from error
        made.pretrained = True
        return made

    def digest(self) -> str:
        """SHA-256 of the weights as they are now."""
        found = hashlib.sha256()
        for weight in self.cnn.get_weights():
            found.update(np.ascontiguousarray(weight).tobytes())
        return found.hexdigest()

    def encoder(self, *, finetune: bool) -> layers.Cnn:
        """The CNN of a model: frozen if pretrained, or to be trained, and then another one with the same weights."""
        cnn = self.cnn
        if finetune or not self.pretrained:
            cnn = layers.Cnn.from_config(cnn.get_config())
            cnn.set_weights(self.cnn.get_weights())
        cnn.trainable = cnn is not self.cnn
        return cnn

    def store(self, *, finetune: bool) -> cache.Store:
        """What such a model is trained on: the features of pictures where its CNN is frozen, their pixels else."""
        return self.features if self.pretrained and not finetune else self.pixels

    @cached_property
    def pixels(self) -> cache.Store:
        """uint8[size, size, 3] of every picture asked for, on disk until the program ends."""
        size = self.cnn.size
        return cache.Store(lambda items: decode(tf.constant(items), size).numpy(), (size, size, 3), "uint8")

    @cached_property
    def features(self) -> cache.Store:
        """float16[positions, channels] of every picture asked for, on disk for later runs: see `cache_folder`."""
        cnn = self.cnn

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def look(image_bytes):
            return tf.cast(cnn(decode(image_bytes, cnn.size)), tf.float16)

        def compute(items: list[bytes]) -> np.ndarray:
            return np.concatenate([look(tf.constant(items[i : i + 32])) for i in range(0, len(items), 32)])

        key = f"{cnn.network}-{cnn.width:g}-{cnn.size}-{cnn.compute_dtype}-{self.digest()[:16]}"
        return cache.Store(compute, (cnn.positions, cnn.channels), "float16", folder=cache_folder() / "features" / key)

    def summary(self, images: Iterable[bytes]) -> np.ndarray:
        """float32[N, D], of length 1: the mean of a picture's features, or its blurred pixels if not pretrained."""
        found, iterator = [], iter(images)
        while batch := list(islice(iterator, 64)):
            if self.pretrained:
                values = self.features.arrays(batch).astype(np.float32).mean(axis=1)
            else:
                values = decode(tf.constant(batch), 16).numpy().reshape(len(batch), -1).astype(np.float32)
            found.append(values)
        return tf.math.l2_normalize(np.concatenate(found), axis=1).numpy()

    def save(self, file: Path) -> None:
        """What network it is, and beside it the weights, as Keras writes them."""
        about = {"network": self.cnn.network, "size": self.cnn.size, "width": self.cnn.width}
        file.write_text(tomli_w.dumps({**about, "pretrained": self.pretrained}), encoding="utf-8")
        self.cnn.net.save_weights(file.with_suffix(".weights.h5"))

    @classmethod
    def load(cls, file: Path) -> Network:
        network = cls(**tomllib.loads(file.read_text(encoding="utf-8")))
        network.cnn.net.load_weights(file.with_suffix(".weights.h5"))
        return network


def captioned(data: str, split: str, *, sample: Callable[[str], Iterable[dict]]) -> sources.Examples | None:
    """Pictures and what people say of them, as {"image": str, "image_bytes": bytes, "captions": [str, …]}.

    Pictures that cannot be read are left out, by name.

    Args:
        data: "sample", "tfds:NAME[/CONFIG]", or a directory with one `.jsonl` of image, captions and split, and the
            pictures in it, in folders in it, or in `.tar` files in it. Links that lead out of it are not followed.
        split: "train", "validation" or "test".
    Returns:
        one example a picture; None where the source has no such split.
    Raises:
        InputError: names the file, the line, and what should be there.
    """
    if data == "sample":
        return None if split == "validation" else sources.Examples(lambda: iter(sample(split)))
    if data.startswith("tfds:"):
        return _tfds(data, split)
    directory = Path(data)
    listed = _listed(directory)
    if split == "train" and (other := Counter(entry.split for entry in listed if not _known(entry.split))):
        told = ", ".join(f"{count:,} of split {name!r}" for name, count in other.items())
        print(f"left out: {told}", file=sys.stderr, flush=True)
    mine = [entry for entry in listed if entry.split in sources.SPLIT_NAMES[split]]
    if not mine and split != "train":
        return None
    if not mine:
        raise sources.missing_split(directory, split, 'a .jsonl with lines of "split": "train"')
    find = _Pictures(directory)

    def check(entry: _Entry) -> str | None:
        try:
            found = find(entry.image)
        except (OSError, tarfile.TarError) as error:
            return str(error)
        return "not there" if found is None else fault(found)

    faults, update = [], cache.show_progress(f"checking {len(mine):,} pictures of {split}", len(mine), "picture")
    with ThreadPoolExecutor() as pool:
        for reason in pool.map(check, mine):
            faults.append(reason)
            update(len(faults))
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

    return sources.Examples(read, np.flatnonzero([reason is None for reason in faults]))


def _tfds(data: str, split: str) -> sources.Examples | None:
    import tensorflow_datasets as tfds

    builder = sources.tfds_builder(data)
    for feature in ("image", "captions"):
        if feature not in builder.info.features:
            raise InputError(f"--data {data} has no {feature!r}; it has {', '.join(builder.info.features)}")

    def to_example(row: dict) -> dict:
        captions = row["captions"]["text"] if isinstance(row["captions"], dict) else row["captions"]
        name = row.get("image/filename", row.get("image_filename", b""))
        texts = [caption.decode("utf-8", errors="replace") for caption in captions]
        return {"image": name.decode(), "image_bytes": row["image"], "captions": texts}

    return sources.tfds_rows(builder, split, to_example, decoders={"image": tfds.decode.SkipDecoding()})


@dataclass(frozen=True)
class _Entry:
    image: str
    captions: list[str]
    split: str


def _known(split: str) -> bool:
    return any(split in names for names in sources.SPLIT_NAMES.values())


def _listed(directory: Path) -> list[_Entry]:
    """The lines of the one `.jsonl` in `directory`; without a split they are for training."""
    expected = "one .jsonl of image, captions, split, and pictures in folders or .tar files"
    if not directory.is_dir():
        raise sources.missing_split(directory, "train", expected)
    files = sorted(path for path in directory.iterdir() if path.name.endswith((".jsonl", ".jsonl.gz")))
    if len(files) > 1:
        raise InputError(f"{len(files)} lists in {directory}: {' and '.join(path.name for path in files)}; keep one")
    if not files:
        raise sources.missing_split(directory, "train", expected)
    found = []
    for number, record in sources.json_lines(files[0]):
        image, captions = record.get("image"), record.get("captions")
        several = isinstance(captions, list) and all(isinstance(caption, str) for caption in captions)
        if not isinstance(image, str) or not several or not captions:
            raise InputError(
                f'{files[0]} line {number}: expected {{"image": "NAME.jpg", "captions": ["…", …], "split": "train"}}'
            )
        found.append(_Entry(image, captions, str(record.get("split", "train")).lower()))
    return found


class _Pictures:
    """The files in a directory, in its folders and in its `.tar` files, by their path, or by name where one has it.

    Nothing is unpacked and no link is followed, so that no name leads out of the directory.
    """

    def __init__(self, directory: Path):
        self._found: dict[str, Callable[[], bytes]] = {}
        self._lock = threading.Lock()
        names: list[str] = []
        for folder, _, files in os.walk(directory):
            for name in sorted(files):
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
        """The bytes of a picture; None where there is no such file."""
        read = self._found.get(posixpath.normpath(name))
        if read is None:
            return None
        with self._lock:  # an archive is one open file
            return read()


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file, "a regular file"
    return file.read()


def nearest(network: Network, train: sources.Examples, test: sources.Examples) -> tuple[str, list[int]]:
    """Of each picture of `test` the row of `train` whose picture is most like it, and what "like" means here."""
    seen = network.summary(example["image_bytes"] for example in train)
    asked = network.summary(example["image_bytes"] for example in test)
    return "CNN features" if network.pretrained else "blurred pixels", np.argmax(asked @ seen.T, axis=1).tolist()
