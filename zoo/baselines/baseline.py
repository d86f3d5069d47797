"""The result of a classical method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """The result of a classical method on the test split: either its answers or its metrics.

    A tagger gives answers, which the task scores like the model's own. An n-gram model has a perplexity and no
    answers, so it gives metrics.

    Attributes:
        name: the method as it is shown in tables.
        answers: one dict per test example, in the form of the task's served answers.
        metrics: name → value, for names in the task's METRICS.
        seconds: that it took, if the task measures several methods itself.

    Raises:
        ValueError: both or neither of `answers` and `metrics` are given.
    """

    name: str
    answers: Sequence[dict] | None = None
    metrics: Mapping[str, float] | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if (self.answers is None) == (self.metrics is None):
            raise ValueError(f"baseline {self.name!r} needs either answers or metrics")
