"""The fast path, for TensorFlow on a CPU in float32: loops over time, forward and backward.

The order of work differs from Keras' loop. One product projects the input of all steps before the loop. The forward
loop keeps only the states. The backward loop carries only the gradients of the state and of the gates, and one product
over all steps after it gives the gradients of the weights. For a narrow LSTM outside XLA the stock operation
`BlockLSTMV2` is the loop.
"""

import functools

import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # not public; TensorFlow's own loops ask it about XLA

from zoo.layers.recurrent.steps import KINDS


def run_in_halves(kind, x, states, mask, weights, *, go_backwards, training, compiled):
    """`run`, with the batch as two halves side by side on two cores.

    In inference outside XLA, batches of fewer than 16 rows stay whole: splitting costs them more than it gains.
    """
    options = {"go_backwards": go_backwards, "training": training, "compiled": compiled}

    def part(x, *rest):
        *states, rows_mask = rest if mask is not None else (*rest, None)
        return run(kind, x, states, rows_mask, weights, **options)

    def halves():
        sizes = [rows // 2, rows - rows // 2]
        outputs, states = zip(*map(part, *(tf.split(whole, sizes) for whole in given)), strict=True)
        return tf.concat(outputs, axis=0), [tf.concat(pair, axis=0) for pair in zip(*states, strict=True)]

    rows, given = tf.shape(x)[0], (x, *states, *(() if mask is None else (mask,)))
    return halves() if training or compiled else tf.cond(rows >= 16, halves, lambda: part(*given))


def run(kind, x, states, mask, weights, *, go_backwards, training, compiled):
    """Runs one direction of a recurrent layer.

    Args:
        kind: a key of `KINDS`.
        x: float32[B, T, I].
        states: h, and for an LSTM c, each float32[B, units].
        mask: bool[B, T], True = real step; right-padded with at least one real step per row, or None.
        weights: kernel, recurrent kernel, bias.
        training: whether the forward loop keeps the values that the gradient needs.
        compiled: whether XLA compiles the loop.
    Returns:
        outputs float32[B, T, units] in the order of computation, arbitrary but finite on padding, and the final states.
    """
    if mask is None:
        x = tf.reverse(x, [1]) if go_backwards else x
        lengths = None
    else:
        mask = tf.cast(mask, tf.bool)
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        x = tf.where(mask[:, :, None], x, 0.0)  # padding may hold NaN, which must not reach a gradient
        x = tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0) if go_backwards else x
    weights = [tf.identity(w) for w in weights]  # a custom gradient takes tensors, not variables
    x = tf.transpose(x, [1, 0, 2])  # [T, B, I]
    # BlockLSTMV2 spends little per step but multiplies slowly: from 128 units on the other loop is faster.
    if kind == "lstm" and weights[1].shape[0] < 128 and not (compiled or _inside_xla()):
        every = _block_lstm(x, states, *weights)
    else:
        every = _loop(kind, x, states, *weights, training=training, compiled=compiled)
    # `every`: the states after every step, each [T, B, units]
    if lengths is None:
        last = [s[-1] for s in every]
    else:  # with right padding, the steps after the end of a row change nothing that is read
        index = tf.stack([lengths - 1, tf.range(tf.shape(lengths)[0])], axis=1)
        last = [tf.gather_nd(s, index) for s in every]
    return tf.transpose(every[0], [1, 0, 2]), last


def pad_like_keras(last, outputs, mask, go_backwards, zero_output_for_mask):
    """Fills the padded steps of `outputs` as Keras does.

    Forward: the last output again, or zeros. Backward: zeros, and they come first.

    Returns:
        `last` unchanged and the outputs float32[B, T, units].
    """
    if mask is None:
        return last, outputs
    mask = tf.cast(mask, tf.bool)
    keep = mask[:, :, None]
    if go_backwards:  # [c b a . .] → [. . c b a]
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        outputs = tf.reverse_sequence(tf.where(keep, outputs, 0.0), lengths, seq_axis=1, batch_axis=0)
        return last, tf.reverse(outputs, [1])
    return last, tf.where(keep, outputs, 0.0 if zero_output_for_mask else last[:, None])


def _inside_xla() -> bool:
    """True while a function with jit_compile=True is traced: BlockLSTMV2 has no XLA kernel."""
    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def _block_lstm(x, states, kernel, recurrent, bias):
    """An LSTM over float[T, B, I] by the stock operation BlockLSTMV2; its order of the gates is Keras' own."""

    @tf.custom_gradient  # TensorFlow's own gradient of BlockLSTMV2 assumes an older order of the gates and is wrong
    def core(x, h0, c0, w, bias):
        zero = tf.zeros_like(bias[: bias.shape[0] // 4])
        steps = tf.cast(tf.shape(x)[0], tf.int64)
        peepholes = {"wci": zero, "wcf": zero, "wco": zero}
        common = {"seq_len_max": steps, "x": x, "cs_prev": c0, "h_prev": h0, "w": w, "b": bias, **peepholes}
        out = tf.raw_ops.BlockLSTMV2(**common, cell_clip=0.0, use_peephole=False)

        def grad(dh, dc):
            g = tf.raw_ops.BlockLSTMGradV2(**common, **out._asdict(), cs_grad=dc, h_grad=dh, use_peephole=False)
            # For a batch without rows the operation leaves the gradients of the weights unset.
            of_weights = (tf.where(tf.shape(x)[1] > 0, part, 0.0) for part in (g.w_grad, g.b_grad))
            return g.x_grad, g.h_prev_grad, g.cs_prev_grad, *of_weights

        return (out.h, out.cs), grad

    return core(x, *states, tf.concat([kernel, recurrent], axis=0), bias)


def _loop(kind, x, states, kernel, recurrent, bias, *, training, compiled):
    """Any kind of layer over float[T, B, I], as a loop of stock operations.

    Returns:
        a list of the states after every step, each float[T, B, units].
    """
    steps, units = tf.shape(x)[0], recurrent.shape[0]
    half = tf.repeat([1.0 if gate == "tanh" else 0.5 for gate in KINDS[kind].gates], units)  # see steps.py
    kernel, recurrent, bias = kernel * half, recurrent * half, bias * half
    inner_bias = bias[1] if kind == "gru" else tf.zeros_like(bias)
    projected = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel) + (bias[0] if kind == "gru" else bias)
    projected = tf.reshape(projected, [steps, -1, recurrent.shape[1]])  # [T, B, gates * units]
    forward, forward_and_keep, backward = _passes(kind, compiled)
    if compiled and kind == "gru":  # XLA recomputes gates wherever they are used, unless they are written
        forward = forward_and_keep

    @tf.custom_gradient
    def core(xp, recurrent, inner_bias, *first):
        every, kept = (forward_and_keep if training else forward)(xp, recurrent, inner_bias, *first)

        def grad(*upstream):
            # A gradient of a call with training=False has no kept values and runs the loop a second time.
            values = kept if training else forward_and_keep(xp, recurrent, inner_bias, *first)[1]
            before = [tf.concat([f[None], s[:-1]], axis=0) for f, s in zip(first, every, strict=True)]
            d_xp, d_inner, d_first = backward(recurrent, values, before, every, upstream)
            flat = tf.reshape(d_inner, [-1, recurrent.shape[1]])
            d_recurrent = tf.matmul(tf.reshape(before[0], [-1, units]), flat, transpose_a=True)
            return d_xp, d_recurrent, tf.reduce_sum(flat, axis=0), *d_first

        return tuple(every), grad

    return core(projected, recurrent, inner_bias, *states)


@functools.cache
def _passes(kind, compiled):
    """The three loops of a kind: forward, forward that keeps values for the gradient, backward.

    The compiled ones are the same functions for all layers, so that XLA compiles each shape once.
    """
    parts = KINDS[kind]

    def forward(keep, xp, recurrent, inner_bias, *first):
        """→ the states after every step and the kept values of every step, each float[T, B, units or more]."""
        steps = tf.shape(xp)[0]
        sizes = [recurrent.shape[0] * width for width in (*(1 for _ in first), *(parts.kept if keep else ()))]

        def body(t, states, written):
            states, kept = parts.step(xp[t], tf.matmul(states[0], recurrent) + inner_bias, *states)
            values = (*states, *kept) if keep else states
            return t + 1, states, tuple(w.write(t, v) for w, v in zip(written, values, strict=True))

        written = tuple(_array(xp, steps, size) for size in sizes)
        _, _, written = tf.while_loop(lambda t, *_: t < steps, body, (0, first, written), maximum_iterations=steps)
        stacked = [w.stack() for w in written]
        return stacked[: len(first)], stacked[len(first) :]

    def backward(recurrent, kept, before, after, upstream):
        """→ the gradients of xp, of the product that is added to it, and of the first states."""
        steps, units = tf.shape(before[0])[0], recurrent.shape[0]
        arrays = (kept, before, after), tuple(upstream)
        transposed = tf.transpose(recurrent)  # once: a product with transpose_b=True would do it at every step

        def body(t, carried, written):
            given, up = tf.nest.map_structure(lambda a: a[t], arrays)
            d = [c + u for c, u in zip(carried, up, strict=True)]
            d_gates, carried = parts.back(*given, *d)
            carried = (carried[0] + tf.matmul(d_gates[-1], transposed), *carried[1:])
            return t - 1, carried, tuple(w.write(t, v) for w, v in zip(written, d_gates, strict=True))

        zeros = tuple(tf.zeros_like(b[0]) for b in before)
        written = tuple(_array(before[0], steps, units * width) for width in parts.gradients)
        start = (steps - 1, zeros, written)
        _, carried, written = tf.while_loop(lambda t, *_: t >= 0, body, start, maximum_iterations=steps)
        *d_candidate, d_inner = (w.stack() for w in written)
        d_xp = tf.concat([d_inner[..., : 2 * units], *d_candidate], axis=-1) if d_candidate else d_inner
        return d_xp, d_inner, carried

    passes = (functools.partial(forward, False), functools.partial(forward, True), backward)
    return [tf.function(f, jit_compile=True, autograph=False) for f in passes] if compiled else passes


def _array(like, steps, size):
    return tf.TensorArray(like.dtype, steps, element_shape=(like.shape[1], size))
