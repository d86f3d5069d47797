"""Softmax over many classes, of which training computes a sample. Evaluation and answers use all of them.

A softmax over 30,000 words, from vectors of 128, takes ten times the operations of an LSTM of 256 units. In training,
each target is compared with about a thousand other tokens instead, the same for the whole batch.
"""

import keras
from keras import ops

from zoo.training.losses import WeightedMean, by_step


def log_uniform(count: int, size: int, *, seed):
    """Draws different tokens, frequent ones more often: P(id) ∝ log((id + 2) / (id + 1)), ids sorted by frequency.

    Each token arrives after a random time, exponential with rate P, and the first `count` are drawn. Given the time of
    the next one, a token is in the sample with probability 1 − exp(−P · time), independent of the others. Weights of
    one over this make sums over the sample unbiased ("rank conditioning": Cohen and Kaplan 2007,
    https://doi.org/10.1145/1281100.1281133).

    Args:
        count: tokens in the sample, fewer than `size`.
        size: tokens in all.
        seed: a `keras.random.SeedGenerator`.
    Returns:
        ids int32[count] and the log of their probabilities of being in the sample float32[count].
    """
    ids = ops.arange(size, dtype="float32")
    rates = ops.log((ids + 2) / (ids + 1)) / ops.log(size + 1.0)
    arrivals = -ops.log(keras.random.uniform((size,), minval=1e-9, seed=seed)) / rates
    first, drawn = ops.top_k(-arrivals, count + 1)  # sorted
    drawn, time = drawn[:count], -first[count]
    return ops.cast(drawn, "int32"), ops.log(-ops.expm1(-ops.take(rates, drawn) * time))


class SampledCrossentropy(WeightedMean):
    """An estimate of `SequenceCrossentropy` from each target and a sample of the other tokens, in nats.

    log Σ exp over the vocabulary is estimated by the target's term plus those of the sample, each divided by its
    probability of being there ("logQ correction"; Bengio and Senécal 2008, https://doi.org/10.1109/TNN.2007.912312).
    The estimate lies below the full loss, the more so the smaller the sample.

    Args:
        output: the `zoo.layers.TokenEmbedding` that ends the model. It has `negatives`, the size of the sample.

    Call arguments:
        y_true: int[B, S] tokens, or [B, S, D] where a step has several targets.
        y_pred: float[B, S, E] inputs of `output`, or [B, S, D, E].
        sample_weight: float[B, S], 0 on padding.
    """

    def __init__(self, output, *, name: str = "sampled_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.output = output

    def call(self, y_true, y_pred):
        shape, size = ops.shape(y_true), y_pred.shape[-1]
        targets = ops.reshape(ops.cast(y_true, "int32"), (-1,))  # [N]
        inputs = ops.reshape(y_pred, (-1, size))  # [N, E]
        drawn, log_chances = log_uniform(self.output.negatives, self.output.vocabulary, seed=self.output.random)
        vectors, biases = self.output.rows(targets)
        right = ops.cast(ops.sum(inputs * vectors, axis=-1) + biases, "float32")  # [N]
        vectors, biases = self.output.rows(drawn)
        others = ops.cast(ops.matmul(inputs, ops.transpose(vectors)) + biases, "float32")  # [N, negatives]
        others = ops.where(drawn == targets[:, None], -1e9, others - log_chances)  # the target counts once
        normaliser = ops.logaddexp(ops.logsumexp(others, axis=-1), right)
        return by_step(ops.reshape(normaliser - right, shape))


class SampledModel(keras.Model):
    """A Functional model that ends with a `TokenEmbedding`, of which training computes a sample if it has `negatives`.

    In training the model gives the inputs of that layer, and the loss computes the logits that it needs. The metrics
    need all logits, so training reports the loss alone.
    """

    def __init__(self, inputs, outputs, *, output, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self._output = output
        self._loss_in_training = SampledCrossentropy(output)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        if training and self._output.negatives:
            return self._loss_in_training(y, y_pred, sample_weight)
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        if self._output.negatives and y_pred.shape[-1] != self._output.vocabulary:
            return {"loss": self.metrics[0].result()}
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def get_metrics_result(self):
        if all(getattr(metric, "built", True) for metric in self.metrics):
            return super().get_metrics_result()
        return {"loss": self.metrics[0].result()}  # before the first evaluation
