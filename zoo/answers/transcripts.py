"""From the output of CTC to a text, in graph: greedy, by prefix beam search, or by one that writes words of a lexicon.

Log-probabilities are those of `zoo.layers.ctc.CTC`: float32[B, T, N + 1], the blank last and certain on padding.
Found symbols are int32[B, L], -1 on padding, L ≥ 1.
"""

from typing import NamedTuple

import tensorflow as tf

from zoo.data.lexicon import Lexicon
from zoo.layers import ctc

INCOMPLETE = -1e4  # added to the score of a text that ends within a word
FACTOR = 1_000_003  # of the hash of a prefix


def greedy(log_probs: tf.Tensor) -> tf.Tensor:
    """The text of the best alignment: the likeliest class of each step, each run once, without blanks."""
    blank = log_probs.shape[-1] - 1
    best = tf.argmax(log_probs, axis=-1, output_type=tf.int32)  # [B, T]
    before = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=blank)
    return _padded(tf.ragged.boolean_mask(best, (best != blank) & (best != before)).to_tensor(-1))


def beam(log_probs: tf.Tensor, *, beams: int) -> tf.Tensor:
    """The likeliest text, the sum over its alignments, by prefix beam search: Hannun et al. 2014, section 3.

    https://arxiv.org/abs/1408.2873; by TensorFlow's operation.
    """
    steps = tf.fill([tf.shape(log_probs)[0]], tf.shape(log_probs)[1])
    (found,), _ = tf.nn.ctc_beam_search_decoder(tf.transpose(log_probs, [1, 0, 2]), steps, beams, top_paths=1)
    return _padded(tf.cast(tf.sparse.to_dense(found, default_value=-1), tf.int32))


def _padded(symbols: tf.Tensor) -> tf.Tensor:
    """At least one column."""
    return tf.pad(symbols, [[0, 0], [0, tf.maximum(1 - tf.shape(symbols)[1], 0)]], constant_values=-1)


class _Beam(NamedTuple):
    """K prefixes of each row, [B, K]."""

    name: tf.Tensor  # int64, a hash of the prefix
    parent: tf.Tensor  # int64, of the prefix without its last symbol
    last: tf.Tensor  # int32, the last symbol, -1 in the empty prefix
    node: tf.Tensor  # int32, where in the tree of words
    word: tf.Tensor  # int32, the word before
    words: tf.Tensor  # float32, what the finished words add to the score
    blank: tf.Tensor  # float32, log p(alignments that end in a blank)
    symbol: tf.Tensor  # float32, log p(alignments that end in the last symbol)


def words(log_probs: tf.Tensor, lexicon: Lexicon, *, weight: tf.Tensor, bonus: tf.Tensor, beams: int) -> tf.Tensor:
    """The best text that consists of words of a lexicon, by prefix beam search.

    score = log p(text | sound) + Σ over words of (weight · log p(word | word before) + bonus)

    The prefixes are those of `beam`; each also knows its place in the tree of words. If all prefixes that are left end
    within a word, the answer is the best of them without it.

    Args:
        weight, bonus: float32[].
        beams: prefixes that are kept.
    """
    batch, length = tf.shape(log_probs)[0], tf.shape(log_probs)[1]
    count, size = log_probs.shape[-1] - 1, len(lexicon.words)
    symbols = tf.range(count)

    def added(word: tf.Tensor, following: tf.Tensor) -> tf.Tensor:
        return weight * tf.gather_nd(lexicon.bigrams, tf.stack([word, following], axis=-1))

    def step(t, state: _Beam, back, said):
        chances = log_probs[:, t, :count]  # [B, N]
        total = _either(state.blank, state.symbol)
        # 1. A prefix stays as it is: a blank, or its last symbol again.
        again = tf.gather(chances, tf.maximum(state.last, 0), batch_dims=1)
        stay_blank = total + log_probs[:, t, count:]
        stay_symbol = tf.where(state.last < 0, ctc.NEVER, state.symbol + again)
        # 2. It gets one more symbol; the same as the last one only after a blank.
        repeats = state.last[:, :, None] == symbols
        longer = tf.where(repeats, state.blank[:, :, None], total[:, :, None]) + chances[:, None]  # [B, K, N]
        ends = tf.gather(lexicon.word_at, state.node)  # [B, K], the word that the prefix ends with, or -1
        node = tf.where(symbols == lexicon.space, tf.where(ends >= 0, 0, -1)[:, :, None],
                        tf.gather(lexicon.children, state.node))  # fmt: skip
        longer = tf.where(node >= 0, longer, ctc.NEVER)
        # 3. If the longer prefix is in the beam already, it gets the probability.
        same = (state.name[:, :, None] == state.parent[:, None, :]) & (state.last >= 0)[:, None, :]  # [B, from, to]
        last = tf.one_hot(state.last, count)  # [B, to, N]
        passed = tf.where(same, tf.einsum("bkn,bjn->bkj", longer, last), ctc.NEVER)
        stay_symbol = _either(stay_symbol, tf.reduce_logsumexp(passed, axis=1))
        taken = tf.einsum("bkj,bjn->bkn", tf.cast(same, tf.float32), last) > 0
        longer = tf.where(taken, ctc.NEVER, longer)
        # 4. The best of all.
        ended = state.words + added(state.word, tf.maximum(ends, 0)) + bonus
        worth = tf.where(symbols == lexicon.space, ended[:, :, None], state.words[:, :, None])
        scores = tf.concat(
            [_either(stay_blank, stay_symbol) + state.words, tf.reshape(longer + worth, [batch, beams * count])], axis=1
        )
        _, chosen = tf.math.top_k(scores, beams)  # [B, K]
        grows = chosen >= beams
        source = tf.where(grows, (chosen - beams) // count, chosen)
        symbol = tf.where(grows, (chosen - beams) % count, -1)
        old = _Beam(*(tf.gather(part, source, batch_dims=1) for part in state))
        extended = tf.maximum(chosen - beams, 0)

        def of_longer(part: tf.Tensor) -> tf.Tensor:
            return tf.gather(tf.reshape(part, [batch, beams * count]), extended, batch_dims=1)

        space = symbol == lexicon.space
        state = _Beam(
            tf.where(grows, old.name * FACTOR + tf.cast(symbol, tf.int64) + 1, old.name),
            tf.where(grows, old.name, old.parent),
            tf.where(grows, symbol, old.last),
            tf.where(grows, of_longer(node), old.node),
            tf.where(space, tf.gather(ends, source, batch_dims=1), old.word),
            tf.where(space, tf.gather(ended, source, batch_dims=1), old.words),
            tf.where(grows, ctc.NEVER, tf.gather(stay_blank, source, batch_dims=1)),
            tf.where(grows, of_longer(longer), tf.gather(stay_symbol, source, batch_dims=1)),
        )
        return t + 1, state, back.write(t, source), said.write(t, symbol)

    first = tf.one_hot(tf.zeros([batch], tf.int32), beams, 0.0, ctc.NEVER)  # [B, K]: one empty prefix
    whole = tf.zeros([batch, beams], tf.int32)
    start = _Beam(
        tf.zeros([batch, 1], tf.int64) - tf.range(beams, dtype=tf.int64),  # the others are impossible: other names
        tf.fill([batch, beams], tf.constant(-1, tf.int64)),
        whole - 1, whole, whole + size, tf.zeros_like(first), first, tf.fill([batch, beams], ctc.NEVER),
    )  # fmt: skip
    arrays = [tf.TensorArray(tf.int32, length, element_shape=[None, beams]) for _ in range(2)]
    _, state, back, said = tf.while_loop(lambda t, *_: t < length, step, (0, start, *arrays), maximum_iterations=length)
    ends = tf.gather(lexicon.word_at, state.node)
    nothing = state.last < 0
    final = tf.where(nothing, size, tf.maximum(ends, 0))
    score = _either(state.blank, state.symbol) + state.words + added(final, tf.fill([batch, beams], size))
    score += tf.where(nothing, 0.0, added(state.word, final) + bonus)
    finished = nothing | (ends >= 0)
    score += tf.where(finished, 0.0, INCOMPLETE)
    best = tf.argmax(score, axis=1, output_type=tf.int32)  # [B]
    back, said = back.stack(), said.stack()  # [T, B, K]

    def trace(i, place, found):
        t = length - 1 - i
        symbol = tf.gather(said[t], place, batch_dims=1)
        return i + 1, tf.gather(back[t], place, batch_dims=1), found.write(t, symbol)

    found = tf.TensorArray(tf.int32, length, element_shape=[None])
    *_, found = tf.while_loop(lambda i, *_: i < length, trace, (0, best, found), maximum_iterations=length)
    found = tf.transpose(found.stack())  # [B, T], -1 where a prefix stayed
    # An unfinished word is left out, with the blank before it.
    steps = tf.range(length)
    blank = tf.reduce_max(tf.where(found == lexicon.space, steps, -1), axis=1)
    end = tf.where(tf.gather(finished, best, batch_dims=1), length, blank)
    return _padded(tf.ragged.boolean_mask(found, (found >= 0) & (steps < end[:, None])).to_tensor(-1))


def _either(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """log(exp(one) + exp(other))."""
    high, low = tf.maximum(one, other), tf.minimum(one, other)
    return high + tf.math.log1p(tf.exp(low - high))
