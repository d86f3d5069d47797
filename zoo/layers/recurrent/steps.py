"""One step of each recurrent layer and its gradient, written for speed; `zoo/layers/cells.py` has the readable form.

sigmoid(v) = tanh(v / 2) / 2 + 1/2. The loops halve the weights of the sigmoid gates once, so that one tanh computes
all gates of a step: XLA's sigmoid takes three times as long as its tanh.
"""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Kind:
    """One kind of recurrent layer.

    Attributes:
        gates: the activation of each gate, in the order of the weights.
        kept: the width, in units, of each value that a training step keeps for the gradient.
        gradients: the width, in units, of each gradient that a step of the way back writes. The last one belongs to
            the product of state and recurrent kernel.
        step: (projected input, inner, *states before) → (new states, kept values), where inner is
            h @ recurrent kernel + its bias.
        back: (kept values, states before, states after, *gradients of the new states) → (gradients of the gates,
            gradients of the states before without the part that passes through the product).
    """

    gates: tuple[str, ...]
    kept: tuple[int, ...]
    gradients: tuple[int, ...]
    step: Callable
    back: Callable


def _sigmoid(tanh_of_half):
    return tanh_of_half / 2 + 0.5


def _tanh_back(y, dy):
    """dy · (1 - y²), in one operation."""
    return tf.raw_ops.TanhGrad(y=y, dy=dy)


def _lstm_step(xp, inner, h, c):
    gates = tf.tanh(xp + inner)  # [B, 4*units]
    i, f, g, o = tf.split(gates, 4, axis=-1)
    c = _sigmoid(f) * c + _sigmoid(i) * g
    return (_sigmoid(o) * tf.tanh(c), c), (gates,)


def _lstm_back(kept, before, after, dh, dc):
    (gates,), squashed = kept, tf.tanh(after[1])
    i, f, g, o = tf.split(gates, 4, axis=-1)
    dc += _tanh_back(squashed, dh * _sigmoid(o))
    d_gates = tf.concat([dc * g, dc * before[1], dc * (i + 1), dh * squashed], axis=-1)  # doubled
    return (_tanh_back(gates, d_gates) / 2,), (tf.zeros_like(dh), dc * _sigmoid(f))


def _gru_step(xp, inner, h):
    units = h.shape[-1]
    gates = tf.tanh(xp[:, : 2 * units] + inner[:, : 2 * units])  # [B, 2*units]
    z, r = tf.split(_sigmoid(gates), 2, axis=-1)
    inner = inner[:, 2 * units :]
    candidate = tf.tanh(xp[:, 2 * units :] + r * inner)
    return (candidate + z * (h - candidate),), (gates, candidate, inner)


def _gru_back(kept, before, after, dh):
    gates, candidate, inner = kept
    z, r = tf.split(_sigmoid(gates), 2, axis=-1)
    through_update = dh * z
    d_candidate = _tanh_back(candidate, dh - through_update)
    d_gates = tf.concat([dh * (before[0] - candidate), d_candidate * inner], axis=-1)  # doubled
    d_inner = tf.concat([_tanh_back(gates, d_gates) / 2, d_candidate * r], axis=-1)
    return (d_candidate, d_inner), (through_update,)


def _simple_step(xp, inner, h):
    return (tf.tanh(xp + inner),), ()


def _simple_back(kept, before, after, dh):
    return (_tanh_back(after[0], dh),), (tf.zeros_like(dh),)


KINDS = {
    "lstm": Kind(("sigmoid", "sigmoid", "tanh", "sigmoid"), (4,), (4,), _lstm_step, _lstm_back),
    "gru": Kind(("sigmoid", "sigmoid", "tanh"), (2, 1, 1), (1, 3), _gru_step, _gru_back),
    "simple": Kind(("tanh",), (), (1,), _simple_step, _simple_back),
}
