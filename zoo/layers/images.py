"""From pictures to a grid of vectors that a decoder can attend to.

pixels → Cnn → grid of features → ImageEncoder → memory
"""

import sys

import keras
from keras import ops

SMALL = "small"


@keras.saving.register_keras_serializable("zoo")
class Cnn(keras.layers.Layer):
    """A convolutional network without its classifier; returns its last grid of features, row by row.

    Batch normalisation always uses its moving statistics: a batch holds few pictures, and some of them repeatedly.

    Args:
        network: a function of `keras.applications`, such as "MobileNetV2", or "small": four convolutions, trained
            from scratch on small drawings.
        size: side of the square picture, in pixels.
        width: multiple of the number of channels, for networks that have this argument (`alpha`).

    Call arguments:
        pixels: float or uint8 [B, size, size, 3], 0 to 255.
    Returns:
        float[B, positions, channels].
    Raises:
        ValueError: an unknown network, or a size or width that it does not offer.

    >>> import numpy as np
    >>> cnn = Cnn("small", size=32)
    >>> features = cnn(np.zeros([1, 32, 32, 3], "uint8"))
    >>> tuple(features.shape), cnn.positions, cnn.channels
    ((1, 4, 96), 4, 96)
    """

    def __init__(self, network: str = "MobileNetV2", *, size: int = 224, width: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.network, self.size, self.width = network, size, width
        shape = (size, size, 3)
        if network == SMALL:
            self.scale = lambda pixels: pixels / 127.5 - 1
            self.net = keras.Sequential([keras.Input(shape)], name=SMALL)
            for filters in (24, 48, 64, 96):
                self.net.add(keras.layers.Conv2D(filters, 3, 2, padding="same", activation="relu"))
        else:
            if network not in networks():
                raise ValueError(f"unknown network {network!r}; expected one of {', '.join(networks())}")
            self.scale = sys.modules[getattr(keras.applications, network).__module__].preprocess_input
            self.net = self._application(None)
        self.positions = self.net.output_shape[1] * self.net.output_shape[2]
        self.channels = self.net.output_shape[3]

    def _application(self, weights: str | None) -> keras.Model:
        make = getattr(keras.applications, self.network)
        alpha = {} if self.width == 1.0 else {"alpha": self.width}
        try:
            return make(input_shape=(self.size, self.size, 3), include_top=False, weights=weights, **alpha)
        except TypeError as error:
            raise ValueError(f"{self.network} has no width {self.width}; its only width is 1.0") from error

    def load_pretrained(self, weights: str) -> None:
        """Loads the weights "imagenet", which Keras downloads, or a `.weights.h5` file without the classifier."""
        if weights == "imagenet":
            self.net.set_weights(self._application("imagenet").get_weights())
        else:
            self.net.load_weights(weights)

    def call(self, pixels):
        grid = self.net(self.scale(ops.cast(pixels, self.compute_dtype)), training=False)  # [B, rows, columns, C]
        return ops.reshape(grid, (-1, self.positions, self.channels))

    def compute_output_shape(self, pixels_shape):
        return (pixels_shape[0], self.positions, self.channels)

    def get_config(self):
        return {**super().get_config(), "network": self.network, "size": self.size, "width": self.width}


def networks() -> list[str]:
    """The networks that `Cnn` can be: "small" and those of `keras.applications`."""
    named = {name for name in dir(keras.applications) if name[0].isupper()}
    return [SMALL, *sorted(named)]


@keras.saving.register_keras_serializable("zoo")
class ImageEncoder(keras.layers.Layer):
    """Makes a memory of a picture's grid: norm(W features + position).

    The layer contains the CNN, so that one model file leads from pixels to words. Training with a frozen CNN passes it
    features that were computed once, before training.

    Args:
        cnn: the network; its attribute `trainable` decides whether it learns.
        units: size of a memory vector.
        dropout: share of features dropped, 0 to 1; the same features at all positions.

    Call arguments:
        pictures: pixels [B, size, size, 3], or the features of a CNN float[B, positions, channels].
    Returns:
        float[B, positions, units].

    >>> import numpy as np
    >>> encoder = ImageEncoder(Cnn("small", size=32), units=8)
    >>> memory = encoder(np.zeros([1, 32, 32, 3], "uint8"))
    >>> tuple(memory.shape)
    (1, 4, 8)
    """

    def __init__(self, cnn: Cnn, units: int, *, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.cnn, self.units = cnn, units
        self.dropout = keras.layers.SpatialDropout1D(dropout)
        self.projection = keras.layers.Dense(units, dtype=self.dtype_policy, name="projection")
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")

    def build(self, pictures_shape):
        self.cnn.build((None, self.cnn.size, self.cnn.size, 3))
        self.projection.build((None, self.cnn.positions, self.cnn.channels))
        self.norm.build((None, self.cnn.positions, self.units))
        self.position = self.add_weight((self.cnn.positions, self.units), initializer="zeros", name="position")

    def call(self, pictures, training=None):
        features = self.cnn(pictures) if len(pictures.shape) == 4 else ops.cast(pictures, self.compute_dtype)
        return self.norm(self.projection(self.dropout(features, training=training)) + self.position)

    def compute_output_shape(self, pictures_shape):
        return (pictures_shape[0], self.cnn.positions, self.units)

    def get_config(self):
        cnn = keras.saving.serialize_keras_object(self.cnn)
        return {**super().get_config(), "cnn": cnn, "units": self.units, "dropout": self.dropout.rate}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("cnn")), **config)


def everywhere(memory):
    """The keep_mask of a grid, which has no padding: float[B, positions, units] → bool[B, positions], all True."""
    return ops.ones_like(memory[:, :, 0], dtype="bool")
