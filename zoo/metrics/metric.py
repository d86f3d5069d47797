"""The declaration of a metric: its name, its direction (higher or lower is better), and its format.

A task module lists its metrics. The first one is reported, unless a recipe names another:

    METRICS = (
        Metric("bleu", format=".1f"),
        Metric("perplexity", better="min", format=".2f", of="model"),
    )

This file loads neither Keras nor NumPy, so that a task's declarations can be read in milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from zoo.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Metric:
    """The name, the direction and the format of one metric.

    Attributes:
        name: its key in metrics.json; during training the key is val_NAME.
        better: "max" if higher values are better, or "min"; "none" if neither is, as for the coverage of an interval.
        format: a format specification such as ".1%" for a share or ".1f" for BLEU.
        of: "answers" if it compares the served answers with the truth. "model" if `model.evaluate` computes it, with
            the true sequence as the decoder's input (teacher forcing).

    Raises:
        ValueError: `better` or `of` is none of the words above, or `format` does not fit a float.
    """

    name: str
    better: Literal["max", "min", "none"] = "max"
    format: str = ".3f"
    of: Literal["answers", "model"] = "answers"

    def __post_init__(self) -> None:
        if self.better not in ("max", "min", "none"):
            raise ValueError(f"metric {self.name}: better is {self.better!r}, expected 'max', 'min' or 'none'")
        if self.of not in ("answers", "model"):
            raise ValueError(f"metric {self.name}: of is {self.of!r}, expected 'answers' or 'model'")
        self.text(0.5)

    def text(self, value: float) -> str:
        """The value in the declared format."""
        return format(value, self.format)

    @property
    def arrow(self) -> str:
        """↑ if higher values are better, ↓ if lower ones are, else nothing."""
        return {"max": "↑", "min": "↓", "none": ""}[self.better]


def direction(name: str, metrics: Sequence[Metric]) -> Literal["max", "min"]:
    """Whether higher or lower values of a monitored key are better.

    Args:
        name: a key of the training logs, such as "val_wer" or "val_loss".
        metrics: the task's declarations. A loss needs none.

    Raises:
        InputError: no metric of that name is declared, or none of its values is better than another.
    """
    metric = name.removeprefix("val_")
    if metric == "loss":
        return "min"
    directions: dict[str, Literal["max", "min"]] = {m.name: m.better for m in metrics if m.better != "none"}
    if metric in directions:
        return directions[metric]
    known = ["val_loss", *(f"val_{name}" for name in directions)]
    raise InputError(f"unknown metric {name!r}{did_you_mean(name, known)}: expected one of {', '.join(known)}")


def reported_first(metrics: Sequence[Metric], reported: str | None) -> list[Metric]:
    """The declarations with the reported one at the front.

    Args:
        reported: the name of a metric; None is the first of `metrics`.

    Raises:
        InputError: no metric of that name is declared.
    """
    known = [metric.name for metric in metrics]
    if reported is None:
        return list(metrics)
    if reported not in known:
        guess = did_you_mean(reported, known)
        raise InputError(f"reported is {reported!r}: expected one of {', '.join(known)}{guess}")
    return sorted(metrics, key=lambda metric: metric.name != reported)


def from_model(metrics: Sequence[Metric]) -> list[str]:
    """The keys that can be monitored without searching for answers: the loss and the model's own metrics."""
    return ["val_loss", *(f"val_{metric.name}" for metric in metrics if metric.of == "model")]
