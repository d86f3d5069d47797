"""The joint of a deep and a wide model."""

import keras


@keras.saving.register_keras_serializable("zoo")
class Blend(keras.layers.Layer):
    """Adds the log odds of a model that was fitted apart: scale * logits + weight * log odds.

    Scale and weight are one number each, begin at 1 and 0, and are not trained: they are chosen on validation after
    training. Training gives the logits alone, whatever they are. The other model has seen the training data; its log
    odds there are too good, and with them the network would learn from its hardest examples only.

    Call arguments:
        logits:   float[B, L].
        log_odds: float[B, L].
    Returns:
        float[B, L].

    >>> import numpy as np
    >>> layer = Blend()
    >>> layer.set_weights([np.array(2.0), np.array(0.5)])  # scale, weight
    >>> layer(np.array([[1.0, 2.0]]), np.array([[-4.0, 4.0]])).numpy().tolist()
    [[0.0, 6.0]]
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(shape=(), initializer="ones", trainable=False, name="scale")
        self.weight = self.add_weight(shape=(), initializer="zeros", trainable=False, name="weight")
        self.built = True

    def call(self, logits, log_odds, training=None):
        return logits if training else self.scale * logits + self.weight * log_odds

    def compute_output_shape(self, logits_shape, log_odds_shape):
        return tuple(logits_shape)
