"""A masked LSTM on a GPU with JAX.

Keras leaves cuDNN as soon as there is a mask. For right padding cuDNN needs only the lengths.
"""

import jax.numpy as jnp
from jax.experimental import rnn


def lstm(x, states, mask, weights, go_backwards: bool, zero_output_for_mask: bool):
    """Runs an LSTM over the real steps.

    Args:
        x: float[B, T, I].
        states: [h, c], each float[B, units].
        mask: bool[B, T], True = real step; right-padded, at least one real step per row.
        weights: kernel [I, 4*units], recurrent kernel [units, 4*units], bias [4*units].
    Returns:
        last output, outputs and final states in the form of `inner_loop`.
    """
    kernel, recurrent, bias = (jnp.asarray(w) for w in weights)
    lengths, steps = jnp.sum(mask, axis=1, dtype="int32"), jnp.arange(x.shape[1])

    def backwards(a):  # [a b c . .] → [c b a . .]
        return jnp.take_along_axis(a, ((lengths[:, None] - 1 - steps) % x.shape[1])[:, :, None], axis=1)

    gates = [w.T.ravel() for w in (kernel, recurrent)]  # cuDNN's order of the gates is Keras' own
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
