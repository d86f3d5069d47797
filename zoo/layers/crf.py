"""One tag per token: a softmax or a linear-chain CRF on top of the scores, with one interface for both.

    log_probs = crf.OUTPUTS["crf" or "softmax"](tags)(scores, keep_mask)            # the model's output
    model.compile(loss=losses.TagLoss(), weighted_metrics=[tags.TagAccuracy()])  # zoo.training.losses, zoo.metrics.tags
    tags, log_probability = crf.best_tags(log_probs)
    probabilities = crf.tag_probabilities(log_probs, keep_mask)

A Keras loss sees only targets and outputs, so the output has to hold all that the loss needs. A CRF makes that easy:
given the sentence, its tags are a Markov chain (Lafferty et al. 2001, section 3), so `CRF` returns that chain,
log p(tag | the tag before, sentence). By the chain rule a sentence's log-likelihood is their sum, so a token's loss is
−log p(its tag | the tag before), a per-token weight weighs exactly that, and the mean is the sentence's NLL per token.

Sources: Lafferty et al. 2001, https://repository.upenn.edu/cis_papers/159; Lample et al. 2016, section 2.2,
https://arxiv.org/abs/1603.01360; Ma & Hovy 2016, section 2.3, https://arxiv.org/abs/1603.01354
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class Softmax(keras.layers.Layer):
    """Chooses every tag on its own.

    Call arguments:
        scores:    float[B, T, N], one score per token and tag, any real numbers.
        keep_mask: bool[B, T], True = real token.
    Returns:
        log p(tag | sentence), float32[B, T, N]; 0 on padding.
    """

    def __init__(self, tags: int, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # log-probabilities in half precision lose the loss
        self.tags = tags

    def build(self, scores_shape, keep_mask_shape=None):
        _check_tags(self, scores_shape)

    def call(self, scores, keep_mask):
        return ops.where(keep_mask[:, :, None], ops.log_softmax(scores, axis=-1), 0.0)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are explicit in this zoo: none is taken from the layers below, none handed on

    def compute_output_shape(self, scores_shape, keep_mask_shape=None):
        return tuple(scores_shape)

    def get_config(self):
        return {**super().get_config(), "tags": self.tags}


@keras.saving.register_keras_serializable("zoo")
class CRF(keras.layers.Layer):
    """Chooses the tags of a sentence together: which tag follows which is scored too.

    p(tags) ∝ exp(start[first tag] + Σ_t scores[t, tag t] + Σ_t transitions[tag t−1, tag t] + end[last tag])
    Lample et al. 2016, section 2.2. Weights: transitions [N, N] (from, to), start [N], end [N].

    Call arguments:
        scores:    float[B, T, N], one score per token and tag, any real numbers.
        keep_mask: bool[B, T], True = real token; right-padded, at least one real token per row.
    Returns:
        chain, float32[B, T, N, N]: chain[b, t, i, j] = log p(tag t is j | tag t−1 is i, sentence). At t = 0 no tag
        comes before and all rows i are the same. 0 on padding. 4 N² bytes per token: 1.2 kB for 17 tags, 10 kB for 50.
    """

    def __init__(self, tags: int, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # sums of exponentials need float32 under any policy
        self.tags = tags

    def build(self, scores_shape, keep_mask_shape=None):
        _check_tags(self, scores_shape)
        self.transitions = self.add_weight(shape=(self.tags, self.tags), initializer="zeros", name="transitions")
        self.start = self.add_weight(shape=(self.tags,), initializer="zeros", name="start")
        self.end = self.add_weight(shape=(self.tags,), initializer="zeros", name="end")

    def call(self, scores, keep_mask):
        future = _future(self.transitions, self.end, scores, keep_mask)
        ahead = (scores + future)[:, :, None, :]  # [B, T, 1, N], of each tag: its own score and all that may follow
        first = ops.repeat(ahead[:, :1] + self.start, self.tags, axis=2)  # [B, 1, N, N]
        chain = ops.concatenate([first, ahead[:, 1:] + self.transitions], axis=1)  # [B, T, N, N]
        return ops.where(keep_mask[:, :, None, None], ops.log_softmax(chain, axis=-1), 0.0)

    def compute_mask(self, inputs, previous_mask=None):
        return None  # masks are explicit in this zoo: none is taken from the layers below, none handed on

    def compute_output_shape(self, scores_shape, keep_mask_shape=None):
        return (*scores_shape, self.tags)

    def get_config(self):
        return {**super().get_config(), "tags": self.tags}


OUTPUTS: dict[str, type[keras.layers.Layer]] = {"softmax": Softmax, "crf": CRF}


def tag_nll(tags, log_probs):
    """The surprise of every token: −log p(tag | sentence), and with a CRF −log p(tag | the tag before, sentence).

    Arguments: tags int[B, T], any value on padding; log_probs, what `Softmax` or `CRF` returned.
    Returns: float[B, T], nats, 0 on padding; a row's sum is the negative log-likelihood of its tags.
    """
    tags = ops.maximum(ops.cast(tags, "int32"), 0)  # padding may be marked −1
    if len(log_probs.shape) == 4:
        size = log_probs.shape[-1]
        before = ops.pad(tags[:, :-1], ((0, 0), (1, 0)))
        tags = before * size + tags  # the pair (before, tag) as one number
        shape = ops.shape(log_probs)
        log_probs = ops.reshape(log_probs, (shape[0], shape[1], size * size))
    return -ops.take_along_axis(log_probs, tags[:, :, None], axis=-1)[:, :, 0]


def best_tags(log_probs):
    """The most probable tags of each sentence: argmax per token, or Viterbi's path (Lample et al. 2016, equation 1).

    Arguments: log_probs, what `Softmax` or `CRF` returned; right-padded.
    Returns: tags int32[B, T], 0 on padding, and log p(tags | sentence) float[B].
    """
    if len(log_probs.shape) == 3:
        return _argmax(log_probs), ops.sum(ops.max(log_probs, axis=-1), axis=1)

    chain = ops.transpose(log_probs, (1, 0, 2, 3))  # [T, B, N, N]

    def forward(best, t):  # best[b, j]: the log-probability of the best path that ends in tag j
        best = ops.max(best[:, :, None] + ops.take(chain, t, axis=0), axis=1)
        return best, best

    def backward(onward, t):  # onward[b, i]: how well the tag chosen at t + 1 goes with tag i at t
        total = ops.take(bests, t, axis=0) + onward
        tag = _argmax(total)  # cheaper than backpointers: N comparisons again instead of N² argmaxes
        return ops.take_along_axis(ops.take(chain, t, axis=0), tag[:, None, None], axis=2)[:, :, 0], total

    nothing = ops.zeros_like(chain[0, :, 0, :])  # [B, N]; all rows of the first step are the same: any start will do
    length = ops.shape(chain)[0]
    best, bests = _scan(forward, nothing, length)  # bests: [T, B, N]
    _, totals = _scan(backward, nothing, length, reverse=True)
    # On padding the chain is 0: nothing is added, and the path waits there in tag 0.
    return ops.transpose(_argmax(totals)), ops.max(best, axis=-1)


def tag_probabilities(log_probs, keep_mask):
    """The probability of each tag at each token, whatever the other tokens' tags are (forward-backward's marginals).

    Arguments: log_probs, what `Softmax` or `CRF` returned; keep_mask bool[B, T], True = real token.
    Returns: float[B, T, N]; a token's sum to 1, padding's are 0.
    """
    probabilities = ops.exp(log_probs)
    if len(log_probs.shape) == 4:
        # The backward half is in the chain already: what is left is to walk along it.
        chain = ops.transpose(probabilities, (1, 0, 2, 3))  # [T, B, N, N]

        def forward(marginal, t):
            marginal = ops.matmul(marginal[:, None, :], ops.take(chain, t, axis=0))[:, 0]
            return marginal, marginal

        anywhere = ops.ones_like(chain[0, :, 0, :]) / chain.shape[-1]  # all rows of the first step are the same
        _, marginals = _scan(forward, anywhere, ops.shape(chain)[0])
        probabilities = ops.transpose(marginals, (1, 0, 2))
    return ops.where(keep_mask[:, :, None], probabilities, 0.0)


def _check_tags(layer, scores_shape):
    if scores_shape[-1] != layer.tags:
        raise ValueError(
            f"{layer.name}: scores of shape {tuple(scores_shape)} for {layer.tags} tags. "
            f"Expected [batch, time, {layer.tags}]: put keras.layers.Dense({layer.tags}) before it."
        )


def _future(transitions, end, scores, keep_mask):
    """What can still come after each tag: future[t, i] = log Σ over all tags after t, given that tag t is i.

    future[t, i] = log Σ_j exp(transitions[i, j] + scores[t+1, j] + future[t+1, j]), and end[i] at the last token: the
    backward half of forward-backward. Only differences between tags matter, so each step drops its maximum: nothing
    grows with the length of the sentence. The sum over j is a matrix product, exact while transitions differ by less
    than about 60.

    Arguments: transitions [N, N], end [N], scores [B, T, N], keep_mask bool[B, T]. Returns: float[B, T, N].
    """
    more = ops.concatenate([keep_mask[:, 1:], ops.zeros_like(keep_mask[:, :1])], axis=1)
    more = ops.transpose(more)[:, :, None]  # [T, B, 1], True where a real token follows

    # The gradient is written out because XLA refuses to differentiate Keras' scan on TensorFlow, and because it is
    # lighter this way: no step is stored, and the transitions' gradient is one product over all steps at the end.
    @ops.custom_gradient
    def run(factors, end, scores):
        scores = ops.transpose(scores, (1, 0, 2))  # [T, B, N]
        length = ops.shape(scores)[0]

        def backward(ahead, t):  # ahead = scores + future of the step after t
            reach = ops.matmul(_relative(ahead), ops.transpose(factors))
            future = ops.where(ops.take(more, t, axis=0), ops.log(reach + 1e-30), end)
            return ops.take(scores, t, axis=0) + future, future

        _, future = _scan(backward, ops.zeros_like(scores[0]), length, reverse=True)  # [T, B, N]

        def gradient(*args, upstream=None):
            upstream = ops.transpose(args[0] if upstream is None else upstream, (1, 0, 2))  # [T, B, N]
            weights = _relative(scores + future)  # [T, B, N]
            reach = ops.where(more, ops.exp(future), 1.0)

            def forward(share, t):  # share: what the tags before pass on
                total = ops.take(upstream, t, axis=0) + ops.take(weights, t, axis=0) * ops.matmul(share, factors)
                share = ops.where(ops.take(more, t, axis=0), total / ops.take(reach, t, axis=0), 0.0)
                return share, total

            # total [T, B, N]: the whole gradient by future, directly and through the tags before
            _, total = _scan(forward, ops.zeros_like(upstream[0]), length)
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

    factors = ops.exp(transitions - ops.stop_gradient(ops.max(transitions)))  # [N, N]
    return run(factors, end + 0.0, scores)  # + 0.0: a tensor, as TensorFlow wants no variables here


def _relative(scores):
    """exp(scores), each row's largest being 1."""
    return ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))


def _argmax(scores):
    """int32, the first of the largest along the last axis; without the look for −0.0 that `ops.argmax` takes."""
    largest = ops.equal(scores, ops.max(scores, axis=-1, keepdims=True))
    return ops.cast(ops.argmax(ops.cast(largest, "int32"), axis=-1), "int32")


def _scan(step, start, length, *, reverse=False):
    """The last state, and the outputs [length, ...] of (state, output) = step(state, t) for every t.

    On TensorFlow `ops.scan` keeps the state in a TensorArray, which costs time and which ONNX has not (Keras 3.15.1).

    Arguments: start, a tensor of the shape of states and outputs.
    """
    if keras.config.backend() != "tensorflow":
        return ops.scan(step, start, ops.arange(length), reverse=reverse)
    import tensorflow as tf

    def body(i, state, outputs):
        state, output = step(state, length - 1 - i if reverse else i)
        return i + 1, state, outputs.write(i, output)

    outputs = tf.TensorArray(start.dtype, length, element_shape=start.shape)
    loop = tf.while_loop(lambda i, *_: i < length, body, (0, start, outputs), maximum_iterations=length)
    outputs = loop[2].stack()
    return loop[1], tf.gather(outputs, length - 1 - tf.range(length)) if reverse else outputs
