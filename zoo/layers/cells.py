"""One step of SimpleRNN, GRU and LSTM in plain lines: the state h_t from the input x_t and the state h_{t-1}.

Read this file to see the mathematics of a recurrent layer. `zoo.layers.recurrent` computes the same numbers faster;
the tests compare the two.

    step = functools.partial(lstm_step, weights=[kernel, recurrent_kernel, bias])
    outputs, (h, c) = unroll(step, x, [h, c], keep_mask)

Weights are those of the Keras layers, in the order of `layer.get_weights()` (I = size of the input):

              kernel           recurrent_kernel      bias            order of the gates
    SimpleRNN [I, units]       [units, units]        [units]
    GRU       [I, 3*units]     [units, 3*units]      [2, 3*units]    update, reset, candidate
    LSTM      [I, 4*units]     [units, 4*units]      [4*units]       input, forget, candidate, output
"""

from keras import ops


def simple_rnn_step(x, states, weights):
    """h_t = tanh(W x_t + U h_{t-1} + b); Elman 1990, https://doi.org/10.1207/s15516709cog1402_1

    Args:
        x: float[B, I], the input of this step.
        states: [h], float[B, units].
        weights: [kernel, recurrent_kernel, bias].
    Returns:
        the new [h], which is also the output.
    """
    (h,) = states
    kernel, recurrent_kernel, bias = weights
    h = ops.tanh(ops.matmul(x, kernel) + ops.matmul(h, recurrent_kernel) + bias)  # [B, units]
    return [h]


def gru_step(x, states, weights):
    """A new state is mixed from the old one and a candidate; Cho et al. 2014, https://arxiv.org/abs/1406.1078v1

    This is Keras' default, `reset_after=True`, as in cuDNN: the reset gate acts after the product with the state, and
    the product has a bias of its own.

    Args:
        x: float[B, I], the input of this step.
        states: [h], float[B, units].
        weights: [kernel, recurrent_kernel, bias].
    Returns:
        the new [h], which is also the output.
    """
    (h,) = states
    update, _, candidate = gru_gates(x, states, weights)
    h = update * h + (1 - update) * candidate  # [B, units]
    return [h]


def gru_gates(x, states, weights):
    """Update gate, reset gate and candidate, each float[B, units]; the arguments are those of `gru_step`."""
    (h,) = states
    kernel, recurrent_kernel, bias = weights
    from_input = ops.matmul(x, kernel) + bias[0]  # [B, 3*units]
    from_state = ops.matmul(h, recurrent_kernel) + bias[1]  # [B, 3*units]
    update_x, reset_x, candidate_x = ops.split(from_input, 3, axis=-1)  # [B, units] each
    update_h, reset_h, candidate_h = ops.split(from_state, 3, axis=-1)

    update = ops.sigmoid(update_x + update_h)  # 1 keeps the old state
    reset = ops.sigmoid(reset_x + reset_h)  # 0 forgets the old state in the candidate
    return update, reset, ops.tanh(candidate_x + reset * candidate_h)


def lstm_step(x, states, weights):
    """A memory c is kept, written and read through gates; Hochreiter & Schmidhuber 1997,
    https://doi.org/10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. 2000,
    https://doi.org/10.1162/089976600300015015

    Args:
        x: float[B, I], the input of this step.
        states: [h, c], each float[B, units].
        weights: [kernel, recurrent_kernel, bias].
    Returns:
        the new [h, c]; h is also the output.
    """
    _, c = states
    write, forget, candidate, read = lstm_gates(x, states, weights)
    c = forget * c + write * candidate
    h = read * ops.tanh(c)
    return [h, c]


def lstm_gates(x, states, weights):
    """Input gate, forget gate, candidate and output gate, each float[B, units]; the arguments are those of `lstm_step`.

    1 writes the candidate, keeps the memory, or shows it.
    """
    h, _ = states
    kernel, recurrent_kernel, bias = weights
    gates = ops.matmul(x, kernel) + ops.matmul(h, recurrent_kernel) + bias  # [B, 4*units]
    write, forget, candidate, read = ops.split(gates, 4, axis=-1)  # [B, units] each
    return ops.sigmoid(write), ops.sigmoid(forget), ops.tanh(candidate), ops.sigmoid(read)


def unroll(step, x, states, keep_mask=None):
    """Applies `step` to one time step after the other.

    Padded steps change nothing: the states stay as they are and the output is repeated, as in Keras.

    Args:
        step: a function (x_t, states) → new states, such as `lstm_step` with its weights bound.
        x: float[B, T, I]; T is known.
        states: the states before the first step, each float[B, units].
        keep_mask: bool[B, T], True = real step; right-padded, at least one real step per row. None: all are real.
    Returns:
        outputs float[B, T, units] and the list of the states after the last real step of each row.
    """
    outputs = []
    for t in range(x.shape[1]):
        new_states = step(x[:, t], states)
        if keep_mask is not None:
            keep = keep_mask[:, t, None]  # [B, 1]
            new_states = [ops.where(keep, new, old) for new, old in zip(new_states, states, strict=True)]
        states = new_states
        outputs.append(states[0])
    return ops.stack(outputs, axis=1), states  # [B, T, units]
