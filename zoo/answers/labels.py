"""One label for a sequence: logits → the answer that people and programs read, in graph."""

from typing import Any

import tensorflow as tf


def answer(logits: tf.Tensor, labels: Any) -> dict[str, tf.Tensor]:
    """The likeliest label of each row, and the probability of every label.

    Args:
        logits: float[B, L].
        labels: the vocabulary of the L labels.
    Returns:
        label string[B], probability float[B], labels string[B, L], probabilities float[B, L].
    """
    probabilities = tf.nn.softmax(logits)  # [B, L]
    return {
        "label": labels.lookup(tf.argmax(probabilities, axis=-1)),
        "probability": tf.reduce_max(probabilities, axis=-1),
        "labels": tf.broadcast_to(labels.keys, tf.shape(probabilities)),
        "probabilities": probabilities,
    }
