"""`--wide ngrams`: a linear classifier of n-grams beside the recurrent model, fitted apart, added with one weight.

train → NgramWeights, a part of the codec → its log odds are an input of the model → layers.Blend, weight 0
after training: answers to validation → the weight with the smallest loss

Two models that are trained together are not two good models: the n-grams explain the training data at once, and the
recurrent layers get hardly any gradient. Apart, each learns all it can, and validation, which neither was fitted on,
weighs them.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.data import text
from zoo.data.examples import Examples, limit_characters
from zoo.data.ngrams import CHARACTERS, NgramWeights
from zoo.data.remarks import say
from zoo.errors import InputError
from zoo.training import devices

WEIGHTS = np.arange(401) / 100  # 0 to 4


def parts(cfg: Any, train: Examples, labels: Sequence[str]) -> dict[str, NgramWeights]:
    """The part of the codec that the option asks for: {"wide": weights of n-grams}, or {} with --wide none.

    Args:
        cfg: options wide, seed.
        train: examples with "text" and "label".
    Raises:
        InputError: several processes train together. Only one of them could choose the weight.
    """
    if cfg.wide == "none":
        return {}
    if devices.share()[1] > 1:
        raise InputError("--wide ngrams trains in one process, on any number of devices; leave out --coordinator")
    train = limit_characters(train, CHARACTERS, seed=cfg.seed)
    texts = (example["text"] for example in train)
    return {"wide": NgramWeights.fit(texts, [example["label"] for example in train], labels)}


def choose_weight(run: Any, validation: Examples) -> dict[str, float]:
    """Sets the weight of the model's layer "blend" to the one with the smallest log loss on validation. Says which.

    Args:
        run: a `Run` whose answers have "probabilities", with the codec's parts `wide` and `labels`.
        validation: examples with "text" and "label".
    Returns:
        for metrics.json: the weight, and loss and accuracy of validation with it.
    """
    blend = run.model.get_layer("blend")
    before = float(keras.ops.convert_to_numpy(blend.weight))  # 0, or that of the run that --init names
    examples = list(validation)
    log_odds = np.concatenate(
        [run.codec.wide.log_odds(batch).numpy() for batch in text.in_batches(example["text"] for example in examples)]
    )
    probabilities = np.array([answer["probabilities"] for answer in run.predict(examples)])
    logits = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) - before * log_odds
    truth = run.codec.labels(tf.constant([example["label"] for example in examples])).numpy()
    weight = best_weight(logits, log_odds, truth)
    blend.weight.assign(weight)
    loss, accuracy = _measure(logits + weight * log_odds, truth)
    alone = _measure(logits, truth)[1]
    say(f"n-grams: weight {weight:.2f}; validation accuracy {accuracy:.1%}, without n-grams {alone:.1%}")
    return {"val_wide_weight": weight, "val_wide_loss": loss, "val_wide_accuracy": accuracy}


def best_weight(logits: np.ndarray, log_odds: np.ndarray, truth: np.ndarray) -> float:
    """The weight of `WEIGHTS` with which the softmax of logits + weight * log_odds has the smallest log loss.

    Args:
        logits, log_odds: float[N, L].
        truth: int[N], the true label.
    """
    return float(min(WEIGHTS, key=lambda weight: _measure(logits + weight * log_odds, truth)[0]))


def _measure(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The mean log loss, and the accuracy."""
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    loss = -log_probs[np.arange(len(truth)), truth].mean()
    return float(loss), float((logits.argmax(axis=1) == truth).mean())
