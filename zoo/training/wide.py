"""`--wide ngrams`: a linear classifier of n-grams beside the recurrent model, fitted apart, added with a weight.

train → NgramWeights, a part of the codec → its log odds are an input of the model → layers.Blend, weight 0
after training: answers to validation → scale of the logits and weight of the log odds, with the smallest loss

Two models that are trained together are not two good models: the n-grams explain the training data at once, and the
recurrent layers get hardly any gradient. Apart, each learns all it can, and validation, which neither was fitted on,
weighs them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data import text
from zoo.data.examples import Examples, limit_characters
from zoo.data.ngrams import CHARACTERS, NgramWeights
from zoo.data.remarks import say
from zoo.errors import InputError
from zoo.training import devices

LOWEST, HIGHEST = (0.01, 0.0), (4.0, 4.0)  # of scale and weight; a scale of 0 would lose the logits
STEPS = 50  # of Newton's method, which takes fewer than ten
Apart = tuple[np.ndarray, np.ndarray]  # see `both`


def parts(cfg: Any, train: Examples, labels: Sequence[str], *, key: str = "label") -> dict[str, NgramWeights]:
    """The part of the codec that the option asks for: {"wide": weights of n-grams}, or {} with --wide none.

    Args:
        cfg: options wide, seed.
        train: examples with "text" and a label.
        key: the key of an example's label.
    Raises:
        InputError: several processes train together. Only one of them could choose the weight.
    """
    if cfg.wide == "none":
        return {}
    if devices.share()[1] > 1:
        raise InputError("--wide ngrams trains in one process, on any number of devices; leave out --coordinator")
    train = limit_characters(train, CHARACTERS, seed=cfg.seed)
    texts = (example["text"] for example in train)
    return {"wide": NgramWeights.fit(texts, [example[key] for example in train], labels)}


def choose_weight(
    run: Any, validation: Examples, labels: Any, *, key: str = "label", apart: Apart | None = None
) -> dict[str, float]:
    """Sets the scale and the weight of the model's layer "blend" to those with the smallest loss on validation.

    A network is overconfident. With its scale fixed, a small weight has the smallest loss, though a larger one gives
    more right answers: both have to be chosen.

    Args:
        run: a `Run` whose answers have "network_probabilities", with the codec's part `wide`.
        validation: examples with "text" and a label.
        labels: the vocabulary of the labels.
        key: the key of an example's label.
        apart: the result of `both` for validation, if the caller has it.
    Returns:
        for metrics.json: scale and weight, and loss and accuracy of validation with them.
    """
    logits, log_odds = apart or both(run, validation)
    truth = labels(tf.constant([example[key] for example in validation])).numpy()
    scale, weight = best(logits, log_odds, truth)
    run.model.get_layer("blend").set_weights([np.float32(scale), np.float32(weight)])
    loss, accuracy = _measure(scale * logits + weight * log_odds, truth)
    alone, ngrams = _measure(logits, truth)[1], _measure(log_odds, truth)[1]
    say(
        f"n-grams: weight {weight:.2f} beside {scale:.2f}; validation accuracy {accuracy:.1%}, without n-grams "
        f"{alone:.1%}, n-grams alone {ngrams:.1%}"
    )
    return {
        "val_logit_scale": scale,
        "val_wide_weight": weight,
        "val_wide_loss": loss,
        "val_wide_accuracy": accuracy,
        "val_alone_accuracy": alone,
    }


def both(run: Any, examples: Examples) -> Apart:
    """The logits of the network and the log odds of the n-grams, each float[N, L]."""
    batches = text.in_batches(example["text"] for example in examples)
    log_odds = np.concatenate([run.codec.wide.log_odds(batch).numpy() for batch in batches])
    probabilities = np.array([answer["network_probabilities"] for answer in run.predict(examples)])
    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)), log_odds


def blended(run: Any, apart: Apart) -> np.ndarray:
    """The output of the layer "blend" for these logits and log odds with its present weights, float[N, L].

    The probabilities of an answer would not do: on another backend than TensorFlow, answers come from a child process
    that reads the run as it was saved.
    """
    scale, weight = (float(value) for value in run.model.get_layer("blend").get_weights())
    return scale * apart[0] + weight * apart[1]


def best(logits: np.ndarray, log_odds: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The scale and the weight, from `LOWEST` to `HIGHEST`, with the smallest log loss.

    It is that of softmax(scale * logits + weight * log_odds), and is convex, so that Newton's method finds them.

    Args:
        logits, log_odds: float[N, L].
        truth: int[N], the true label.
    """
    features = np.stack([logits, log_odds], axis=2).astype(np.float64)  # [N, L, 2]
    right = features[np.arange(len(truth)), truth]  # [N, 2]
    found = np.array([1.0, 0.0])
    for _ in range(STEPS):
        z = features @ found
        chances = np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))[:, :, None]
        mean = (chances * features).sum(axis=1)  # [N, 2]
        slope = (mean - right).mean(axis=0)
        off = features - mean[:, None]
        curve = np.einsum("nli,nlj->ij", chances * off, off) / len(truth) + 1e-9 * np.eye(2)
        move = np.zeros(2)
        free = ~((found <= LOWEST) & (slope > 0) | (found >= HIGHEST) & (slope < 0))  # not held at a bound
        move[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        found = np.clip(found - np.clip(move, -0.5, 0.5), LOWEST, HIGHEST)
        if np.abs(move).max() < 1e-6:
            break
    return float(found[0]), float(found[1])


def _measure(logits: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The mean log loss, and the accuracy."""
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    loss = -log_probs[np.arange(len(truth)), truth].mean()
    return float(loss), float((logits.argmax(axis=1) == truth).mean())
