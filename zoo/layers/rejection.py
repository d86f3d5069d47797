"""The temperature of a classifier and the probability below which it gives no answer, kept beside its weights."""

import keras


@keras.saving.register_keras_serializable("zoo")
class Rejection(keras.layers.Layer):
    """Divides logits by a temperature, and holds the threshold of the largest probability.

    Both are chosen on validation after training, and belong to the model, so that its file holds them. A temperature
    above 1 makes probabilities less extreme and leaves their order (Guo et al. 2017, section 4.2,
    https://arxiv.org/abs/1706.04599). Training gives the logits as they are.

    Call arguments:
        logits: float[B, L].
    Returns:
        float[B, L].

    Attributes:
        temperature: float32, above 0; begins at 1.
        threshold: float32; a request whose largest probability is below it is rejected. It begins at 0: none is.

    >>> import numpy as np
    >>> layer = Rejection()
    >>> layer.set_weights([np.array(2.0), np.array(0.7)])  # temperature, threshold
    >>> layer(np.array([[1.0, 4.0]], "float32")).numpy().tolist()
    [[0.5, 2.0]]
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.temperature = self.add_weight(shape=(), initializer="ones", trainable=False, name="temperature")
        self.threshold = self.add_weight(shape=(), initializer="zeros", trainable=False, name="threshold")
        self.built = True

    def call(self, logits, training=None):
        return logits if training else logits / self.temperature

    def compute_output_shape(self, logits_shape):
        return tuple(logits_shape)
