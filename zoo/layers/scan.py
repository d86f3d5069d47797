"""A loop over the steps of a sequence, for every backend."""

import keras
from keras import ops


def scan(step, start, length, *, reverse=False):
    """Runs (state, output) = step(state, t) for all t from 0 to length - 1, or the other way.

    On TensorFlow, `ops.scan` keeps the state in a TensorArray, which costs time and which ONNX lacks (Keras 3.15.1).

    Args:
        start: the first state, a tensor; states and outputs have its shape.
    Returns:
        the last state, and the outputs [length, ...] in the order of t.
    """
    if keras.config.backend() != "tensorflow":
        return ops.scan(step, start, ops.arange(length), reverse=reverse)
    import tensorflow as tf

    def body(i, state, outputs):
        state, output = step(state, length - 1 - i if reverse else i)
        return i + 1, state, outputs.write(i, output)

    outputs = tf.TensorArray(start.dtype, length, element_shape=start.shape)
    loop = tf.while_loop(lambda i, *_: i < length, body, (0, start, outputs), maximum_iterations=length)
    outputs = loop[2].stack()
    return loop[1], tf.gather(outputs, length - 1 - tf.range(length)) if reverse else outputs
