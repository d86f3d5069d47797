"""Search: from one step of a decoder to finished sequences, by greedy choice, beam or sampling.

Everything runs inside the graph with stock TensorFlow operations, so TF Serving can run it. A one-step decoder is any
function

    step(tokens int[N], state) → logits float[N, V], state, weights float[N, T] or None

where `state` is a nested structure of batch-major tensors. `AttentionDecoder.stepper(memory, keep_mask)` makes one:

    found = beam(decoder.stepper(memory, keep_mask), decoder.start(memory, keep_mask), first, end=END, max_length=60)

Every row is searched on its own: its neighbours in the batch change how long the loop runs, never the result. A row
stops at its `end` token or at its `max_length`, whichever comes first, so every search ends.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from zoo.answers import draws

ABSENT = float(np.finfo(np.float32).min)  # the score of a hypothesis that does not exist; finite because JSON needs it


class Decoded(NamedTuple):
    """The result of a search. A beam's results have a second axis, n_best, sorted from best to worst.

    tokens:  int32[B, L], with `end` where it was reached, then `pad`; L is the largest `max_length`.
    lengths: int32[B], tokens before the padding, `end` included.
    scores:  float32[B], natural-log probability under the model, with the beam's length penalty applied.
    weights: float32[B, L, T], the attention weights at each token, 0 on padding; None if `positions` is None.
    """

    tokens: Any
    lengths: Any
    scores: Any
    weights: Any


def without(step: Callable, tokens: Sequence[int]) -> Callable:
    """The same `step`, except that a search never chooses any of `tokens`."""

    def allowed(last, state):
        logits, state, weights = step(last, state)
        never = ops.sum(ops.one_hot(np.array(tokens), logits.shape[-1], dtype="float32"), axis=0)
        return ops.cast(logits, "float32") - 1e9 * never, state, weights

    return allowed


def drawing(cfg: Any) -> dict[str, Any]:
    """The arguments of `sample` in the options temperature, top_k and top_p; without those that change nothing."""
    top_p = cfg.top_p if cfg.top_p < 1 else None
    return {"temperature": cfg.temperature, "top_k": cfg.top_k or None, "top_p": top_p}


def greedy(step: Callable, state, first, *, end: int, max_length, pad: int = 0, positions=None) -> Decoded:
    """Takes the likeliest token at every step; among equals, the one with the smallest id.

    Args:
        step: a one-step decoder; see the head of this file.
        state: its state at the start, nested, B rows.
        first: int[B], the tokens before the first step, which are not part of the answer.
        end: the token that ends a sequence.
        max_length: the most tokens in an answer, `end` included: int, int tensor, or int[B], one per row; at least 1.
            Under JAX its value must be known (not traced).
        pad: fills `tokens` after the end.
        positions: T, the length of the memory, to return `weights` too.
    """

    def choose(logits, t):
        best, tokens = ops.top_k(logits, 1)  # on TensorFlow a third of the time of ops.argmax
        return tokens[:, 0], best[:, 0]

    return _roll(step, state, first, choose, end, max_length, pad, positions)


def sample(
    step: Callable,
    state,
    first,
    *,
    end: int,
    max_length,
    seeds,
    temperature=1.0,
    top_k: int | None = None,
    top_p=None,
    pad: int = 0,
    positions=None,
) -> Decoded:
    """Draws each token from the model's distribution.

    A row's draws depend on its seed and the step alone, so the same seed gives the same answer in any batch.

    Args:
        seeds: int[B], one per row. Give each row a seed of its own: rows with equal seeds draw equal numbers.
        temperature: divides the logits; float, tensor or float[B]. Sampling approaches greedy choice towards 0.
        top_k: draw among the k likeliest tokens only (Fan et al. 2018, https://arxiv.org/abs/1805.04833).
        top_p: draw among the smallest set of them that holds at least this share of the probability; float, tensor or
            float[B]. The likeliest token always stays (Holtzman et al. 2020, section 3.1,
            https://arxiv.org/abs/1904.09751).
        Others: as in `greedy`.
    Returns:
        Decoded; the scores are those of the model, before temperature, top_k and top_p.
    """
    batch = ops.shape(first)[0]
    limit, size = _limits(max_length, batch)
    # Below 1 by more than a rounding error, so that no draw reaches a token of probability 0.
    numbers = draws.uniform(seeds, size) * (1 - 1e-6)  # [size, B]
    temperature = ops.expand_dims(ops.broadcast_to(ops.cast(temperature, "float32"), (batch,)), 1)
    threshold = None if top_p is None else ops.expand_dims(ops.broadcast_to(ops.cast(top_p, "float32"), (batch,)), 1)

    def choose(logits, t):
        values, tokens = logits, None  # None: in the order of the ids
        if top_k is not None or top_p is not None:  # the only cases that need sorting
            count = logits.shape[-1] if top_k is None else min(top_k, logits.shape[-1])
            values, tokens = ops.top_k(logits, count)
        values = values - ops.max(values, axis=-1, keepdims=True)
        chances = ops.exp(values / ops.maximum(temperature, 1e-6))  # not normalised: the draw is scaled instead
        cumulative = ops.cumsum(chances, axis=-1)
        if top_p is not None:
            inside = ops.logical_or(cumulative - chances < threshold * cumulative[:, -1:], ops.arange(count) == 0)
            cumulative = ops.cumsum(chances * ops.cast(inside, chances.dtype), axis=-1)
        draw = ops.expand_dims(ops.take(numbers, t, axis=0), 1) * cumulative[:, -1:]
        index = ops.sum(ops.cast(cumulative <= draw, "int32"), axis=-1)
        index = ops.minimum(index, values.shape[-1] - 1)
        rows = ops.arange(batch, dtype="int32")
        chosen = index if tokens is None else _pick(tokens, rows, index)
        return chosen, _pick(logits, rows, chosen)

    return _roll(step, state, first, choose, end, limit, pad, positions, size=size)


def beam(
    step: Callable,
    state,
    first,
    *,
    end: int,
    max_length,
    beams: int = 5,
    n_best: int = 1,
    length_penalty: float = 1.0,
    pad: int = 0,
    positions=None,
) -> Decoded:
    """Keeps the `beams` best hypotheses at every step; score = log probability / length ** length_penalty.

    A hypothesis is finished when `end` is among its row's `beams` best continuations; it is then set aside for good. A
    row is finished when it has `beams` finished hypotheses, when no open hypothesis can still enter the `n_best`, or at
    `max_length`, where open hypotheses count as finished. (Open hypotheses are equally long, so they are compared by
    probability alone.) The length penalty is the simplest form of Wu et al. 2016, section 7,
    https://arxiv.org/abs/1609.08144.

    Args:
        step: called with N = B * beams tokens, the hypotheses of a row next to each other, and as many rows of state.
        beams: hypotheses per row; 1 is greedy.
        n_best: how many of them to return.
        length_penalty: 0 prefers short answers; 1 compares the mean per token.
        Others: as in `greedy`.
    Returns:
        Decoded with tokens int32[B, n_best, L], lengths and scores [B, n_best], weights float32[B, n_best, L, T],
        sorted and without duplicates. Where fewer than n_best hypotheses exist, the length is 0 and the score ABSENT.
    Raises:
        ValueError: n_best is not between 1 and beams.
    """
    if not 1 <= n_best <= beams:
        raise ValueError(f"n_best must be from 1 to beams ({beams}), got {n_best}.")
    batch = ops.shape(first)[0]
    limit, size = _limits(max_length, batch)
    state = tree.map_structure(lambda leaf: ops.repeat(leaf, beams, axis=0), state)
    rows = ops.expand_dims(ops.arange(batch, dtype="int32"), 1)  # [B, 1]
    start = ops.where(ops.arange(beams) == 0, 0.0, -math.inf)  # only one hypothesis exists at first
    loop = {
        "t": ops.zeros((), "int32"),
        "tokens": ops.repeat(ops.cast(first, "int32"), beams, axis=0),  # [B * beams], the last token of each
        "state": state,
        "open": ops.zeros((batch, 1)) + start,  # [B, beams], log probabilities of the open hypotheses
        "scores": ops.full((batch, beams), -math.inf),  # of finished hypotheses, sorted; -inf: none yet
        "lengths": ops.zeros((batch, beams), "int32"),  # of finished hypotheses
        "parents": ops.zeros((batch, beams), "int32"),  # the slot of a finished hypothesis before its last token
        "done": ops.zeros((batch,), "bool"),
        # The token that each slot wrote at each step, and the slot that it continued. At the end hypotheses are read
        # backwards along these, so the search itself copies none.
        "written": ops.zeros((size, batch, beams), "int32"),
        "came_from": ops.zeros((size, batch, beams), "int32"),
        "last": ops.zeros((batch, beams), "int32"),  # last token of finished hypotheses
    }
    if positions is not None:
        loop["weights"] = ops.zeros((size, batch * beams, positions))

    def body(loop):
        t, new = loop["t"], dict(loop)
        logits, state, weights = step(loop["tokens"], loop["state"])
        if positions is not None:
            new["weights"] = _write(loop["weights"], t, ops.cast(weights, "float32"))
        logits = ops.cast(logits, "float32")  # [B * beams, V]
        values, tokens, normaliser = _best(logits, min(2 * beams, logits.shape[-1]))
        width = values.shape[-1]
        values = ops.reshape(values - normaliser, (-1, beams, width)) + ops.expand_dims(loop["open"], 2)
        # 2 * beams candidates: even if `beams` of them end here, as many stay open.
        count = min(2 * beams, beams * width)
        values, index = ops.top_k(ops.reshape(values, (-1, beams * width)), count)  # [B, count]
        index = ops.cast(index, "int32")
        parents = index // width
        tokens = _pick(ops.reshape(tokens, (-1, beams * width)), rows, index)

        # Only the first `beams` may finish, or a poor ending would beat better hypotheses that are still open.
        ended = tokens == end
        final = ops.expand_dims(t + 1 >= limit, 1)
        finishing = ops.logical_and(ops.logical_or(ended, final), ops.expand_dims(ops.logical_not(loop["done"]), 1))
        length = ops.cast(t + 1, "float32")
        scores = ops.where(finishing, values / length**length_penalty, -math.inf)[:, :beams]
        scores, kept = ops.top_k(ops.concatenate([loop["scores"], scores], axis=1), beams)
        kept = ops.cast(kept, "int32")
        new["scores"] = scores
        lengths = ops.zeros_like(loop["lengths"]) + t + 1
        new["lengths"] = _pick(ops.concatenate([loop["lengths"], lengths], axis=1), rows, kept)
        new["parents"] = _pick(ops.concatenate([loop["parents"], parents[:, :beams]], axis=1), rows, kept)
        new["last"] = _pick(ops.concatenate([loop["last"], tokens[:, :beams]], axis=1), rows, kept)
        done = ops.logical_or(scores[:, -1] > -math.inf, t + 1 >= limit)

        # Continue with the best that have not ended.
        new["open"], kept = ops.top_k(ops.where(ended, -math.inf, values), beams)
        kept = ops.cast(kept, "int32")
        # Longer hypotheses only lose probability. If the best open one could not enter the n_best without losing more,
        # the row is finished.
        hope = new["open"][:, 0] / ops.cast(limit if length_penalty > 0 else t + 2, "float32") ** length_penalty
        new["done"] = ops.logical_or(done, scores[:, n_best - 1] >= hope)
        parents, tokens = _pick(parents, rows, kept), _pick(tokens, rows, kept)
        new["written"] = _write(loop["written"], t, tokens)
        new["came_from"] = _write(loop["came_from"], t, parents)
        new["tokens"] = ops.reshape(tokens, (-1,))
        source = ops.reshape(rows * beams + parents, (-1,))
        # A beam of one always continues itself.
        new["state"] = state if beams == 1 else tree.map_structure(lambda leaf: ops.take(leaf, source, axis=0), state)
        new["t"] = t + 1
        return new

    loop = _repeat(lambda loop: ops.logical_not(ops.all(loop["done"])), body, loop, size)
    scores, lengths = loop["scores"][:, :n_best], loop["lengths"][:, :n_best]

    def back(trace):
        """Reads step t of every hypothesis, and finds its slot before that step."""
        t = trace["t"] - 1
        before = _pick(ops.take(loop["came_from"], t, axis=0), rows, trace["slot"])
        token = _pick(ops.take(loop["written"], t, axis=0), rows, trace["slot"])
        last, inside = t + 1 == lengths, t < lengths
        slot = ops.where(last, loop["parents"][:, :n_best], ops.where(inside, before, trace["slot"]))
        token = ops.where(last, loop["last"][:, :n_best], ops.where(inside, token, pad))
        new = {"t": t, "slot": slot, "tokens": _write(trace["tokens"], t, token)}
        if positions is not None:
            weights = ops.take(ops.take(loop["weights"], t, axis=0), rows * beams + slot, axis=0)  # [B, n_best, T]
            weights = ops.where(ops.expand_dims(inside, 2), weights, 0.0)
            new["weights"] = _write(trace["weights"], t, weights)
        return new

    trace = {
        "t": loop["t"],
        "slot": ops.zeros((batch, n_best), "int32"),
        "tokens": ops.full((size, batch, n_best), pad, dtype="int32"),
    }
    if positions is not None:
        trace["weights"] = ops.zeros((size, batch, n_best, positions))
    trace = _repeat(lambda trace: trace["t"] > 0, back, trace, size)
    return Decoded(
        tokens=ops.transpose(trace["tokens"], (1, 2, 0)),
        lengths=lengths,
        scores=ops.maximum(scores, ABSENT),
        weights=None if positions is None else ops.transpose(trace["weights"], (1, 2, 0, 3)),
    )


def _roll(step, state, first, choose, end, max_length, pad, positions, size=None) -> Decoded:
    """The loop of `greedy` and `sample`, one hypothesis per row; choose(logits, t) → tokens [B], their logits [B]."""
    batch = ops.shape(first)[0]
    limit, size = _limits(max_length, batch) if size is None else (max_length, size)
    loop = {
        "t": ops.zeros((), "int32"),
        "last": ops.cast(first, "int32"),
        "state": state,
        "done": ops.zeros((batch,), "bool"),
        "tokens": ops.full((size, batch), pad, dtype="int32"),
        "lengths": ops.zeros((batch,), "int32"),
        "scores": ops.zeros((batch,), "float32"),
    }
    if positions is not None:
        loop["weights"] = ops.zeros((size, batch, positions))

    def body(loop):
        t, done, new = loop["t"], loop["done"], dict(loop)
        logits, new["state"], weights = step(loop["last"], loop["state"])
        logits = ops.cast(logits, "float32")
        tokens, chosen = choose(logits, t)
        new["last"] = ops.where(done, end, ops.cast(tokens, "int32"))  # not `pad`, which `step` may not know
        new["tokens"] = _write(loop["tokens"], t, ops.where(done, pad, new["last"]))
        new["scores"] = loop["scores"] + ops.where(done, 0.0, chosen - ops.logsumexp(logits, axis=-1))
        new["lengths"] = loop["lengths"] + ops.cast(ops.logical_not(done), "int32")
        if positions is not None:
            weights = ops.where(ops.expand_dims(done, 1), 0.0, ops.cast(weights, "float32"))
            new["weights"] = _write(loop["weights"], t, weights)
        new["done"] = ops.logical_or(done, ops.logical_or(new["last"] == end, t + 1 >= limit))
        new["t"] = t + 1
        return new

    loop = _repeat(lambda loop: ops.logical_not(ops.all(loop["done"])), body, loop, size)
    weights = None if positions is None else ops.transpose(loop["weights"], (1, 0, 2))
    return Decoded(ops.transpose(loop["tokens"]), loop["lengths"], loop["scores"], weights)


def _repeat(condition, body, loop: dict, most) -> dict:
    """`while_loop` over one nested structure, at most `most` times, so it ends whatever `condition` says."""

    def shaped(new, old):  # TensorFlow's loop refuses a batch size that is known outside and lost inside
        return new if tuple(new.shape) == tuple(old.shape) else ops.reshape(new, ops.shape(old))

    def once(loop):
        return (tree.map_structure(shaped, body(loop), loop),)

    return ops.while_loop(condition, once, (loop,), maximum_iterations=most)[0]


def _limits(max_length, batch):
    """max_length as int32[B], at least 1, and the largest of them: the length of the arrays."""
    if isinstance(max_length, int):
        size = max(max_length, 1)
        return ops.full((batch,), size, dtype="int32"), size
    limit = ops.maximum(ops.broadcast_to(ops.cast(max_length, "int32"), (batch,)), 1)
    size = ops.max(limit)
    return limit, int(size) if keras.backend.backend() == "jax" else size


def _write(record, t, entry):
    """record[t] = entry. Not by ops.slice_update, which is an XLA operation on TensorFlow: no stock server runs it."""
    return ops.scatter_update(record, ops.reshape(t, (1, 1)), ops.expand_dims(entry, 0))


def _pick(values, rows, index):
    """values[row, index] of values [B, W]; rows and index are int[B], or int[B, 1] and int[B, K]."""
    return ops.take(ops.reshape(values, (-1,)), rows * values.shape[-1] + index)


def _best(logits, count: int):
    """The `count` largest logits of each row.

    Works in two stages, because the `count` largest entries lie in the `count` blocks with the largest maxima. On
    [320, 6000] this takes half the time of a single top_k.

    Args:
        logits: float[N, V].
    Returns:
        values float[N, count], their ids int32[N, count], and logsumexp(logits) float[N, 1].
    """
    width = logits.shape[-1]
    block = next((size for size in range(24, 65) if width % size == 0), 32)
    rows = ops.expand_dims(ops.arange(ops.shape(logits)[0], dtype="int32"), 1)
    if width < 2 * count * block:  # small vocabulary: the blocks would save nothing
        values, tokens = ops.top_k(logits, count)
        tokens = ops.cast(tokens, "int32")
    else:
        blocks = -(-width // block)
        padded = ops.pad(logits, ((0, 0), (0, blocks * block - width)), constant_values=-math.inf)
        padded = ops.reshape(padded, (-1, block))  # [N * blocks, block]
        _, chosen = ops.top_k(ops.reshape(ops.max(padded, axis=-1), (-1, blocks)), count)  # [N, count]
        chosen = ops.sort(ops.cast(chosen, "int32"), axis=-1)  # in order, so that the smallest id wins among equals
        pool = ops.reshape(ops.take(padded, rows * blocks + chosen, axis=0), (-1, count * block))
        values, index = ops.top_k(pool, count)
        index = ops.cast(index, "int32")
        tokens = _pick(chosen, rows, index // block) * block + index % block
    # logsumexp = the largest logit less its log probability. One softmax is faster than the four operations of exp,
    # sum and log.
    return values, tokens, values[:, :1] - ops.log(_pick(ops.softmax(logits), rows, tokens[:, :1]))


def best(
    cfg: Any,
    decoder: Any,
    memory: Any,
    keep_mask: Any,
    *,
    tokens: Any,
    max_length: Any,
    n_best: int = 1,
    never: Sequence[int] = (),
) -> Decoded:
    """The answers of an attention decoder over a padded memory, found by beam search.

    Args:
        cfg: options with `beams` and `length_penalty`.
        decoder: a `layers.AttentionDecoder`.
        memory: float[B, T, M], the encoder's outputs.
        keep_mask: bool[B, T], True where `memory` is real.
        tokens: the vocabulary that is written; its `start` and `end` frame an answer.
        never: ids that are never written.
        max_length, n_best: as in `beam`.
    """
    step = decoder.stepper(memory, keep_mask)
    return beam(
        without(step, never) if never else step,
        decoder.start(memory, keep_mask),
        ops.full((ops.shape(memory)[0],), tokens.start, dtype="int32"),
        end=tokens.end,
        max_length=max_length,
        beams=cfg.beams,
        n_best=n_best,
        length_penalty=cfg.length_penalty,
        positions=ops.shape(memory)[1],
    )
