"""Losses over padded sequences; positions of weight 0 are padding and count for nothing."""

import keras
from keras import ops

from zoo import devices
from zoo.layers.crf import tag_nll


class WeightedMean(keras.losses.Loss):
    """Mixed into a loss: the mean is per unit of weight of the whole batch, however many replicas share the batch.

    Keras averages the replicas' means. A replica with less real text then counts as much as one with more, so that the
    same batch has another loss, and other gradients, on two devices than on one.
    """

    def __init__(self, *args, reduction: str = "mean_with_sample_weight", **kwargs):
        super().__init__(*args, reduction=reduction, **kwargs)

    def __call__(self, y_true, y_pred, sample_weight=None):
        loss = super().__call__(y_true, y_pred, sample_weight)
        if sample_weight is None:
            return loss
        mine = ops.cast(ops.sum(sample_weight), loss.dtype)
        (everyone,), replicas = devices.sum_over_replicas([mine])
        return loss if replicas == 1 else loss * replicas * mine / everyone


@keras.saving.register_keras_serializable("zoo")
class SparseCategoricalCrossentropy(WeightedMean, keras.losses.SparseCategoricalCrossentropy):
    """`keras.losses.SparseCategoricalCrossentropy` as a `WeightedMean`: nats."""


def token_crossentropy(tokens, logits, label_smoothing: float = 0.0):
    """−log probability of each token: int or float[B, S], float[B, S, V] → float32[B, S].

    `label_smoothing` as in `SequenceCrossentropy`. TensorFlow's own operation for it takes three times as long.
    """
    shape, size = ops.shape(logits)[:-1], logits.shape[-1]
    tokens = ops.reshape(ops.cast(tokens, "int32"), (-1,))  # [N]
    places = ops.stack([ops.arange(ops.shape(tokens)[0], dtype="int32"), tokens], axis=1)
    chosen, evenly = 1 - label_smoothing, label_smoothing / size  # the target: what the token has more, what all have

    def at_tokens(values):
        return ops.take(ops.reshape(values, (-1,)), places[:, 0] * size + tokens)

    @ops.custom_gradient
    def core(logits):  # [N, V]
        chances = ops.softmax(logits)
        normaliser = ops.max(logits, axis=-1) - ops.log(ops.max(chances, axis=-1))  # log Σ exp
        loss = normaliser - chosen * at_tokens(logits)
        if label_smoothing:
            loss = loss - label_smoothing * ops.mean(logits, axis=-1)

        def gradient(upstream):
            wrong = chances - evenly if label_smoothing else chances
            right = (at_tokens(chances) - evenly - chosen) * upstream
            return ops.scatter_update(wrong * upstream[:, None], places, right)

        return loss, gradient

    return ops.reshape(core(ops.cast(ops.reshape(logits, (-1, size)), "float32")), shape)


@keras.saving.register_keras_serializable("zoo")
class SequenceCrossentropy(WeightedMean):
    """Mean −log probability of a sequence's tokens, by weight.

    Args:
        label_smoothing: the share of probability that the target spreads evenly over the vocabulary
            (Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567).

    Call arguments:
        y_true: int[B, S] tokens; y_pred: float[B, S, V] logits; sample_weight: float[B, S], 0 on padding.
    """

    def __init__(self, label_smoothing: float = 0.0, *, name: str = "crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        return token_crossentropy(y_true, y_pred, self.label_smoothing)

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("zoo")
class TagLoss(WeightedMean):
    """Mean negative log-likelihood per token of a sentence's tags, in nats.

    Call arguments:
        y_true: int[B, T] tags, any value on padding; y_pred: the output of `layers.crf.Softmax` or `layers.crf.CRF`;
        sample_weight: float[B, T], 0 on padding.
    """

    def __init__(self, name: str = "tag_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return tag_nll(y_true, y_pred)
