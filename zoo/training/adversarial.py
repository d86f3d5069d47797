"""Adversarial training: every step learns from its batch, and from the same batch moved to where the loss is larger.

The words of a text cannot be moved a little, but their vectors can (Miyato et al. 2017, section 3,
https://arxiv.org/abs/1605.07725).
"""

import keras
import tensorflow as tf
from keras import ops

from zoo.errors import InputError
from zoo.training import optimizers


@keras.saving.register_keras_serializable("zoo")
class Shift(keras.layers.Layer):
    """Gives its input back, plus `by` where that is set.

    Attributes:
        seen: the input of the last call.
        by: None, or float[B, T, F].

    >>> import numpy as np
    >>> layer = Shift()
    >>> layer.by = np.ones([1, 2, 3], "float32")
    >>> float(layer(np.zeros([1, 2, 3], "float32"))[0, 0, 0])
    1.0
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = self.by = None

    def call(self, vectors):
        self.seen = vectors
        return vectors if self.by is None else vectors + self.by

    def compute_output_shape(self, vectors_shape):
        return tuple(vectors_shape)


class AdversarialModel(keras.Model):
    """A Functional model with a `Shift` behind its word vectors. With a strength, a step takes twice the time.

    Args:
        strength: as for `perturbation`; 0 trains as usual.
    Raises:
        InputError: a strength, and a backend other than TensorFlow.
    """

    def __init__(self, inputs, outputs, *, strength: float = 0.0, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        if strength and keras.config.backend() != "tensorflow":
            raise InputError(f"--adversarial needs KERAS_BACKEND=tensorflow, not {keras.config.backend()}")
        self._strength = strength

    def train_step(self, *state_and_data):
        if not self._strength:
            return super().train_step(*state_and_data)  # with JAX there is a state
        (data,) = state_and_data
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        shift = next(layer for layer in self.layers if isinstance(layer, Shift))
        variables = self.trainable_variables

        def learn():
            """Outputs, loss, and the gradients of the variables and of the vectors."""
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred, weight, training=True)
                scaled = self.optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, [*variables, shift.seen], unconnected_gradients="zero")
            return y_pred, loss, [optimizers.dense(gradient) for gradient in gradients]

        y_pred, loss, (*plain, slope) = learn()
        shift.by = perturbation(shift.seen, slope, self._strength)
        try:
            *moved, _ = learn()[2]
        finally:
            shift.by = None
        gradients = [(a + b) / 2 for a, b in zip(plain, moved, strict=True)]
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        replicas = tf.distribute.get_strategy().num_replicas_in_sync  # each of which has its share of the loss
        self.metrics[0].update_state(loss * replicas, sample_weight=ops.shape(keras.tree.flatten(y)[0])[0])
        return self.compute_metrics(x, y, y_pred, weight)


def perturbation(vectors, slope, strength: float):
    """The step of each text in the direction in which its loss grows fastest.

    Its length, all words together, is `strength` times the mean length of the text's word vectors. In the paper the
    vectors are normalised, and its 5.0 is a strength of about 0.3.

    Args:
        vectors, slope: float[B, T, F], word vectors and the gradient of the loss, which is 0 on padding.
    Returns:
        float[B, T, F], a constant.

    >>> import numpy as np
    >>> vectors, slope = np.full([1, 2, 1], 5.0, "float32"), np.array([[[3.0], [-4.0]]], "float32")
    >>> perturbation(vectors, slope, 0.2).numpy().round(2).ravel().tolist()
    [0.6, -0.8]
    """
    real = ops.cast(ops.any(slope != 0, axis=2), vectors.dtype)  # [B, T]
    size = ops.sum(ops.norm(vectors, axis=2) * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1)  # [B]
    length = ops.sqrt(ops.sum(ops.square(slope), axis=(1, 2)))  # [B]
    scale = strength * size / ops.maximum(length, 1e-20)
    return ops.stop_gradient(slope * scale[:, None, None])
