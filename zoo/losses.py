"""Losses over padded sequences; positions of weight 0 are padding and count for nothing."""

import keras
from keras import ops


def token_crossentropy(tokens, logits):
    """−log probability of each token: int or float[B, S], float[B, S, V] → float32[B, S]."""
    return ops.sparse_categorical_crossentropy(ops.cast(tokens, "int32"), ops.cast(logits, "float32"), from_logits=True)


@keras.saving.register_keras_serializable("zoo")
class SequenceCrossentropy(keras.losses.Loss):
    """Mean −log probability of a sequence's tokens, by weight.

    Args:
        label_smoothing: the share of probability that the target spreads evenly over the vocabulary
            (Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567).

    Call arguments:
        y_true: int[B, S] tokens; y_pred: float[B, S, V] logits; sample_weight: float[B, S], 0 on padding.
    """

    def __init__(self, label_smoothing: float = 0.0, *, name: str = "crossentropy", **kwargs):
        super().__init__(name=name, **{"reduction": "mean_with_sample_weight", **kwargs})
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        loss = token_crossentropy(y_true, y_pred)
        if not self.label_smoothing:
            return loss
        # (1 - s) (normaliser - chosen) + s (normaliser - mean): no distribution over the vocabulary has to be made.
        index = ops.expand_dims(ops.cast(y_true, "int32"), -1)
        chosen = ops.squeeze(ops.take_along_axis(y_pred, index, axis=-1), -1)
        return loss + self.label_smoothing * (chosen - ops.mean(y_pred, axis=-1))

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}
