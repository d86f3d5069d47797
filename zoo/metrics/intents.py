"""Metrics of requests: their intents, those that are none of the known ones, and how honest the probabilities are.

An intent is a name. "" stands for none of the known intents: out of scope in the truth, rejected in an answer.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from zoo.data.spans import read
from zoo.metrics import spans

BINS = 15  # of the calibration error, as in Guo et al. 2017


def scores(answers: Sequence[dict], *, examples: Iterable[dict]) -> dict[str, float]:
    """The metrics of intents; a share of zero requests is NaN, and so are metrics that the data has no rows for.

    accuracy: the share of requests in scope with the right intent. A rejected one is wrong, as in CLINC150 (Larson et
        al. 2019, section 4.1, https://aclanthology.org/D19-1131).
    macro_f1: the mean F1 of the intents. An intent given to a request out of scope is a false positive.
    out_of_scope_recall: the share of requests out of scope that are rejected.
    out_of_scope_precision: the share of rejected requests that are out of scope.
    slot_f1: the F1 of the slots of all requests, a slot being right if its type and its words are.
    whole_request_accuracy: the share of requests in scope whose intent and slots are all right.
    calibration_error: see `calibration_error`, over requests in scope; NaN without probabilities.

    Args:
        answers: each with "intent", for the calibration error "labels" and "probabilities", and "slots".
        examples: each with "intent", and "slots" in BIO where the data has them.
    """
    from sklearn.metrics import f1_score

    examples = list(examples)
    truth = np.array([example["intent"] for example in examples], object)
    given = np.array([answer["intent"] for answer in answers], object)
    known, rejected = truth != "", given == ""
    found = {
        "accuracy": _mean((given == truth)[known]),
        "macro_f1": float("nan"),
        "out_of_scope_recall": _mean(rejected[~known]),
        "out_of_scope_precision": _mean(~known[rejected]) if not known.all() else float("nan"),
        "slot_f1": float("nan"),
    }
    whole = given == truth
    if "slots" in examples[0]:
        predicted, true = ([read(one["slots"]) for one in part] for part in (answers, examples))
        found["slot_f1"] = spans.shares(predicted, truth=true)["f1"]
        whole &= np.array([one == other for one, other in zip(predicted, true, strict=True)])
    found["whole_request_accuracy"] = _mean(whole[known])
    found["calibration_error"] = float("nan")
    if known.any():
        names = sorted(set(truth[known]))
        found["macro_f1"] = float(
            f1_score(truth.tolist(), given.tolist(), labels=names, average="macro", zero_division=0)
        )
        if "probabilities" in answers[0]:
            confidence, right = confidences([a for a, real in zip(answers, known, strict=True) if real], truth[known])
            found["calibration_error"] = calibration_error(confidence, right)
    return found


def confidences(answers: Sequence[dict], truth: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The largest probability of each answer, float[N], and whether its label is the true one, bool[N].

    The threshold plays no part: a rejected answer has a likeliest label too.
    """
    chances = np.array([answer["probabilities"] for answer in answers])  # [N, L]
    likeliest = [answer["labels"][i] for answer, i in zip(answers, chances.argmax(axis=1), strict=True)]
    return chances.max(axis=1), np.array([guess == true for guess, true in zip(likeliest, truth, strict=True)])


def reliability(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> tuple[np.ndarray, ...]:
    """The reliability diagram: answers in bins of equal width by their confidence.

    Args:
        confidence: float[N], 0 to 1. A bin holds its upper end, as in Guo et al. 2017, section 2.
        right: bool[N].
    Returns:
        counts int[bins], mean confidence and accuracy float[bins], NaN in an empty bin.
    """
    places = np.clip(np.ceil(np.asarray(confidence) * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = [np.bincount(places, np.asarray(values, float), minlength=bins) for values in (confidence, right)]
    sure, accurate = (np.where(counts > 0, total / np.maximum(counts, 1), np.nan) for total in sums)
    return counts, sure, accurate


def calibration_error(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy over the bins, by their counts.

    Guo et al. 2017, equation 3, https://arxiv.org/abs/1706.04599. NaN without answers.
    """
    counts, sure, accurate = reliability(confidence, right, bins=bins)
    if not counts.sum():
        return float("nan")
    return float(np.nansum(counts * np.abs(sure - accurate)) / counts.sum())


def confused(predicted: Sequence[str], *, truth: Sequence[str], most: int) -> list[tuple[str, str, int]]:
    """The most frequent mistakes as (true intent, given intent, count), ties in alphabetical order."""
    pairs, counts = np.unique(
        np.array([(true, guess) for true, guess in zip(truth, predicted, strict=True) if true != guess], str).reshape(
            -1, 2
        ),
        axis=0,
        return_counts=True,
    )
    order = np.argsort(-counts, kind="stable")[:most]
    return [(str(pairs[i, 0]), str(pairs[i, 1]), int(counts[i])) for i in order]


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
