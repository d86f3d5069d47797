"""Metrics of anomaly detection: of single steps, of events, of the ranking, and the score of the NAB benchmark.

Point adjustment, which counts a whole event as found if one of its steps is, has no place here: with it random alarms
win (Kim et al. 2022, https://arxiv.org/abs/2109.05257).

An event is a run of anomalous steps without a gap.
"""

from collections.abc import Iterable, Sequence

import numpy as np

FALSE_ALARM, MISS = 0.11, 1.0  # NAB's costs in its standard profile; a hit is worth 1


def points(flagged: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 of single steps, and the shares of false alarms and misses.

    Args:
        flagged, truth: bool[T], the steps of all series together.
    Returns:
        precision, recall, f1; false_alarm_rate, the share of normal steps that are flagged; miss_rate, the share of
        anomalous steps that are not. A share of nothing is NaN; without a hit f1 is 0.
    """
    hits, alarms, anomalous = (int(part.sum()) for part in (flagged & truth, flagged, truth))
    return {
        "f1": _share(2 * hits, alarms + anomalous),
        "precision": _share(hits, alarms),
        "recall": _share(hits, anomalous),
        "false_alarm_rate": _share(alarms - hits, len(truth) - anomalous),
        "miss_rate": _share(anomalous - hits, anomalous),
    }


def events(flags: np.ndarray) -> list[tuple[int, int]]:
    """The first step of each run of true values, and the step after its last; bool[T] → pairs in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def by_event(series: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """How many events are found, at which precision, and how late the first alarm comes.

    An event is found if one of its steps is flagged. event_f1 joins the recall of events with the precision of steps,
    because one alarm without end would find every event (composite F-score; Garg et al. 2021, section V,
    https://arxiv.org/abs/2109.11428). The delay is the mean number of steps from the beginning of a found event to its
    first flagged step.

    Args:
        series: flagged and truth, bool[T] each, of every series.
    Returns:
        event_f1, event_recall, delay.
    """
    delays, known = [], 0
    for flagged, truth in series:
        for first, end in events(truth):
            known += 1
            inside = np.flatnonzero(flagged[first:end])
            delays += inside[:1].tolist()
    recall = _share(len(delays), known)
    alarms = sum(int(flagged.sum()) for flagged, _ in series)
    precision = _share(sum(int((flagged & truth).sum()) for flagged, truth in series), alarms) if alarms else 0.0
    both = 2 * recall * precision / (recall + precision) if recall and precision else 0.0
    return {
        "event_f1": both if known else float("nan"),
        "event_recall": recall,
        "delay": float(np.mean(delays)) if delays else float("nan"),
    }


def nab(series: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    """The score of the Numenta Anomaly Benchmark, standard profile: 0 without any alarm, 100 for perfect ones.

    The first flagged step in a window counts, more the earlier it is: σ(y) = 2 / (1 + exp(5 y)) − 1, where y runs from
    −1 at the beginning of the window to 0 at its end, divided by σ(−1). A window without one costs 1. Every flagged
    step outside costs 0.11 · −σ(y), where y goes on after the end of the window before it. Lavin & Ahmad 2015, section
    II.B, https://arxiv.org/abs/1510.03336

    Args:
        series: flagged and truth, bool[T] each, of every series; windows are the runs of true values.
    Returns:
        NaN if there is no window.
    """
    total, windows = 0.0, 0
    for flagged, truth in series:
        known = events(truth)
        windows += len(known)
        for first, end in known:
            inside = np.flatnonzero(flagged[first:end])
            total += _sigmoid((inside[0] + first - end) / (end - first)) / _sigmoid(-1.0) if len(inside) else -MISS
        for step in np.flatnonzero(flagged & ~truth):
            before = [(first, end) for first, end in known if end <= step]
            first, end = before[-1] if before else (0, 0)
            total += FALSE_ALARM * (_sigmoid((step - end + 1) / max(end - first - 1, 1)) if before else -1.0)
    return 100 * (total + MISS * windows) / ((1 + MISS) * windows) if windows else float("nan")


def _sigmoid(place: float) -> float:
    return 2 / (1 + np.exp(min(5 * place, 50.0))) - 1


def scores(answers: Sequence[dict], examples: Iterable[dict]) -> dict[str, float]:
    """All metrics of the scored steps of every series.

    Args:
        answers: dicts with score float[T] and alarm bool[T]; the score may be on any scale that the series share.
        examples: dicts with anomaly float[T], NaN where the truth is unknown, and first, the first scored step.
    Returns:
        the metrics of `points`, `by_event` and `nab`; pr_auc, the area under precision over recall for all thresholds
        (average precision); and alarm_rate, the share of scored steps that are flagged, which needs no truth.
    """
    from sklearn.metrics import average_precision_score

    pairs, values, flags = [], [], []
    for answer, example in zip(answers, examples, strict=True):
        truth = np.asarray(example["anomaly"])
        known = np.isfinite(truth) & (np.arange(len(truth)) >= example["first"])
        flags.append(np.asarray(answer["alarm"], bool)[example["first"] :])
        pairs.append((np.asarray(answer["alarm"], bool)[known], truth[known] > 0))
        values.append(np.asarray(answer["score"], np.float64)[known])
    flagged, truth, ranked = (np.concatenate(part) for part in (*zip(*pairs, strict=True), values))
    auc = float(average_precision_score(truth, ranked)) if truth.any() else float("nan")
    return (
        points(flagged, truth)
        | by_event(pairs)
        | {"pr_auc": auc, "nab": nab(pairs), "alarm_rate": float(np.concatenate(flags).mean())}
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
