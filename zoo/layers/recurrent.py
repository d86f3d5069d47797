"""LSTM, GRU, SimpleRNN and Bidirectional: drop-ins for the Keras layers of those names, faster on a CPU.

Same weights, same mathematics, same outputs, states and gradients for right-padded input. What changes is the order of
work: the input projection of all steps is one product before the loop; the forward loop keeps only the states; the
backward loop only carries the state's gradient and the gates', and the weight gradients are one product over all steps
after it. For a narrow LSTM outside XLA the stock operation `BlockLSTMV2` is the loop. A loop keeps one core busy: a
single direction runs its batch as two halves, side by side, as the two directions of `Bidirectional` run.

`recurrent_path` is the one place that chooses: "cudnn" on a GPU (with JAX an LSTM only: JAX offers no other), "fast" on
a CPU with TensorFlow, else "keras".
Measured by `make bench`
Source: LSTM, Hochreiter and Schmidhuber 1997; GRU with the reset gate after the product, as in cuDNN,
Cho et al. 2014, https://arxiv.org/abs/1406.1078v1
"""

import functools
import os
import warnings
from collections.abc import Callable

import keras

_jit = {"training": False, "inference": False}
_plain = False


def set_jit(training: bool, *, inference: bool = False) -> None:
    """Says which recurrent loops traced from now on XLA compiles; none at import.

    A compiled loop costs about a second once per shape, which pays in long runs with few shapes. What is traced for
    `inference` while it is compiled is not for export: a server should find stock operations only. Not saved with any
    layer; without effect off the "fast" path.
    """
    _jit.update(training=bool(training), inference=bool(inference))


def get_jit(training: bool = True) -> bool:
    """What `set_jit` last said of training, or of inference."""
    return _jit["training" if training else "inference"]


def set_plain(enabled: bool) -> None:
    """Says whether layers traced from now on take Keras' path: its operations are those that other formats have too."""
    global _plain
    _plain = bool(enabled)


def recurrent_path(layer: keras.layers.RNN) -> str:
    """Names how `layer` computes: "cudnn" or "fast", or "keras", which is Keras' own loop."""
    backend = keras.config.backend()
    if backend not in ("tensorflow", "jax") or _plain:
        return "keras"
    unusual, float32 = _unusual(layer), layer.compute_dtype == layer.variable_dtype == "float32"
    if _on_gpu():
        if not unusual and not getattr(layer, "use_cudnn", False):
            unusual = type(layer).__name__ + (" with use_cudnn=False" if hasattr(layer, "use_cudnn") else "")
        if not unusual and backend == "jax":
            unusual = _not_in_jax(layer, float32)
        if unusual:
            _warn(layer.name, unusual)
        return "keras" if unusual else "cudnn"
    return "fast" if backend == "tensorflow" and not unusual and float32 else "keras"


def _on_gpu() -> bool:
    if keras.config.backend() == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))


def _not_in_jax(layer: keras.layers.RNN, float32: bool) -> str | None:
    """What JAX' cuDNN call cannot do; None if it can all."""
    import jax

    causes = {
        f"{type(layer).__name__} with JAX": not isinstance(layer, keras.layers.LSTM),
        f"{layer.compute_dtype} with JAX": not float32,
        "one computation on several devices with JAX": jax.device_count() > 1,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


def _unusual(layer: keras.layers.RNN) -> str | None:
    """What neither cuDNN nor the fast path computes; None if there is nothing."""
    cell = layer.cell
    gate = getattr(cell, "recurrent_activation", keras.activations.sigmoid)
    causes = {
        f"activation={cell.activation.__name__}": cell.activation is not keras.activations.tanh,
        f"recurrent_activation={gate.__name__}": gate is not keras.activations.sigmoid,
        "reset_after=False": not getattr(cell, "reset_after", True),
        "use_bias=False": not cell.use_bias,
        f"dropout={cell.dropout}": cell.dropout,
        f"recurrent_dropout={cell.recurrent_dropout}": cell.recurrent_dropout,
        "stateful=True": layer.stateful,
        "unroll=True": layer.unroll,
    }
    return next((cause for cause, holds in causes.items() if holds), None)


@functools.cache
def _warn(name: str, cause: str) -> None:
    """Once for each layer and cause."""
    warnings.warn(f"{name}: {cause} is not for cuDNN; on this GPU it is computed step by step", stacklevel=3)


class _Fast(keras.layers.RNN):
    """Puts the fast path before Keras' own `inner_loop`. Subclasses name their `_kind`."""

    _paired = False  # is it one of two directions?

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
        path = recurrent_path(self)
        masked_on_jax = path == "cudnn" and keras.config.backend() == "jax" and mask is not None
        if path != "fast" and not masked_on_jax:
            return super().inner_loop(sequences, initial_state, mask, training=training)
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        weights = (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        if masked_on_jax:
            return _cudnn_on_jax(sequences, states, mask, weights, self.go_backwards, self.zero_output_for_mask)
        run = _run if self._paired or cores() == 1 or sequences.shape[0] == 1 else _run_alone
        outputs, states = run(self._kind, sequences, states, mask, weights, self.go_backwards, bool(training))
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

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.forward_layer._paired = self.backward_layer._paired = True


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run_alone(kind, x, states, mask, weights, go_backwards, training):
    """`_run` in two halves of the rows, side by side; a served batch only where it has enough of them."""
    import tensorflow as tf

    def part(x, *rest):
        *states, rows_mask = rest if mask is not None else (*rest, None)
        return _run(kind, x, states, rows_mask, weights, go_backwards, training)

    def halves():
        sizes = [rows // 2, rows - rows // 2]
        outputs, states = zip(*map(part, *(tf.split(whole, sizes) for whole in given)), strict=True)
        return tf.concat(outputs, axis=0), [tf.concat(pair, axis=0) for pair in zip(*states, strict=True)]

    rows, given = tf.shape(x)[0], (x, *states, *(() if mask is None else (mask,)))
    return halves() if training or get_jit(training) else tf.cond(rows >= 16, halves, lambda: part(*given))


def _run(kind, x, states, mask, weights, go_backwards, training):
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
    x = tf.transpose(x, [1, 0, 2])
    compiled = get_jit(training)
    # BlockLSTMV2 spends little per step but multiplies slowly: at 128 units the plain loop passes it.
    if kind == "lstm" and weights[1].shape[0] < 128 and not (compiled or _inside_xla()):
        every = _block_lstm(x, states, *weights)
    else:  # states after every step, each [T, B, units]
        every = _loop(kind, x, states, *weights, training=training, compiled=compiled)
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


def _cudnn_on_jax(x, states, mask, weights, go_backwards, zero_output_for_mask):
    """An LSTM over the real steps of float[B, T, I], as `inner_loop` returns it.

    Keras leaves cuDNN as soon as there is a mask; right padding is all that cuDNN needs to know, as lengths.
    """
    import jax.numpy as jnp
    from jax.experimental import rnn

    kernel, recurrent, bias = (jnp.asarray(keras.ops.convert_to_tensor(w)) for w in weights)
    lengths, steps = jnp.sum(mask, axis=1, dtype="int32"), jnp.arange(x.shape[1])

    def backwards(a):  # [a b c . .] → [c b a . .]
        return jnp.take_along_axis(a, ((lengths[:, None] - 1 - steps) % x.shape[1])[:, :, None], axis=1)

    gates = [w.T.ravel() for w in (kernel, recurrent)]  # in cuDNN's order, which is Keras' own
    packed = jnp.concatenate([*gates, bias, jnp.zeros_like(bias)])  # cuDNN has a second bias
    sizes = {"input_size": kernel.shape[0], "hidden_size": recurrent.shape[0], "num_layers": 1}
    outputs, *last = rnn.lstm(
        backwards(x) if go_backwards else x,
        *(state[None] for state in states), packed, lengths, **sizes, dropout=0.0, bidirectional=False,
    )  # fmt: skip
    last, keep = [state[0] for state in last], mask[:, :, None]
    if go_backwards:  # [c b a . .] → [. . c b a]
        return last[0], jnp.flip(jnp.where(keep, backwards(outputs), 0.0), 1), last
    return last[0], jnp.where(keep, outputs, 0.0 if zero_output_for_mask else last[0][:, None]), last


def _inside_xla() -> bool:
    """True while a function with jit_compile=True is traced: BlockLSTMV2 has no XLA kernel."""
    import tensorflow as tf
    from tensorflow.python.ops import control_flow_util  # no public name; TensorFlow's own loops ask the same way

    return bool(control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()))


def _block_lstm(x, states, kernel, recurrent, bias):
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
            of_weights = (tf.where(tf.shape(x)[1] > 0, part, 0.0) for part in (g.w_grad, g.b_grad))  # else not set
            return g.x_grad, g.h_prev_grad, g.cs_prev_grad, *of_weights

        return (out.h, out.cs), grad

    return core(x, *states, tf.concat([kernel, recurrent], axis=0), bias)


def _loop(kind, x, states, kernel, recurrent, bias, *, training, compiled):
    """Any of the three over float[T, B, I] as a loop of stock operations, for XLA or the plain graph.

    Returns a list of the states after every step, each float[T, B, units].
    """
    import tensorflow as tf

    steps, units = tf.shape(x)[0], recurrent.shape[0]
    # sigmoid(v) = tanh(v / 2) / 2 + 1 / 2: halved here, a gate costs a tanh. XLA's sigmoid takes three times as long.
    half = tf.repeat([1.0 if gate == "tanh" else 0.5 for gate in _GATES[kind]], units)
    kernel, recurrent, bias = kernel * half, recurrent * half, bias * half
    inner_bias = bias[1] if kind == "gru" else tf.zeros_like(bias)
    projected = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), kernel) + (bias[0] if kind == "gru" else bias)
    projected = tf.reshape(projected, [steps, -1, recurrent.shape[1]])
    forward, forward_and_keep, backward = _passes(kind, compiled)
    if compiled and kind == "gru":  # gates that are not written XLA computes anew wherever they are used
        forward = forward_and_keep

    @tf.custom_gradient
    def core(xp, recurrent, inner_bias, *first):
        every, kept = (forward_and_keep if training else forward)(xp, recurrent, inner_bias, *first)

        def grad(*upstream):
            # Who differentiates what was not run for training pays for the loop twice.
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
    """The loops: forward, forward that keeps what the gradient needs, backward.

    Compiled, they are the same functions for all layers, so that XLA sees each shape once.
    """
    import tensorflow as tf

    step, back = _PARTS[kind]

    def forward(keep, xp, recurrent, inner_bias, *first):
        """→ the states after every step and what is kept of every step, each float[T, B, units or more]."""
        steps = tf.shape(xp)[0]
        sizes = [recurrent.shape[0] * width for width in (*(1 for _ in first), *(_KEPT[kind] if keep else ()))]

        def body(t, states, written):
            states, kept = step(tf, xp[t], tf.matmul(states[0], recurrent) + inner_bias, *states)
            values = (*states, *kept) if keep else states
            return t + 1, states, tuple(w.write(t, v) for w, v in zip(written, values, strict=True))

        written = tuple(_array(tf, xp, steps, size) for size in sizes)
        _, _, written = tf.while_loop(lambda t, *_: t < steps, body, (0, first, written), maximum_iterations=steps)
        stacked = [w.stack() for w in written]
        return stacked[: len(first)], stacked[len(first) :]

    def backward(recurrent, kept, before, after, upstream):
        """→ gradients to xp, to what is added to it, and to the first states."""
        steps, units = tf.shape(before[0])[0], recurrent.shape[0]
        arrays = (kept, before, after), tuple(upstream)
        transposed = tf.transpose(recurrent)  # once: a product with transpose_b=True turns it at every step

        def body(t, carried, written):
            given, up = tf.nest.map_structure(lambda a: a[t], arrays)
            d = [c + u for c, u in zip(carried, up, strict=True)]
            d_gates, carried = back(tf, *given, *d)
            carried = (carried[0] + tf.matmul(d_gates[-1], transposed), *carried[1:])
            return t - 1, carried, tuple(w.write(t, v) for w, v in zip(written, d_gates, strict=True))

        zeros = tuple(tf.zeros_like(b[0]) for b in before)
        written = tuple(_array(tf, before[0], steps, units * width) for width in _GRADIENTS[kind])
        start = (steps - 1, zeros, written)
        _, carried, written = tf.while_loop(lambda t, *_: t >= 0, body, start, maximum_iterations=steps)
        *d_candidate, d_inner = (w.stack() for w in written)
        d_xp = tf.concat([d_inner[..., : 2 * units], *d_candidate], axis=-1) if d_candidate else d_inner
        return d_xp, d_inner, carried

    passes = (functools.partial(forward, False), functools.partial(forward, True), backward)
    return [tf.function(f, jit_compile=True, autograph=False) for f in passes] if compiled else passes


def _array(tf, like, steps, size):
    return tf.TensorArray(like.dtype, steps, element_shape=(like.shape[1], size))


# One step of each: (projected input, inner = h @ recurrent + inner bias, states) → (new states, what is kept).
# Its way back: (kept, states before, states after, gradients of the new states) → (gradients to the gates, of the
# states before as far as they do not pass the product with `recurrent`).


def _half(tanh):
    """The sigmoid of a gate from the tanh of its half."""
    return tanh / 2 + 0.5


def _tanh_back(tf, y, dy):
    """dy · (1 - y²), in one operation."""
    return tf.raw_ops.TanhGrad(y=y, dy=dy)


def _lstm_step(tf, xp, inner, h, c):
    gates = tf.tanh(xp + inner)
    i, f, g, o = tf.split(gates, 4, axis=-1)
    c = _half(f) * c + _half(i) * g
    return (_half(o) * tf.tanh(c), c), (gates,)


def _lstm_back(tf, kept, before, after, dh, dc):
    (gates,), squashed = kept, tf.tanh(after[1])
    i, f, g, o = tf.split(gates, 4, axis=-1)
    dc += _tanh_back(tf, squashed, dh * _half(o))
    to_gates = tf.concat([dc * g, dc * before[1], dc * (i + 1), dh * squashed], axis=-1)  # doubled
    return (_tanh_back(tf, gates, to_gates) / 2,), (tf.zeros_like(dh), dc * _half(f))


def _gru_step(tf, xp, inner, h):
    units = h.shape[-1]
    gates = tf.tanh(xp[:, : 2 * units] + inner[:, : 2 * units])
    z, r = tf.split(_half(gates), 2, axis=-1)
    inner = inner[:, 2 * units :]
    candidate = tf.tanh(xp[:, 2 * units :] + r * inner)
    return (candidate + z * (h - candidate),), (gates, candidate, inner)


def _gru_back(tf, kept, before, after, dh):
    gates, candidate, inner = kept
    z, r = tf.split(_half(gates), 2, axis=-1)
    kept_share = dh * z
    d_candidate = _tanh_back(tf, candidate, dh - kept_share)
    to_gates = tf.concat([dh * (before[0] - candidate), d_candidate * inner], axis=-1)  # doubled
    d_gates = tf.concat([_tanh_back(tf, gates, to_gates) / 2, d_candidate * r], axis=-1)
    return (d_candidate, d_gates), (kept_share,)


def _simple_step(tf, xp, inner, h):
    return (tf.tanh(xp + inner),), ()


def _simple_back(tf, kept, before, after, dh):
    return (_tanh_back(tf, after[0], dh),), (tf.zeros_like(dh),)


_GATES = {"lstm": ("sigmoid", "sigmoid", "tanh", "sigmoid"), "gru": ("sigmoid", "sigmoid", "tanh"), "simple": ("tanh",)}
_KEPT = {"lstm": (4,), "gru": (2, 1, 1), "simple": ()}  # widths, in units
_GRADIENTS = {"lstm": (4,), "gru": (1, 3), "simple": (1,)}  # the same; the last is what `recurrent` is multiplied by
_PARTS: dict[str, tuple[Callable, Callable]] = {
    "lstm": (_lstm_step, _lstm_back),
    "gru": (_gru_step, _gru_back),
    "simple": (_simple_step, _simple_back),
}
