"""Losses over padded sequences. Positions of weight 0 are padding and contribute nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from zoo.layers.crf import tag_nll
from zoo.layers.ctc import text_nll
from zoo.training import devices


class WeightedMean(keras.losses.Loss):
    """Mixed into a loss: its mean is taken per unit of weight over the whole batch, across all replicas.

    Keras averages the means of the replicas. A replica with little real text would then count as much as one with a
    lot, and the same batch would have another loss and other gradients on two devices than on one.

    Attributes:
        weighs: the shape that `sample_weight` must have. "steps": one weight for each step of y, float[B] or
            float[B, T]. "rows": one weight for each row, float[B], for a loss of whole sequences such as CTC.
    """

    weighs: Literal["steps", "rows"] = "steps"

    def __init__(self, *args, reduction: str = "mean_with_sample_weight", **kwargs):
        super().__init__(*args, reduction=reduction, **kwargs)

    def __call__(self, y_true, y_pred, sample_weight=None):
        loss = super().__call__(y_true, y_pred, sample_weight)
        if sample_weight is None:
            return loss
        weight = ops.cast(ops.sum(sample_weight), loss.dtype)
        (total,), replicas = devices.sum_over_replicas([weight])
        return loss if replicas == 1 else loss * replicas * weight / total


class ClassWeighted(WeightedMean):
    """Mixed into a loss of classes: a step or row also has the weight of its true class.

    Args:
        class_weights: one weight for each class; None: all are 1. See `balanced`.
    """

    def __init__(self, *args, class_weights: Sequence[float] | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.class_weights = None if class_weights is None else [float(weight) for weight in class_weights]

    def __call__(self, y_true, y_pred, sample_weight=None):
        if self.class_weights is not None:
            classes = ops.maximum(ops.cast(y_true, "int32"), 0)  # −1 is a class that training does not have
            own = ops.take(ops.convert_to_tensor(self.class_weights, self.dtype), classes)
            sample_weight = own if sample_weight is None else own * ops.cast(sample_weight, own.dtype)
        return super().__call__(y_true, y_pred, sample_weight)

    def get_config(self):
        return super().get_config() | {"class_weights": self.class_weights}


def balanced(counts: Sequence[int] | np.ndarray) -> list[float]:
    """Weights with which all classes that occur count the same, and a step has the weight 1 on average.

    Args:
        counts: how often each class occurs in training. A class that does not occur gets the weight 1.
    """
    counts = np.asarray(counts)
    seen = counts > 0
    return np.where(seen, counts.sum() / (seen.sum() * np.maximum(counts, 1)), 1.0).tolist()


def weighs(loss: Any) -> Any:
    """What the weights of a model's loss belong to, "steps" or "rows"; by output if there is a loss for each."""
    return {name: one.weighs for name, one in loss.items()} if isinstance(loss, Mapping) else loss.weighs


@keras.saving.register_keras_serializable("zoo")
class SparseCategoricalCrossentropy(ClassWeighted, keras.losses.SparseCategoricalCrossentropy):
    """`keras.losses.SparseCategoricalCrossentropy` as a `ClassWeighted` mean, in nats."""


def token_crossentropy(tokens, logits, label_smoothing: float = 0.0):
    """−log probability of each token, in nats.

    It computes its own gradient, because TensorFlow's operation takes three times as long.

    Args:
        tokens: int or float[B, S], or [B, S, D] where a step has several targets.
        logits: float[B, S, V], or [B, S, D, V].
        label_smoothing: as in `SequenceCrossentropy`.
    Returns:
        float32 in the shape of `tokens`.
    """
    shape, size = ops.shape(logits)[:-1], logits.shape[-1]
    tokens = ops.reshape(ops.cast(tokens, "int32"), (-1,))  # [N]
    places = ops.stack([ops.arange(ops.shape(tokens)[0], dtype="int32"), tokens], axis=1)  # [N, 2]
    chosen, evenly = 1 - label_smoothing, label_smoothing / size  # the target: `evenly`, plus `chosen` at the token

    def at_tokens(values):
        return ops.take(ops.reshape(values, (-1,)), places[:, 0] * size + tokens)

    @ops.custom_gradient
    def core(logits):  # [N, V]
        chances = ops.softmax(logits)
        normaliser = ops.max(logits, axis=-1) - ops.log(ops.max(chances, axis=-1))  # log Σ exp
        loss = normaliser - chosen * at_tokens(logits)
        if label_smoothing:
            loss = loss - label_smoothing * ops.mean(logits, axis=-1)

        def gradient(upstream):  # softmax − target
            wrong = chances - evenly if label_smoothing else chances
            right = (at_tokens(chances) - evenly - chosen) * upstream
            return ops.scatter_update(wrong * upstream[:, None], places, right)

        return loss, gradient

    return ops.reshape(core(ops.cast(ops.reshape(logits, (-1, size)), "float32")), shape)


def by_step(values):
    """float[B, S] or float[B, S, D], of which it takes the mean over D → float[B, S]."""
    return ops.mean(values, axis=-1) if len(values.shape) > 2 else values


@keras.saving.register_keras_serializable("zoo")
class SequenceCrossentropy(WeightedMean):
    """Mean −log probability per token of a sequence, in nats.

    Args:
        label_smoothing: the share of probability that the target spreads evenly over the vocabulary
            (Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567).

    Call arguments:
        y_true: int[B, S] tokens, or [B, S, D] where a step has several targets; int[B] for one label a row.
        y_pred: float[B, S, V] logits, or [B, S, D, V], or [B, V].
        sample_weight: float[B, S], 0 on padding; or float[B].
    """

    def __init__(self, label_smoothing: float = 0.0, *, name: str = "crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        return by_step(token_crossentropy(y_true, y_pred, self.label_smoothing))

    def get_config(self):
        return super().get_config() | {"label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable("zoo")
class TagLoss(ClassWeighted):
    """Mean negative log-likelihood of the tags per token, in nats: `zoo.layers.crf.tag_nll`.

    Args:
        class_weights: one weight for each tag, as in `ClassWeighted`.

    Call arguments:
        y_true: int[B, T] tags.
        y_pred: the output of a tagging layer, see `zoo.layers.crf`.
        sample_weight: float[B, T], 0 on padding.
    """

    def __init__(self, name: str = "tag_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return tag_nll(y_true, y_pred)


@keras.saving.register_keras_serializable("zoo")
class CTCLoss(WeightedMean):
    """Mean negative log-likelihood of a text, in nats; 0 for a text that does not fit: `zoo.layers.ctc.text_nll`.

    Call arguments:
        y_true: int[B, L] symbols, -1 on padding.
        y_pred: the output of `zoo.layers.ctc.CTC`.
        sample_weight: float[B], 0 on dummies.
    """

    weighs = "rows"

    def __init__(self, name: str = "ctc", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return text_nll(y_true, y_pred)


@keras.saving.register_keras_serializable("zoo")
class SquaredError(WeightedMean):
    """The mean squared error of the observed values.

    Call arguments:
        y_true: float[B, T, C], NaN where it is missing. The mean of a step is taken over what is observed in it.
        y_pred: float[B, T, C].
        sample_weight: float[B, T], 0 on padding.
    """

    def __init__(self, *, name: str = "squared_error", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        truth, seen = _observed(y_true, y_pred.dtype)
        return _mean_observed(ops.square(truth - y_pred), seen)


@keras.saving.register_keras_serializable("zoo")
class Pinball(WeightedMean):
    """The mean pinball loss of quantiles, whose minimum are the true quantiles (Koenker & Bassett 1978).

    Args:
        levels: Q shares of probability.

    Call arguments:
        y_true: float[B, H, N], NaN where it is missing. The mean of a step is taken over what is observed in it.
        y_pred: float[B, H, N, Q].
        sample_weight: float[B, H], 0 on padding and on steps in which nothing is observed.
    """

    def __init__(self, levels, *, name: str = "pinball", **kwargs):
        super().__init__(name=name, **kwargs)
        self.levels = tuple(levels)

    def call(self, y_true, y_pred):
        truth, seen = _observed(y_true, y_pred.dtype)
        off = truth[..., None] - y_pred
        share = ops.convert_to_tensor(self.levels, y_pred.dtype)
        loss = ops.mean(ops.maximum(share * off, (share - 1) * off), axis=-1)  # [B, H, N]
        return _mean_observed(loss, seen)

    def get_config(self):
        return super().get_config() | {"levels": self.levels}


def _observed(values, dtype):
    """The values with 0 for NaN, and 1 where there was a number, else 0."""
    seen = ops.logical_not(ops.isnan(values))
    return ops.cast(ops.where(seen, values, ops.zeros_like(values)), dtype), ops.cast(seen, dtype)


def _mean_observed(loss, seen):
    """The mean over the last axis of the cells that were seen; 0 where none was."""
    return ops.sum(loss * seen, axis=-1) / ops.maximum(ops.sum(seen, axis=-1), 1)
