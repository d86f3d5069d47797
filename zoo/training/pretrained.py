"""A pretrained CNN, and the features of pictures, which it computes once.

image_bytes → decode → Network → a `cache.Store` of features or pixels
"""

import hashlib
import json
import os
from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data import cache, codec, images
from zoo.errors import InputError, did_you_mean
from zoo.layers import images as layers


def cache_folder() -> Path:
    """The folder of features: `$XDG_CACHE_HOME/zoo`, or `~/.cache/zoo`. It may be deleted at any time between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoo"


@codec.register(".json")
class Network:
    """A part of a codec: the CNN with the weights that it had before training, and the features it has computed.

    It is not a `tf.Module`, so an export does not contain it: the model has its own CNN.

    Args:
        network, size, width: as in `zoo.layers.images.Cnn`.
        pretrained: whether the CNN has pretrained weights.
    """

    def __init__(self, network: str, *, size: int, width: float = 1.0, pretrained: bool = False):
        self.cnn = layers.Cnn(network, size=size, width=width, name="cnn")
        self.pretrained = pretrained

    @classmethod
    def make(cls, network: str, *, size: int | None, width: float, weights: str) -> "Network":
        """A network with the weights "imagenet", those of a `.weights.h5` file, or "none".

        Args:
            size: pixels of a side; None is 224, or 64 for "small", for which there are no ImageNet weights.
        Raises:
            InputError: there is no such network, or the weights do not fit it.
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
        except Exception as error:  # a download and HDF5 can fail in any way
            raise InputError(
                f"--cnn-weights {weights}: no weights of {network} without its top, width {width} "
                f"({str(error).splitlines()[0][:160]}); it takes imagenet, a .weights.h5 file, or none"
            ) from error
        made.pretrained = True
        return made

    def digest(self) -> str:
        """SHA-256 of the current weights."""
        found = hashlib.sha256()
        for weight in self.cnn.get_weights():
            found.update(np.ascontiguousarray(weight).tobytes())
        return found.hexdigest()

    def encoder(self, *, finetune: bool) -> layers.Cnn:
        """The CNN of a model: this one, frozen, if it is pretrained; else, or to be finetuned, a trainable copy."""
        cnn = self.cnn
        if finetune or not self.pretrained:
            cnn = layers.Cnn.from_config(cnn.get_config())
            cnn.set_weights(self.cnn.get_weights())
        cnn.trainable = cnn is not self.cnn
        return cnn

    def store(self, *, finetune: bool) -> cache.Store:
        """The model's training input: features if its CNN is frozen, else pixels."""
        return self.features if self.pretrained and not finetune else self.pixels

    @cached_property
    def pixels(self) -> cache.Store:
        """uint8[size, size, 3] of each picture, on disk until the program ends."""
        size = self.cnn.size
        return cache.Store(lambda items: images.decode(tf.constant(items), size).numpy(), (size, size, 3), "uint8")

    @cached_property
    def features(self) -> cache.Store:
        """float16[positions, channels] of each picture, kept on disk for later runs in `cache_folder`."""
        cnn = self.cnn

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def look(image_bytes):
            return tf.cast(cnn(images.decode(image_bytes, cnn.size)), tf.float16)

        def compute(items: list[bytes]) -> np.ndarray:
            return np.concatenate([look(tf.constant(items[i : i + 32])) for i in range(0, len(items), 32)])

        key = f"{cnn.network}-{cnn.width:g}-{cnn.size}-{cnn.compute_dtype}-{self.digest()[:16]}"
        return cache.Store(compute, (cnn.positions, cnn.channels), "float16", folder=cache_folder() / "features" / key)

    def summary(self, image_bytes: Iterable[bytes]) -> np.ndarray:
        """One vector of length 1 per picture: the mean of its features, or its blurred pixels if not pretrained.

        Returns:
            float32[N, D].
        """
        found, iterator = [], iter(image_bytes)
        while batch := list(islice(iterator, 64)):
            if self.pretrained:
                values = self.features.arrays(batch).astype(np.float32).mean(axis=1)
            else:
                values = images.decode(tf.constant(batch), 16).numpy().reshape(len(batch), -1).astype(np.float32)
            found.append(values)
        return tf.math.l2_normalize(np.concatenate(found), axis=1).numpy()

    def save(self, file: Path) -> None:
        """Writes the name and size of the network, and beside it the weights, as Keras writes them."""
        about = {"network": self.cnn.network, "size": self.cnn.size, "width": self.cnn.width}
        file.write_text(json.dumps({**about, "pretrained": self.pretrained}, indent=2) + "\n", encoding="utf-8")
        self.cnn.net.save_weights(file.with_suffix(".weights.h5"))

    @classmethod
    def load(cls, file: Path) -> "Network":
        network = cls(**json.loads(file.read_text(encoding="utf-8")))
        network.cnn.net.load_weights(file.with_suffix(".weights.h5"))
        return network
