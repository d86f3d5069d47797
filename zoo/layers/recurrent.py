"""LSTM, GRU, SimpleRNN and Bidirectional: drop-ins for the Keras layers of those names, faster on a CPU.

Same weights, same mathematics, same outputs, states and gradients for right-padded input. What changes is the order of
work: the input projection of all steps is one product before the loop; the forward loop keeps only the states; the
backward loop only carries the state's gradient, and everything else (gates, derivatives, weight gradients) is computed
for all steps at once, outside the loop. For a narrow LSTM outside XLA the stock operation `BlockLSTMV2` is the loop.

`recurrent_path` is the one place that chooses: "cudnn" on a TensorFlow GPU, "fast" on a TensorFlow CPU, else "keras".
Measured by benchmarks/recurrent.py
Source: LSTM, Hochreiter and Schmidhuber 1997; GRU with the reset gate after the product, as in cuDNN,
Cho et al. 2014, https://arxiv.org/abs/1406.1078v1
"""

from collections.abc import Callable

import keras

_jit = False


def set_jit(enabled: bool) -> None:
    """Says whether training steps traced from now on compile the recurrent loops with XLA; off at import.

    A compiled loop costs 1–4 s once per shape, so it pays in long runs with few shapes. Inference is never compiled, so
    an exported graph holds stock operations only. Not saved with any layer; without effect off the "fast" path.
    """
    global _jit
    _jit = bool(enabled)


def get_jit() -> bool:
    """What `set_jit` last said."""
    return _jit


def recurrent_path(layer: keras.layers.RNN) -> str:
    """Names how `layer` computes: "cudnn" or "keras" (both are Keras' own code) or "fast" (the code below)."""
    if keras.config.backend() != "tensorflow":
        return "keras"
    cell = layer.cell
    usual = (
        cell.activation is keras.activations.tanh
        and getattr(cell, "recurrent_activation", keras.activations.sigmoid) is keras.activations.sigmoid
        and getattr(cell, "reset_after", True)
        and cell.use_bias
        and not (cell.dropout or cell.recurrent_dropout or layer.stateful or layer.unroll)
    )
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        return "cudnn" if usual and getattr(layer, "use_cudnn", False) else "keras"
    return "fast" if usual and layer.compute_dtype == layer.variable_dtype == "float32" else "keras"


class _Fast(keras.layers.RNN):
    """Puts the fast path before Keras' own `inner_loop`. Subclasses name their `_kind`."""

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Runs the recurrence.

        Call arguments:
            sequences:     float[B, T, I].
            initial_state: list of float[B, units], h and for LSTM c.
            mask:          bool[B, T], True = real; right-padded with at least one real step per row, or None.
        Returns:
            last output float[B, units], outputs float[B, T, units] (in the order computed: last step first for
            `go_backwards`), list of final states float[B, units].
        """
        if recurrent_path(self) != "fast":
            return super().inner_loop(sequences, initial_state, mask, training=training)
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        compiled = _jit and bool(training)
        outputs, states = _run(self._kind, sequences, states, mask, weights, self.go_backwards, compiled=compiled)
        last, outputs = _keras_padding(states[0], outputs, mask, self.go_backwards, self.zero_output_for_mask)
        return last, outputs, states


@keras.saving.register_keras_serializable("zoo")
class LSTM(_Fast, keras.layers.LSTM):
    """`keras.layers.LSTM` with the fast path; arguments, weights and results are the same."""

    _kind = "lstm"


@keras.saving.register_keras_serializable("zoo")
class GRU(_Fast, keras.layers.GRU):
    """`keras.layers.GRU` with the fast path; arguments, weights and results are the same."""

    _kind = "gru"


@keras.saving.register_keras_serializable("zoo")
class SimpleRNN(_Fast, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` with the fast path; arguments, weights and results are the same."""

    _kind = "simple"


@keras.saving.register_keras_serializable("zoo")
class Bidirectional(keras.layers.Bidirectional):
    """`keras.layers.Bidirectional`; the two directions share no operation, so TensorFlow runs them side by side."""


def _run(kind, x, states, mask, weights, go_backwards, *, compiled):
    """Outputs float[B, T, units] in computing order, padded steps arbitrary but finite, and the final states."""
    import tensorflow as tf

    if mask is None:
        x = tf.reverse(x, [1]) if go_backwards else x
        lengths = None
    else:
        mask = tf.cast(mask, tf.bool)
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        x = tf.where(mask[:, :, None], x, 0.0)  # whatever stands in the padding, NaN too, must not reach a gradient
        x = tf.reverse_sequence(x, lengths, seq_axis=1, batch_axis=0) if go_backwards else x
    weights = [tf.identity(keras.ops.convert_to_tensor(w)) for w in weights]  # a custom gradient wants tensors
    xla = compiled or _inside_xla()
    # BlockLSTMV2 spends little per step but multiplies slowly: at 128 units the plain loop passes it.
    core = _block_lstm if kind == "lstm" and weights[1].shape[0] < 128 and not xla else _loop
    if compiled and not _inside_xla():
        core = tf.function(core, jit_compile=True, autograph=False)
    every = core(kind, tf.transpose(x, [1, 0, 2]), states, *weights)  # states after every step, each [T, B, units]
    if lengths is None:
        last = [s[-1] for s in every]
    else:  # right padding: the steps after a row's end change nothing that is read
        index = tf.stack([lengths - 1, tf.range(tf.shape(lengths)[0])], axis=1)
        last = [tf.gather_nd(s, index) for s in every]
    return tf.transpose(every[0], [1, 0, 2]), last


def _keras_padding(last, outputs, mask, go_backwards, zero_output_for_mask):
    """Fills the padded steps as Keras does: the last output again, or zeros; backwards they come first, as zeros."""
    if mask is None:
        return last, outputs
    import tensorflow as tf

    mask = tf.cast(mask, tf.bool)
    keep = mask[:, :, None]
    if go_backwards:  # [c b a . .] → [. . c b a]
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        outputs = tf.reverse_sequence(tf.where(keep, outputs, 0.0), lengths, seq_axis=1, batch_axis=0)
        return last, tf.reverse(outputs, [1])
    return last, tf.where(keep, outputs, 0.0 if zero_output_for_mask else last[:, None])


def _inside_xla() -> bool:
    """True while a function with jit_compile=True is traced: BlockLSTMV2 has no XLA kernel."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util  # no public name; TensorFlow's own loops ask the same way

    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def _block_lstm(kind, x, states, kernel, recurrent, bias):
    """LSTM over float[T, B, I] by the fused stock operation; its gate order i, f, c, o is Keras' own."""
    import tensorflow as tf

    @tf.custom_gradient  # TensorFlow registers the gradient of the older gate order for BlockLSTMV2: wrong gradients
    def core(x, h0, c0, w, bias):
        zero = tf.zeros_like(bias[: bias.shape[0] // 4])
        steps = tf.cast(tf.shape(x)[0], tf.int64)
        peepholes = {"wci": zero, "wcf": zero, "wco": zero}
        common = {"seq_len_max": steps, "x": x, "cs_prev": c0, "h_prev": h0, "w": w, "b": bias, **peepholes}
        out = tf.raw_ops.BlockLSTMV2(**common, cell_clip=0.0, use_peephole=False)

        def grad(dh, dc):
            g = tf.raw_ops.BlockLSTMGradV2(**common, **out._asdict(), cs_grad=dc, h_grad=dh, use_peephole=False)
            return g.x_grad, g.h_prev_grad, g.cs_prev_grad, g.w_grad, g.b_grad

        return (out.h, out.cs), grad

    return core(x, *states, tf.concat([kernel, recurrent], axis=0), bias)


def _loop(kind, x, states, kernel, recurrent, bias):
    """Any of the three over float[T, B, I] as a loop of stock operations, for XLA or the plain graph.

    Returns a list of the states after every step, each float[T, B, units].
    """
    import tensorflow as tf

    steps, units = tf.shape(x)[0], recurrent.shape[0]
    inner_bias = bias[1] if kind == "gru" else tf.zeros_like(bias)
    width = x.shape[-1]
    projected = tf.matmul(tf.reshape(x, [-1, width]), kernel) + (bias[0] if kind == "gru" else bias)
    projected = tf.reshape(projected, [steps, -1, recurrent.shape[1]])

    @tf.custom_gradient
    def core(xp, recurrent, inner_bias, *first):
        def body(t, states, kept):
            _, states = _STEPS[kind](tf, xp_steps.read(t), tf.matmul(states[0], recurrent) + inner_bias, *states)
            return t + 1, states, tuple(k.write(t, s) for k, s in zip(kept, states, strict=True))

        xp_steps = _unstack(tf, xp)
        kept = tuple(_array(tf, s, steps) for s in first)
        _, _, kept = tf.while_loop(lambda t, *_: t < steps, body, (0, tuple(first), kept), maximum_iterations=steps)
        every = [k.stack() for k in kept]

        def grad(*upstream):
            before = [tf.concat([f[None], s[:-1]], axis=0) for f, s in zip(first, every, strict=True)]
            flat_before = tf.reshape(before[0], [-1, units])
            inner = tf.reshape(tf.matmul(flat_before, recurrent), tf.shape(xp)) + inner_bias
            factors, _ = _STEPS[kind](tf, xp, inner, *before)
            arrays = [_unstack(tf, a) for a in factors]
            transposed = tf.transpose(recurrent)  # once: a product with transpose_b=True turns it at every step
            ups = [_unstack(tf, a) for a in upstream]

            def body(t, carried, kept):
                d = [c + u.read(t) for c, u in zip(carried, ups, strict=True)]
                d, d_inner, carried = _BACK[kind](tf, [a.read(t) for a in arrays], *d)
                carried = (carried[0] + tf.matmul(d_inner, transposed), *carried[1:])
                return t - 1, carried, tuple(k.write(t, v) for k, v in zip(kept, (d_inner, d), strict=True))

            zeros = tuple(tf.zeros_like(f) for f in first)
            start = (steps - 1, zeros, (_array(tf, xp[0], steps), _array(tf, first[0], steps)))
            _, carried, kept = tf.while_loop(lambda t, *_: t >= 0, body, start, maximum_iterations=steps)
            d_inner, d = (k.stack() for k in kept)
            flat = tf.reshape(d_inner, [-1, recurrent.shape[1]])
            d_recurrent = tf.matmul(flat_before, flat, transpose_a=True)
            d_xp = tf.concat([d_inner[..., : 2 * units], d * factors[2]], axis=-1) if kind == "gru" else d_inner
            return d_xp, d_recurrent, tf.reduce_sum(flat, axis=0), *carried

        return tuple(every), grad

    return core(projected, recurrent, inner_bias, *states)


def _unstack(tf, a):
    return tf.TensorArray(a.dtype, tf.shape(a)[0], element_shape=a.shape[1:]).unstack(a)


def _array(tf, like, steps):
    return tf.TensorArray(like.dtype, steps, element_shape=like.shape)


# One step forward: (projected input, inner = h @ recurrent + inner bias, states) → (factors, new states). It works on
# one step in the loop and on all steps at once in the backward pass, whose loop multiplies by the factors and no more.


def _lstm_step(tf, xp, inner, h, c):
    i, f, g, o = tf.split(xp + inner, 4, axis=-1)
    i, f, g, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)
    new = f * c + i * g
    squashed = tf.tanh(new)
    gates = [g * i * (1 - i), c * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)]
    return (tf.concat(gates, axis=-1), o * (1 - squashed * squashed), f), (o * squashed, new)


def _lstm_back(tf, factors, dh, dc):
    gates, through, forget = factors
    dc += dh * through
    return dh, tf.concat([dc, dc, dc, dh], axis=-1) * gates, (tf.zeros_like(dh), dc * forget)


def _gru_step(tf, xp, inner, h):
    xz, xr, xh = tf.split(xp, 3, axis=-1)
    iz, ir, ih = tf.split(inner, 3, axis=-1)
    z, r = tf.sigmoid(xz + iz), tf.sigmoid(xr + ir)
    candidate = tf.tanh(xh + r * ih)
    to_candidate = (1 - z) * (1 - candidate * candidate)
    gates = [(h - candidate) * z * (1 - z), to_candidate * ih * r * (1 - r), to_candidate * r]
    return (tf.concat(gates, axis=-1), z, to_candidate), (z * h + (1 - z) * candidate,)


def _gru_back(tf, factors, dh):
    gates, update, _ = factors
    return dh, tf.concat([dh, dh, dh], axis=-1) * gates, (dh * update,)


def _simple_step(tf, xp, inner, h):
    new = tf.tanh(xp + inner)
    return (1 - new * new,), (new,)


def _simple_back(tf, factors, dh):
    return dh, dh * factors[0], (tf.zeros_like(dh),)


_STEPS: dict[str, Callable] = {"lstm": _lstm_step, "gru": _gru_step, "simple": _simple_step}
_BACK: dict[str, Callable] = {"lstm": _lstm_back, "gru": _gru_back, "simple": _simple_back}
