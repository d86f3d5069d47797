"""Spans of tokens, such as names: the output of a tagging layer in, the spans and their exact probabilities out."""

from typing import Any

import tensorflow as tf

from zoo.data import words
from zoo.data.spans import parts


def answer(
    log_probs: tf.Tensor, best: tf.Tensor, every: tf.Tensor, tokens: tf.Tensor, lengths: tf.Tensor, *, tags: Any
) -> dict[str, tf.Tensor]:
    """The spans of the most probable tags, each with its own probability.

    Given the sentence, the tags of a CRF are a Markov chain (Lafferty et al. 2001, section 3). So the probability of a
    span is that of its first tag, times the transitions inside it, times 1 − the transition that would go on with it.
    This is exact, and sums over all tags around the span, if the CRF allows valid tags only (`zoo.data.spans.allowed`).
    Other outputs can begin a span with an I; the probability is then that of its tags, whatever the tag before them.

    Args:
        log_probs: the output of `zoo.layers.crf.Softmax` or `CRF`, for T steps or more.
        best: int32[B, T], the most probable tags.
        every: float32[B, T, N], the probability of every tag.
        tokens: string[B, T].
        lengths: int32[B], the real tokens of each row; 0 is allowed.
        tags: the vocabulary of the N BIO tags.
    Returns:
        span_type string[B, S], span_start and span_end int32[B, S] in tokens, the end exclusive, span_text
        string[B, S], valid UTF-8 with blanks between tokens, span_probability float32[B, S]; padded on the right with
        "" or 0; and span_lengths int32[B], the number of spans.
    """
    rows, width = tf.unstack(tf.shape(tokens))
    real = tf.sequence_mask(lengths, width)  # [B, T]
    marks = [parts(tag) for tag in tags.tokens]
    types = sorted({kind for _, kind in marks})
    on = [tags.tokens.index(f"I-{kind}") if f"I-{kind}" in tags.tokens else -1 for kind in types]
    kind = tf.gather([types.index(kind) for _, kind in marks], best)  # [B, T]
    begin, inside = (tf.gather([mark == wanted for mark, _ in marks], best) & real for wanted in "BI")
    part = begin | inside
    follows = inside[:, 1:] & part[:, :-1] & (kind[:, 1:] == kind[:, :-1])
    follows = tf.pad(follows, [[0, 0], [1, 0]])[:, :width]  # the width may be 0
    begins = begin | (inside & ~follows)
    # Spans and their tokens as flat lists, in the order of the batch.
    place = tf.where(begins)  # [all spans, 2]
    row, start = tf.unstack(tf.cast(place, tf.int32), axis=1)
    of = tf.cumsum(tf.cast(tf.boolean_mask(begins, part), tf.int32)) - 1  # the span of each token in a span
    count = tf.shape(row)[0]
    size = tf.math.unsorted_segment_sum(tf.ones_like(of), of, count)
    kind = tf.gather_nd(kind, place)

    first = tf.gather_nd(every, tf.stack([row, start, tf.gather_nd(best, place)], axis=1))
    inner = tf.where(begins, 0.0, _log_steps(log_probs, best))  # of the tokens after the first
    steps = tf.math.unsorted_segment_sum(tf.boolean_mask(inner, part), of, count)
    going_on = _going_on(log_probs, best, row, start + size, tf.gather(on, kind))
    stops = tf.where(start + size < tf.gather(lengths, row), 1 - going_on, 1.0)

    texts = tf.RaggedTensor.from_row_lengths(words.clean(tf.boolean_mask(tokens, part)), size, validate=False)
    found = {
        "span_type": tf.gather(types, kind),
        "span_start": start,
        "span_end": start + size,
        "span_text": tf.strings.reduce_join(texts, axis=-1, separator=" "),
        "span_probability": first * tf.exp(steps) * stops,
    }
    counts = tf.math.bincount(row, minlength=rows, maxlength=rows)
    ragged = {name: tf.RaggedTensor.from_row_lengths(value, counts, validate=False) for name, value in found.items()}
    return {name: value.to_tensor() for name, value in ragged.items()} | {"span_lengths": counts}


def _log_steps(log_probs: tf.Tensor, best: tf.Tensor) -> tf.Tensor:
    """float32[B, T]: log P of each tag in `best`, for a CRF given the tag before it."""
    log_probs = log_probs[:, : tf.shape(best)[1]]
    if log_probs.shape.rank == 4:
        before = tf.pad(best, [[0, 0], [1, 0]])[:, :-1]
        log_probs = tf.gather(log_probs, before, batch_dims=2)  # [B, T, N]
    return tf.gather(log_probs, best, batch_dims=2)


def _going_on(log_probs: tf.Tensor, best: tf.Tensor, row: tf.Tensor, end: tf.Tensor, on: tf.Tensor) -> tf.Tensor:
    """float32[all spans]: P that the token at `end` has the tag `on` after the last tag; 0 for an `on` of -1."""
    end = tf.minimum(end, tf.shape(log_probs)[1] - 1)
    where = [row, end]
    if log_probs.shape.rank == 4:
        where.append(tf.gather_nd(best, tf.stack([row, tf.maximum(end - 1, 0)], 1)))
    where.append(tf.maximum(on, 0))
    return tf.where(on < 0, 0.0, tf.exp(tf.gather_nd(log_probs, tf.stack(where, 1))))


def characters(texts: tf.Tensor, tokens: tf.RaggedTensor, found: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Where the spans stand in raw texts, and the part of the text that they are.

    Args:
        texts: string[B].
        tokens: string[B, ragged], the text as `zoo.data.words.split` gives it.
        found: the result of `answer` for these tokens.
    Returns:
        span_start_character and span_end_character int32[B, S], in code points, the end exclusive; span_text.
    """
    starts, ends = (part.to_tensor() for part in words.offsets(texts, tokens))  # int32[B, T]
    real = tf.sequence_mask(found["span_lengths"], tf.shape(found["span_start"])[1])
    first, last = found["span_start"], tf.maximum(found["span_end"] - 1, 0)
    start, end = (
        tf.where(real, tf.gather(tf.pad(places, [[0, 0], [0, 1]]), at, batch_dims=1), 0)  # a text may have no token
        for places, at in ((starts, first), (ends, last))
    )
    whole = tf.broadcast_to(tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")[:, None], tf.shape(start))
    text = tf.strings.substr(whole, start, end - start, unit="UTF8_CHAR")
    return {"span_start_character": start, "span_end_character": end, "span_text": text}
