"""The temperature of a classifier, and the threshold below which a request is none of its labels, from validation.

answers to validation → temperature with the smallest loss → largest probability of each request → threshold
"""

from typing import Any

import numpy as np

from zoo.data.examples import Examples
from zoo.data.remarks import say
from zoo.metrics import intents

COLDEST, HOTTEST = 0.05, 20.0


def choose(
    run: Any,
    validation: Examples,
    *,
    out_of_scope_share: float,
    rejected: float,
    logits: np.ndarray | None = None,
) -> dict[str, float]:
    """Sets temperature and threshold of the model's layer "rejection".

    Where validation has requests out of scope, they choose the threshold. Elsewhere it rejects a stated share.

    Args:
        run: its answers have "labels" and "probabilities", at temperature 1 and threshold 0; "" is a label.
        validation: examples with "intent", "" out of scope.
        out_of_scope_share: as in `threshold`.
        rejected: the share of validation that is rejected if all of it is in scope.
        logits: float[N, L], what the layer gets for validation; by default the logarithms of the probabilities.
    Returns:
        for metrics.json: temperature and threshold, and with them the metrics of validation, as val_NAME.
    """
    examples = list(validation)
    answers = run.predict(examples)
    truth = np.array([example["intent"] for example in examples], object)
    known = truth != ""
    if logits is None:
        logits = np.log(np.maximum([answer["probabilities"] for answer in answers], np.finfo(np.float32).tiny))
    labels = {label: i for i, label in enumerate(answers[0]["labels"])}
    places = np.array([labels[name] for name in truth])
    heat = temperature(logits[known], places[known])
    chances = softmax(logits / heat)
    best = chances.argmax(axis=1)
    score = np.where(best == labels[""], 0.0, chances.max(axis=1))  # these are rejected, whatever the threshold
    right = best == places
    if known.all():
        limit = float(np.quantile(score, rejected)) if rejected else 0.0
    else:
        limit = threshold(score, right, known, out_of_scope_share=out_of_scope_share)
    run.model.get_layer("rejection").set_weights([np.float32(heat), np.float32(limit)])
    found = [
        answer | {"intent": answer["labels"][guess] if sure >= limit else "", "probabilities": row}
        for answer, guess, sure, row in zip(answers, best, score, chances, strict=True)
    ]
    scores = intents.scores(found, examples=examples)
    plain = softmax(logits)[known]
    before = intents.calibration_error(plain.max(axis=1), plain.argmax(axis=1) == places[known])
    say(
        f"temperature {heat:.2f}: calibration error of validation {scores['calibration_error']:.3f} instead of "
        f"{before:.3f}; threshold {limit:.3f}: accuracy {scores['accuracy']:.1%}"
        + ("" if known.all() else f", out-of-scope recall {scores['out_of_scope_recall']:.1%}")
    )
    told = {f"val_{name}": value for name, value in scores.items() if not np.isnan(value)}
    return {"temperature": heat, "threshold": limit} | told


def temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the smallest log loss (Guo et al. 2017, section 4.2), which has no other minimum.

    One more request, which may have any label, is added to the rows. Without it, a validation split that has no mistake
    would make every probability 1.

    Args:
        logits: float[N, L], or log probabilities.
        truth: int[N], the true label. Without any row the temperature is 1.
    """
    from scipy.optimize import minimize_scalar

    if not len(truth):
        return 1.0

    def loss(log_heat: float) -> float:
        log_probs = _log_softmax(logits / np.exp(log_heat))
        return -float(log_probs[np.arange(len(truth)), truth].sum() + log_probs.mean())

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def threshold(score: np.ndarray, right: np.ndarray, known: np.ndarray, *, out_of_scope_share: float) -> float:
    """The threshold that gives most requests the right answer: their own intent in scope, a rejection out of scope.

    Validation seldom has requests out of scope in the proportion of real ones, so their share is an argument.

    Args:
        score: float[N]; requests below the threshold are rejected.
        right: bool[N], whether the likeliest intent is the true one.
        known: bool[N], whether a request is in scope; both kinds occur.
        out_of_scope_share: the share of requests that are expected to be out of scope.
    """
    order = np.argsort(score, kind="stable")
    weight = np.where(known, (1 - out_of_scope_share) / known.sum(), out_of_scope_share / (~known).sum())
    gain = np.where(known, -1.0 * right, 1.0) * weight  # of rejecting a request
    total = np.concatenate([[0.0], np.cumsum(gain[order])])  # by the number of rejected requests
    ordered = score[order]
    cuts = np.concatenate([[0.0], (ordered[:-1] + ordered[1:]) / 2, [np.nextafter(ordered[-1], np.inf)]])
    apart = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])  # equal scores have one fate
    return float(cuts[np.argmax(np.where(apart, total, -np.inf))])


def softmax(logits: np.ndarray) -> np.ndarray:
    """float[N, L] → float[N, L]."""
    return np.exp(_log_softmax(logits))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
