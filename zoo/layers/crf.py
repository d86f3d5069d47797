"""One tag per token from scores: a softmax or a linear-chain conditional random field (CRF), with one interface.

    log_probs = crf.OUTPUTS["crf" or "softmax"](tags)(scores, keep_mask)            # the model's output
    model.compile(loss=losses.TagLoss(), weighted_metrics=[tags.TagAccuracy()])  # zoo.training.losses, zoo.metrics.tags
    tags, log_probability = crf.best_tags(log_probs)
    probabilities = crf.tag_probabilities(log_probs, keep_mask)

A Keras loss sees only targets and outputs, so the output must contain everything that the loss needs. Given the
sentence, the tags of a CRF are a Markov chain (Lafferty et al. 2001, section 3), and `CRF` returns that chain:
log p(tag | previous tag, sentence). By the chain rule these sum to the log-likelihood of the sentence's tags. The loss
of a token is therefore −log p(its tag | previous tag), and weights per token apply to it as to any other loss.

Sources: Lafferty et al. 2001, https://repository.upenn.edu/cis_papers/159; Lample et al. 2016, section 2.2,
https://arxiv.org/abs/1603.01360; Ma & Hovy 2016, section 2.3, https://arxiv.org/abs/1603.01354
"""

from collections.abc import Sequence

import keras
from keras import ops

from zoo.layers.scan import scan

NEVER = -1e9  # the score of a transition that is not allowed: its exponential is 0, and no sum with it is NaN


@keras.saving.register_keras_serializable("zoo")
class Softmax(keras.layers.Layer):
    """Chooses each tag independently of the others.

    Args:
        tags: number of tags, N.

    Call arguments:
        scores:    float[B, T, N], one score per token and tag, any real numbers.
        keep_mask: bool[B, T], True = real token.
    Returns:
        log p(tag | sentence), float32[B, T, N]; 0 on padding.
    Raises:
        ValueError: the last axis of `scores` is not N.

    >>> import numpy as np
    >>> scores = np.array([[[2.0, 0.0], [0.0, 5.0], [0.0, 0.0]]], "float32")
    >>> keep_mask = np.array([[True, True, False]])
    >>> tags, _ = best_tags(Softmax(2)(scores, keep_mask))
    >>> tags.numpy().tolist()
    [[0, 1, 0]]
    """

    def __init__(self, tags: int, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # half precision is too coarse for log-probabilities
        self.tags = tags

    def build(self, scores_shape, keep_mask_shape=None):
        _check_tags(self, scores_shape)

    def call(self, scores, keep_mask):
        return ops.where(keep_mask[:, :, None], ops.log_softmax(scores, axis=-1), 0.0)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are passed explicitly, never propagated

    def compute_output_shape(self, scores_shape, keep_mask_shape=None):
        return tuple(scores_shape)

    def get_config(self):
        return {**super().get_config(), "tags": self.tags}


@keras.saving.register_keras_serializable("zoo")
class CRF(keras.layers.Layer):
    """Chooses the tags of a sentence jointly: each pair of neighbouring tags has a score too.

    p(tags) ∝ exp(start[first tag] + Σ_t scores[t, tag t] + Σ_t transitions[tag t−1, tag t] + end[last tag])
    Lample et al. 2016, section 2.2. Weights: transitions [N, N] (from, to), start [N], end [N].

    Args:
        tags: number of tags, N.
        allowed: bool[N + 1, N]: allowed[i][j] says whether tag j may follow tag i, and allowed[N][j] whether j may come
            first; see `zoo.data.spans.allowed`. Sequences that are not allowed have probability 0. None allows all.

    Call arguments:
        scores:    float[B, T, N], one score per token and tag, any real numbers.
        keep_mask: bool[B, T], True = real token; right-padded, at least one real token per row.
    Returns:
        chain, float32[B, T, N, N]: chain[b, t, i, j] = log p(tag t is j | tag t−1 is i, sentence). The first token has
        no previous tag; all its rows i are equal. 0 on padding. 4 N² bytes per token: 1.2 kB for 17 tags, 10 kB for 50.
        A transition that is not allowed has about −1e9, whose exponential is 0.
    Raises:
        ValueError: the last axis of `scores` is not N; or `allowed` has another shape or a row without True.

    >>> import numpy as np
    >>> crf = CRF(2)
    >>> crf.build((None, None, 2))
    >>> _ = crf.transitions.assign([[-9.0, 0.0], [0.0, -9.0]])  # no tag follows itself
    >>> scores = np.array([[[2.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]], "float32")
    >>> keep_mask = np.array([[True, True, True, False]])
    >>> tags, _ = best_tags(crf(scores, keep_mask))
    >>> tags.numpy().tolist()
    [[0, 1, 0, 0]]
    >>> strict = CRF(2, allowed=[[True, False], [True, True], [True, True]])  # tag 1 may not follow tag 0
    >>> tags, _ = best_tags(strict(np.array([[[2.0, 0.0], [0.0, 1.0]]], "float32"), keep_mask[:, :2]))
    >>> tags.numpy().tolist()
    [[0, 0]]
    """

    def __init__(self, tags: int, allowed: Sequence[Sequence[bool]] | None = None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # sums of exponentials need float32 under any policy
        self.tags = tags
        self.allowed = None if allowed is None else [[bool(cell) for cell in row] for row in allowed]
        if self.allowed and [len(row) * any(row) for row in self.allowed] != [tags] * (tags + 1):
            raise ValueError(
                f"{self.name}: allowed needs {tags + 1} rows of {tags} values, one of them True in each row"
            )

    def build(self, scores_shape, keep_mask_shape=None):
        _check_tags(self, scores_shape)
        self.transitions = self.add_weight(shape=(self.tags, self.tags), initializer="zeros", name="transitions")
        self.start = self.add_weight(shape=(self.tags,), initializer="zeros", name="start")
        self.end = self.add_weight(shape=(self.tags,), initializer="zeros", name="end")

    def call(self, scores, keep_mask):
        transitions, start = self.transitions, self.start
        if self.allowed:
            allowed = ops.convert_to_tensor(self.allowed, "bool")
            transitions = ops.where(allowed[:-1], transitions + 0.0, NEVER)  # + 0.0: JAX' where takes no variables
            start = ops.where(allowed[-1], start + 0.0, NEVER)
        transitions = transitions - ops.stop_gradient(ops.max(transitions))  # only differences matter
        future = (_exact_future if self.allowed else _future)(transitions, self.end, scores, keep_mask)
        ahead = _below(scores + future)  # [B, T, N]: the score of each tag and of all that may follow it
        first = ops.repeat(ops.log_softmax(ahead[:, :1] + start, axis=-1)[:, :, None], self.tags, axis=2)
        # The future of a tag is the log-sum over the tags that may come next: it normalizes the tag's row.
        rest = ahead[:, 1:, None, :] + transitions - future[:, :-1, :, None]
        chain = ops.concatenate([first, rest], axis=1)  # [B, T, N, N]
        return ops.where(keep_mask[:, :, None, None], chain, 0.0)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are passed explicitly, never propagated

    def compute_output_shape(self, scores_shape, keep_mask_shape=None):
        return (*scores_shape, self.tags)

    def get_config(self):
        return {**super().get_config(), "tags": self.tags, "allowed": self.allowed}


OUTPUTS: dict[str, type[keras.layers.Layer]] = {"softmax": Softmax, "crf": CRF}


def tag_nll(tags, log_probs):
    """Negative log-likelihood of each token: −log p(tag | sentence), for a CRF −log p(tag | previous tag, sentence).

    Args:
        tags: int[B, T], any value on padding.
        log_probs: the output of `Softmax` or `CRF`.
    Returns:
        float[B, T] in nats, 0 on padding; a row's sum is the negative log-likelihood of its tags.
    """
    tags = ops.maximum(ops.cast(tags, "int32"), 0)  # padding may be marked −1
    if len(log_probs.shape) == 4:
        size = log_probs.shape[-1]
        before = ops.pad(tags[:, :-1], ((0, 0), (1, 0)))
        tags = before * size + tags  # one id for the pair (before, tag)
        shape = ops.shape(log_probs)
        log_probs = ops.reshape(log_probs, (shape[0], shape[1], size * size))
    return -ops.take_along_axis(log_probs, tags[:, :, None], axis=-1)[:, :, 0]


def best_tags(log_probs):
    """Most probable tags of each sentence: argmax per token, or Viterbi's path (Lample et al. 2016, equation 1).

    Args:
        log_probs: the output of `Softmax` or `CRF`, right-padded.
    Returns:
        tags int32[B, T], 0 on padding, and log p(tags | sentence) float[B].
    """
    if len(log_probs.shape) == 3:
        return _argmax(log_probs), ops.sum(ops.max(log_probs, axis=-1), axis=1)

    chain = ops.transpose(log_probs, (1, 0, 2, 3))  # [T, B, N, N]

    def forward(best, t):  # best[b, j]: the log-probability of the best path that ends in tag j
        best = ops.max(best[:, :, None] + ops.take(chain, t, axis=0), axis=1)
        return best, best

    def backward(onward, t):  # onward[b, i]: how well the tag chosen at t + 1 goes with tag i at t
        total = ops.take(bests, t, axis=0) + onward
        tag = _argmax(total)  # cheaper than backpointers: N comparisons a second time, not N² argmaxes
        return ops.take_along_axis(ops.take(chain, t, axis=0), tag[:, None, None], axis=2)[:, :, 0], total

    nothing = ops.zeros_like(chain[0, :, 0, :])  # [B, N]; any start will do, as all rows of the first step are equal
    length = ops.shape(chain)[0]
    best, bests = scan(forward, nothing, length)  # bests: [T, B, N]
    _, totals = scan(backward, nothing, length, reverse=True)
    # On padding the chain is 0: it adds nothing to the path, which stays in tag 0.
    return ops.transpose(_argmax(totals)), ops.max(best, axis=-1)


def tag_probabilities(log_probs, keep_mask):
    """Marginal probability of each tag at each token, summed over the tags of all other tokens (forward-backward).

    Args:
        log_probs: the output of `Softmax` or `CRF`.
        keep_mask: bool[B, T], True = real token.
    Returns:
        float[B, T, N], which sum to 1 over the tags of a real token; 0 on padding.
    """
    probabilities = ops.exp(log_probs)
    if len(log_probs.shape) == 4:
        # The chain contains the backward half of forward-backward; only the forward half is left.
        chain = ops.transpose(probabilities, (1, 0, 2, 3))  # [T, B, N, N]

        def forward(marginal, t):
            marginal = ops.matmul(marginal[:, None, :], ops.take(chain, t, axis=0))[:, 0]
            return marginal, marginal

        anywhere = ops.ones_like(chain[0, :, 0, :]) / chain.shape[-1]  # all rows of the first step are equal
        _, marginals = scan(forward, anywhere, ops.shape(chain)[0])
        probabilities = ops.transpose(marginals, (1, 0, 2))
    return ops.where(keep_mask[:, :, None], probabilities, 0.0)


def _check_tags(layer, scores_shape):
    if scores_shape[-1] != layer.tags:
        raise ValueError(
            f"{layer.name}: got scores of shape {tuple(scores_shape)}, expected [batch, time, {layer.tags}]; "
            f"put keras.layers.Dense({layer.tags}) before it"
        )


def _future(transitions, end, scores, keep_mask):
    """Log-sum of the scores of all tag sequences after each token: the backward half of forward-backward.

    future[t, i] = log Σ_j exp(transitions[i, j] + scores[t+1, j] + future[t+1, j]), and end[i] at the last token. Only
    differences between tags matter, so each step subtracts its maximum and nothing grows with the length of the
    sentence. The sum over j is a matrix product, which is exact while transitions differ by less than about 60.

    Args:
        transitions: float[N, N], at most 0. end: float[N]. scores: float[B, T, N].
        keep_mask: bool[B, T], True = real token.
    Returns:
        float[B, T, N].
    """
    more = ops.concatenate([keep_mask[:, 1:], ops.zeros_like(keep_mask[:, :1])], axis=1)
    more = ops.transpose(more)[:, :, None]  # [T, B, 1], True where a real token follows

    # The gradient is written out for two reasons. XLA cannot differentiate Keras' scan on TensorFlow. And it is
    # cheaper: no step is stored, and the gradient of the transitions is one product over all steps at the end.
    @ops.custom_gradient
    def run(factors, end, scores):
        scores = ops.transpose(scores, (1, 0, 2))  # [T, B, N]
        length = ops.shape(scores)[0]

        def backward(ahead, t):  # ahead = scores + future of the step after t
            reach = ops.matmul(ops.exp(_below(ahead)), ops.transpose(factors))
            future = ops.where(ops.take(more, t, axis=0), ops.log(reach + 1e-30), end)
            return ops.take(scores, t, axis=0) + future, future

        _, future = scan(backward, ops.zeros_like(scores[0]), length, reverse=True)  # [T, B, N]

        def gradient(*args, upstream=None):
            upstream = ops.transpose(args[0] if upstream is None else upstream, (1, 0, 2))  # [T, B, N]
            weights = ops.exp(_below(scores + future))  # [T, B, N]
            reach = ops.where(more, ops.exp(future), 1.0)

            def forward(share, t):  # share: the part of the gradient that the previous tags pass on
                total = ops.take(upstream, t, axis=0) + ops.take(weights, t, axis=0) * ops.matmul(share, factors)
                share = ops.where(ops.take(more, t, axis=0), total / ops.take(reach, t, axis=0), 0.0)
                return share, total

            # total [T, B, N]: the gradient of future, both direct and through the previous tags
            _, total = scan(forward, ops.zeros_like(upstream[0]), length)
            share = ops.where(more, total / reach, 0.0)[:-1]
            size = factors.shape[0]
            pairs = ops.matmul(ops.transpose(ops.reshape(share, (-1, size))), ops.reshape(weights[1:], (-1, size)))
            last = ops.transpose(keep_mask)[:, :, None] & ~more
            return (
                pairs,
                ops.sum(ops.where(last, total, 0.0), axis=(0, 1)),
                ops.transpose(total - upstream, (1, 0, 2)),
            )

        return ops.transpose(future, (1, 0, 2)), gradient

    return run(ops.exp(transitions), end + 0.0, scores)  # + 0.0 makes a tensor: a custom gradient takes no variables


def _exact_future(transitions, end, scores, keep_mask):
    """`_future` for transitions of any size, `NEVER` included: a sum over pairs of tags instead of a matrix product.

    A tag may be followed only by tags that are far less probable than others; in a product they would be rounded to
    nothing. It takes N times the memory and is slower where there are many tags.

    Args, Returns: as in `_future`.
    """
    follows = ops.concatenate([keep_mask[:, 1:], ops.zeros_like(keep_mask[:, :1])], axis=1)
    more = ops.transpose(follows)[:, :, None]  # [T, B, 1], True where a real token follows

    @ops.custom_gradient  # as in `_future`
    def run(transitions, end, scores):
        scores = ops.transpose(scores, (1, 0, 2))  # [T, B, N]
        length = ops.shape(scores)[0]

        def backward(ahead, t):  # ahead = scores + future of the step after t
            pairs = _below(ahead)[:, None, :] + transitions  # [B, N, N]
            best = ops.max(pairs, axis=-1)
            reach = best + ops.log(ops.sum(ops.exp(pairs - best[:, :, None]), axis=-1))
            future = ops.where(ops.take(more, t, axis=0), reach, end)
            return ops.take(scores, t, axis=0) + future, future

        _, future = scan(backward, ops.zeros_like(scores[0]), length, reverse=True)  # [T, B, N]

        def gradient(*args, upstream=None):
            upstream = ops.transpose(args[0] if upstream is None else upstream, (1, 0, 2))  # [T, B, N]
            # share[t, i, j] = d future[t−1, i] / d ahead[t, j]: the probability that j follows i.
            ahead = _below(scores + future)
            sums = ops.pad(ops.where(more, future, 0.0)[:-1], ((1, 0), (0, 0), (0, 0)))
            share = ops.exp(ahead[:, :, None, :] + transitions - sums[:, :, :, None])  # [T, B, N, N]

            def forward(before, t):  # before: the gradient of the future of the step before, 0 if that was the last one
                passed = ops.matmul(before[:, None, :], ops.take(share, t, axis=0))[:, 0]
                total = ops.take(upstream, t, axis=0) + passed
                return ops.where(ops.take(more, t, axis=0), total, 0.0), total

            _, total = scan(forward, ops.zeros_like(upstream[0]), length)  # [T, B, N]
            before = ops.where(more, total, 0.0)[:-1]
            pairs = ops.sum(before[:, :, :, None] * share[1:], axis=(0, 1))
            last = ops.transpose(keep_mask)[:, :, None] & ~more
            ends = ops.sum(ops.where(last, total, 0.0), axis=(0, 1))
            return pairs, ends, ops.transpose(total - upstream, (1, 0, 2))

        return ops.transpose(future, (1, 0, 2)), gradient

    return run(transitions, end + 0.0, scores)  # + 0.0 makes a tensor: a custom gradient takes no variables


def _below(scores):
    """The scores minus the largest of their row: only differences matter, and the largest is 0."""
    return scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))


def _argmax(scores):
    """Index of the first maximum along the last axis, int32; spares the search for −0.0 of `ops.argmax` on floats."""
    largest = ops.equal(scores, ops.max(scores, axis=-1, keepdims=True))
    return ops.cast(ops.argmax(ops.cast(largest, "int32"), axis=-1), "int32")
