"""How large the gradient is k steps back: the norm of d loss / d h_(T-k), measured on the plain cells.

step = functools.partial(cells.lstm_step, weights=layer.get_weights())
h, c = gradient_norms(step, x, [zeros, zeros], loss)     # float[T + 1] each; h[k] is k steps back
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf


def gradient_norms(
    step: Callable, x: np.ndarray, states: Sequence[np.ndarray], loss: Callable, *, truncate: int | None = None
) -> np.ndarray:
    """Unrolls `step` over `x` and differentiates the loss with respect to the states before and after every step.

    Args:
        step: (x_t, states) → new states, such as those of `zoo.layers.cells` with their weights bound.
        x: float[B, T, I].
        states: the states before the first step, each float[B, units].
        loss: (the last states) → a scalar.
        truncate: gradients end so many steps back, as in truncated backpropagation through time; None: nowhere.
    Returns:
        float[S, T + 1]: for each of the S states the norm over the batch, 0 to T steps back.
    """
    length = x.shape[1]
    current = [tf.constant(state) for state in states]
    with tf.GradientTape() as tape:
        tape.watch(current)
        every = [current]
        for t in range(length):
            if length - t == truncate:
                current = [tf.stop_gradient(state) for state in current]
                tape.watch(current)
                every[-1] = current
            current = step(x[:, t], current)
            every.append(current)
        value = loss(current)
    gradients = tape.gradient(value, every[::-1], unconnected_gradients="zero")
    # in float64: the square of a vanished gradient is 0 in float32
    return np.array([[np.linalg.norm(part.numpy().astype(float)) for part in of_step] for of_step in gradients]).T


def spectral_radius(matrix: np.ndarray) -> float:
    """The largest absolute value of the eigenvalues."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def with_radius(matrix: np.ndarray, radius: float) -> np.ndarray:
    """The matrix, scaled to a spectral radius."""
    return (matrix * (radius / spectral_radius(matrix))).astype(matrix.dtype)
