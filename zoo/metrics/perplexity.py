"""Perplexity of a sequence model, accumulated batch by batch."""

import keras
from keras import ops

from zoo.training.losses import token_crossentropy


@keras.saving.register_keras_serializable("zoo")
class Perplexity(keras.metrics.Metric):
    """exp of the mean −log probability per token, over all tokens seen.

    It sums over tokens, so the result does not depend on how they are divided into batches. The mean of the batches'
    perplexities and exp of an epoch's mean loss both do.
    """

    def __init__(self, name: str = "perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: int[B, S] tokens.
            y_pred: float[B, S, V] logits.
            sample_weight: float[B, S], 0 on padding; 1 everywhere if None.
        """
        # The tokens are cast to float because Keras passes floats to the loss: both computations are then identical
        # and the compiled graph keeps one of them.
        loss = token_crossentropy(ops.cast(y_true, "float32"), y_pred)
        weight = ops.ones_like(loss) if sample_weight is None else ops.cast(sample_weight, loss.dtype)
        self.total.assign_add(ops.sum(loss * weight))
        self.count.assign_add(ops.sum(weight))

    def result(self):
        return ops.exp(self.total / ops.maximum(self.count, 1.0))
