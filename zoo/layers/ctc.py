"""Connectionist temporal classification (CTC): a text from a longer sequence, without knowing which step says what.

    log_probs = ctc.CTC(symbols)(scores, keep_mask)          # the model's output; the last class is the blank
    model.compile(loss=losses.CTCLoss())                      # zoo.training.losses
    nll = ctc.text_nll(texts, log_probs)                      # −log p(text | sequence)
    starts = ctc.align(texts, log_probs)                      # the step at which each symbol begins

An alignment gives each step one class. In its text, repeated classes count once and blanks not at all. The probability
of a text is the sum over all its alignments: Graves et al. 2006, section 4.1,
https://www.cs.toronto.edu/~graves/icml_2006.pdf

A Keras loss sees only targets and outputs, so the output must say where a sequence ends. `CTC` makes the blank certain
on padding. Padded steps then add nothing to a text and multiply its probability by 1.
"""

import keras
from keras import ops

from zoo.layers.scan import scan

NEVER = -1e9  # the log-probability of a class that cannot be: its exponential is 0, and no sum with it is NaN


@keras.saving.register_keras_serializable("zoo")
class CTC(keras.layers.Layer):
    """The log-probability of each symbol and of the blank at each step.

    Args:
        symbols: number of symbols, N. The blank is one class more, the last.

    Call arguments:
        scores:    float[B, T, N + 1], any real numbers.
        keep_mask: bool[B, T], True = real step; right-padded.
    Returns:
        float32[B, T, N + 1]. On padding the blank has 0 and the symbols −1e9.
    Raises:
        ValueError: the last axis of `scores` is not N + 1.

    Attributes:
        word_weight, word_bonus: float32, kept beside the weights because they are chosen on validation after training:
            the weight of a language model of words in a search, and the bonus of each word.

    >>> import numpy as np
    >>> layer = CTC(1)
    >>> log_probs = layer(np.zeros([1, 3, 2], "float32"), np.array([[True, True, False]]))
    >>> np.exp(log_probs).tolist()
    [[[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]]
    >>> np.exp(-text_nll(np.array([[0, -1]]), log_probs)).round(3).tolist()  # of 4 alignments, 3 say the symbol once
    [0.75]
    """

    def __init__(self, symbols: int, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # half precision is too coarse for log-probabilities
        self.symbols = symbols

    def build(self, scores_shape, keep_mask_shape=None):
        if scores_shape[-1] != self.symbols + 1:
            raise ValueError(
                f"{self.name}: got scores of shape {tuple(scores_shape)}, expected [batch, time, {self.symbols + 1}]; "
                f"put keras.layers.Dense({self.symbols + 1}) before it"
            )
        self.word_weight = self.add_weight(shape=(), initializer="zeros", trainable=False, name="word_weight")
        self.word_bonus = self.add_weight(shape=(), initializer="zeros", trainable=False, name="word_bonus")

    def call(self, scores, keep_mask):
        certain = ops.where(ops.arange(self.symbols + 1) == self.symbols, 0.0, NEVER)
        return ops.where(keep_mask[:, :, None], ops.log_softmax(scores, axis=-1), certain)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are passed explicitly, never propagated

    def compute_output_shape(self, scores_shape, keep_mask_shape=None):
        return tuple(scores_shape)

    def get_config(self):
        return {**super().get_config(), "symbols": self.symbols}


def steps_of(log_probs):
    """The real steps of each row of the output of `CTC`, int32[B]."""
    return ops.sum(ops.cast(ops.max(log_probs[:, :, :-1], axis=-1) > NEVER / 2, "int32"), axis=1)


def steps_needed(texts):
    """The fewest steps that can say each text: one per symbol, and a blank between equal neighbours.

    Args:
        texts: int[B, L], -1 on padding.
    Returns:
        int32[B].
    """
    real = texts >= 0
    twice = real[:, 1:] & ops.equal(texts[:, 1:], texts[:, :-1])
    return ops.sum(ops.cast(real, "int32"), axis=1) + ops.sum(ops.cast(twice, "int32"), axis=1)


def text_nll(texts, log_probs):
    """Negative log-likelihood of each text, −log Σ p(alignment), in nats.

    It computes its own gradient by the forward-backward algorithm, in one loop over the steps for both directions.

    Args:
        texts: int[B, L], symbols from 0 to N − 1; -1 on padding.
        log_probs: float32[B, T, N + 1], the output of `CTC`.
    Returns:
        float32[B]. A text that needs more steps than its row has cannot be said: it has the loss 0 and no gradient, so
        that it changes nothing. `steps_needed` finds such texts before training.
    """
    texts = ops.cast(texts, "int32")
    fits = steps_needed(texts) <= steps_of(log_probs)
    classes, after, end = _positions(texts, log_probs.shape[-1] - 1)  # [B, S]

    def twice(forwards, backwards):  # both directions as rows of one batch
        return ops.concatenate([forwards, ops.flip(backwards, axis=1)], axis=0)

    starts = twice(_only_at(0 * end, classes), _only_at(end, classes))
    jumps = twice(after, ops.pad(after[:, 2:], ((0, 0), (0, 2)), constant_values=NEVER))

    @ops.custom_gradient  # XLA cannot differentiate Keras' scan on TensorFlow, and this one stores no steps
    def run(log_probs):
        said = ops.transpose(_of_classes(log_probs, classes), (1, 0, 2))  # [T, B, S]
        both = ops.concatenate([said, ops.flip(said, axis=(0, 2))], axis=1)  # [T, 2 B, S]

        def step(state, t):
            stay, move, jump = state, _moved(state, 1), _moved(state, 2) + jumps
            best = ops.maximum(ops.maximum(stay, move), jump)
            total = best + ops.log(ops.exp(stay - best) + ops.exp(move - best) + ops.exp(jump - best))
            state = ops.maximum(total + ops.take(both, t, axis=0), NEVER * 1e3)
            return state, state

        _, sums = scan(step, starts, ops.shape(both)[0])
        forward, backward = ops.split(sums, 2, axis=1)
        through = forward + ops.flip(backward, axis=(0, 2)) - said  # all alignments through a position at a step
        nll = -ops.logsumexp(through[0], axis=-1)  # [B]

        def gradient(*args, upstream=None):
            upstream = ops.where(fits, args[0] if upstream is None else upstream, 0.0)
            chances = ops.exp(ops.minimum(through + nll[:, None], 0.0)) * upstream[:, None]  # [T, B, S]
            each = ops.one_hot(classes, log_probs.shape[-1], dtype=chances.dtype)  # [B, S, N + 1]
            return -ops.matmul(ops.transpose(chances, (1, 0, 2)), each)

        return ops.where(fits, nll, 0.0), gradient

    return run(log_probs)


def align(texts, log_probs):
    """The step at which each symbol of a text begins in its most probable alignment (Viterbi).

    Args:
        texts: int[B, L], -1 on padding; each fits into its row's steps.
        log_probs: float32[B, T, N + 1], the output of `CTC`.
    Returns:
        int32[B, L]; 0 on padding.
    """
    texts = ops.cast(texts, "int32")
    classes, after, end = _positions(texts, log_probs.shape[-1] - 1)
    said = ops.transpose(_of_classes(log_probs, classes), (1, 0, 2))  # [T, B, S]
    length = ops.shape(said)[0]

    def forward(state, t):
        best = ops.maximum(ops.maximum(state, _moved(state, 1)), _moved(state, 2) + after)
        best = best + ops.take(said, t, axis=0)
        return best, best

    _, bests = scan(forward, _only_at(0 * end, classes), length)  # [T, B, S]

    def backward(place, t):  # place: the position at step t + 1
        best = ops.take(bests, t, axis=0)  # [B, S]
        jump = ops.take_along_axis(after, place[:, None], axis=1)[:, 0]

        def score(back):
            there = ops.take_along_axis(best, ops.maximum(place - back, 0)[:, None], axis=1)[:, 0]
            return ops.where(place >= back, there, NEVER * 1e3)

        scores = ops.stack([score(0), score(1), score(2) + jump], axis=1)
        place = place - ops.cast(ops.argmax(scores, axis=1), "int32")
        return place, place

    _, places = scan(backward, end, length, reverse=True)  # [T, B]
    own = 2 * ops.arange(ops.shape(texts)[1], dtype="int32") + 1
    at = ops.equal(ops.transpose(places)[:, :, None], own)  # [B, T, L]
    return ops.where(texts >= 0, ops.cast(ops.argmax(ops.cast(at, "int32"), axis=1), "int32"), 0)


def _positions(texts, blank: int):
    """The places of an alignment: a blank, the first symbol, a blank, … the last symbol, a blank; S = 2 L + 1.

    An alignment begins as if it came from place 0, and ends as if it went on to the last blank.

    Returns:
        classes int32[B, S]; float32[B, S], 0 where a place may follow the last but one, because there are two different
        symbols on both sides of a blank, else `NEVER`; and int32[B], the place of the last blank.
    """
    real = texts >= 0
    symbols = ops.where(real, texts, blank)  # [B, L]
    shape = ops.shape(symbols)
    classes = ops.reshape(ops.stack([ops.full_like(symbols, blank), symbols], axis=2), (shape[0], 2 * shape[1]))
    classes = ops.pad(classes, ((0, 0), (0, 1)), constant_values=blank)
    before = ops.pad(classes[:, :-2], ((0, 0), (2, 0)), constant_values=blank)
    after = ops.where((classes != blank) & (classes != before), 0.0, NEVER)
    return classes, after, 2 * ops.sum(ops.cast(real, "int32"), axis=1)


def _only_at(place, classes):
    """float32[B, S]: 0 at one place of each row, `NEVER` at all others."""
    return ops.where(ops.arange(ops.shape(classes)[1], dtype="int32") == place[:, None], 0.0, NEVER)


def _of_classes(log_probs, classes):
    """log_probs[b, t, classes[b, s]] as float[B, T, S]."""
    return ops.take_along_axis(log_probs, classes[:, None, :], axis=2)


def _moved(state, by: int):
    """float[B, S]: each value `by` places further on; `NEVER` at the beginning."""
    return ops.pad(state, ((0, 0), (by, 0)), constant_values=NEVER)[:, :-by]
