"""Metrics of tasks that find spans. A span is found if its first token, its last token and its type are right."""

from collections.abc import Container, Iterator, Sequence

import keras
import numpy as np
from keras import ops

from zoo.data.spans import Span, form, parts
from zoo.layers.crf import best_tags

NOTHING = "nothing"  # stands for the missing partner of a span that is missed or invented


@keras.saving.register_keras_serializable("zoo")
class SpanF1(keras.metrics.Metric):
    """The F1 of the spans in `zoo.layers.crf.best_tags`, over all batches.

    Pass it as `weighted_metrics=`, with weight 0 on padding. An I that continues no span of its type begins one.

    Args:
        tags: the N BIO tags, in the order of their ids.
    """

    def __init__(self, tags: Sequence[str], name: str = "f1", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.tags = list(tags)
        marks = [parts(tag) for tag in self.tags]
        types = sorted({kind for _, kind in marks})
        self.begin, self.inside = ([mark == wanted for mark, _ in marks] for wanted in "BI")
        self.types = [types.index(kind) for _, kind in marks]
        self.right, self.predicted, self.true = (
            self.add_variable((), "zeros", name=part) for part in ("right", "predicted", "true")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: int[B, T] tags, the output of a tagging layer, float[B, T] weights."""
        y_true = ops.maximum(ops.cast(y_true, "int32"), 0)  # −1 is a tag that training does not have
        keep_mask = ops.ones_like(y_true, bool) if sample_weight is None else ops.convert_to_tensor(sample_weight) > 0
        true, predicted = (
            self._spans(tags, keep_mask) for tags in (y_true, best_tags(ops.convert_to_tensor(y_pred))[0])
        )
        right = true[0] & predicted[0]
        for one, other in zip(true[1:], predicted[1:], strict=True):
            right = right & ops.equal(one, other)
        for total, found in ((self.right, right), (self.predicted, predicted[0]), (self.true, true[0])):
            total.assign_add(ops.sum(ops.cast(found, total.dtype)))

    def _spans(self, tags, keep_mask):
        """Whether a span begins at each token bool[B, T], its type and its end int[B, T]."""
        inside, begin = (ops.take(ops.convert_to_tensor(part), tags) & keep_mask for part in (self.inside, self.begin))
        types = ops.where(inside | begin, ops.take(ops.convert_to_tensor(self.types), tags), -1)
        goes_on = inside[:, 1:] & ops.equal(types[:, 1:], types[:, :-1])
        goes_on = ops.pad(goes_on, ((0, 0), (1, 0)))  # the span of the token before
        begins = begin | (inside & ~goes_on)
        places = ops.arange(ops.shape(tags)[1])
        breaks = (places[None, :] > places[:, None])[None] & ~goes_on[:, None, :]  # [B, T, T]
        ends = ops.min(ops.where(breaks, places, ops.shape(tags)[1]), axis=-1)
        return begins, types, ends

    def result(self):
        return 2 * self.right / ops.maximum(self.predicted + self.true, 1)

    def get_config(self):
        return super().get_config() | {"tags": self.tags}


def shares(predicted: Sequence[Sequence[Span]], *, truth: Sequence[Sequence[Span]]) -> dict[str, float]:
    """f1, precision and recall over all sentences. F1 is NaN if there is neither a true nor a predicted span."""
    right = sum(len({*found} & {*true}) for found, true in zip(predicted, truth, strict=True))
    guesses, trues = (sum(len({*spans}) for spans in part) for part in (predicted, truth))
    f1 = 2 * right / (guesses + trues) if guesses + trues else float("nan")
    return {"f1": f1, "precision": right / guesses if guesses else 0.0, "recall": right / trues if trues else 0.0}


def scores(
    predicted: Sequence[Sequence[Span]],
    *,
    truth: Sequence[Sequence[Span]],
    tokens: Sequence[Sequence[str]],
    known: Container[str],
) -> dict[str, float]:
    """`shares`, and unseen_f1: the F1 of the spans whose text is not the text of a span in training.

    Args:
        predicted, truth: the spans of each sentence.
        tokens: the words of each sentence.
        known: the `zoo.data.spans.form` of every span in training.
    """

    def unseen(rows: Sequence[Sequence[Span]]) -> list[list[Span]]:
        pairs = zip(tokens, rows, strict=True)
        return [[span for span in spans if form(words, span) not in known] for words, spans in pairs]

    return shares(predicted, truth=truth) | {"unseen_f1": shares(unseen(predicted), truth=unseen(truth))["f1"]}


def by_type(predicted: Sequence[Sequence[Span]], *, truth: Sequence[Sequence[Span]]) -> list[dict]:
    """One row for each type: type, precision, recall, f1, true (how many there are), predicted."""
    rows = []
    for kind in sorted({span.type for spans in (*predicted, *truth) for span in spans}):
        found, true = ([[span for span in spans if span.type == kind] for spans in part] for part in (predicted, truth))
        counts = {"true": sum(map(len, true)), "predicted": sum(map(len, found))}
        rows.append({"type": kind, **shares(found, truth=true), **counts})
    return rows


def table(predicted: Sequence[Sequence[Span]], *, truth: Sequence[Sequence[Span]]) -> str:
    """`by_type` and the counts of `errors` as text."""
    rows = by_type(predicted, truth=truth)
    width = max([len(row["type"]) for row in rows] + [len("type")])
    lines = [f"{'type':{width}}  precision  recall     f1   true  predicted"]
    for row in rows:
        shares = f"{row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}"
        lines.append(f"{row['type']:{width}}  {shares}  {row['true']:5}  {row['predicted']:9}")
    counts = errors(predicted, truth=truth)
    lines += ["", *(f"{kind:>8} {count:6}  {ERRORS[kind]}" for kind, count in counts.items())]
    return "\n".join(lines) + "\n"


ERRORS = {
    "boundary": "predicted spans that overlap a true span and begin or end elsewhere",
    "type": "predicted spans with the right tokens and a wrong type",
    "missed": "true spans that no predicted span overlaps",
    "invented": "predicted spans that overlap no true span",
}


def errors(predicted: Sequence[Sequence[Span]], *, truth: Sequence[Sequence[Span]]) -> dict[str, int]:
    """How many errors of each kind there are: boundary, type, missed, invented; see `ERRORS`."""
    counts = dict.fromkeys(ERRORS, 0)
    for found, true in zip(predicted, truth, strict=True):
        places = {span[:2] for span in true}
        for span in set(found) - set(true):
            near = any(span.overlaps(other) for other in true)
            counts["type" if span[:2] in places else "boundary" if near else "invented"] += 1
        counts["missed"] += sum(not any(span.overlaps(other) for other in found) for span in true)
    return counts


def pairs(predicted: Sequence[Sequence[Span]], *, truth: Sequence[Sequence[Span]]) -> Iterator[tuple[str, str]]:
    """(true type, predicted type) of spans that overlap; a missed or an invented span has `NOTHING` as its partner.

    Each true span is paired with the predicted span that shares most tokens with it.
    """
    for found, true in zip(predicted, truth, strict=True):
        for span in true:
            near = [other for other in found if span.overlaps(other)]
            best = max(near, key=lambda o: min(o.end, span.end) - max(o.start, span.start), default=None)
            yield span.type, best.type if best else NOTHING
        for span in found:
            if not any(span.overlaps(other) for other in true):
                yield NOTHING, span.type


def quality(predicted: Sequence[Span], truth: Sequence[Span]) -> float:
    """The F1 of one sentence; 1 where there is no span and none was found."""
    f1 = shares([predicted], truth=[truth])["f1"]
    return 1.0 if np.isnan(f1) else f1
