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


def or_none(logits: tf.Tensor, labels: Any, threshold: tf.Tensor) -> dict[str, tf.Tensor]:
    """The likeliest intent of each request, or "" if none is likely enough.

    A request is in scope if its likeliest label is an intent whose probability is not below the threshold.

    Args:
        logits: float[B, L].
        labels: the vocabulary of the L labels; the first is "", for none of the others.
        threshold: float[], a probability.
    Returns:
        intent string[B], "" out of scope; in_scope bool[B]; probability float[B], that of the likeliest intent, also
        out of scope; labels string[B, L], probabilities float[B, L].
    """
    found = answer(logits, labels)
    likeliest = found.pop("label")
    found["probability"] = tf.reduce_max(found["probabilities"][:, 1:], axis=-1)
    in_scope = (likeliest != "") & (found["probability"] >= threshold)
    return {"intent": tf.where(in_scope, likeliest, ""), "in_scope": in_scope, **found}
