"""Classical methods that stand beside every result, one module per family of tasks."""

from zoo.baselines import (
    alarms,
    captions,
    forecasts,
    labels,
    life,
    ngrams,
    notes,
    spans,
    tags,
    transcripts,
    translation,
)
from zoo.baselines.baseline import Baseline

__all__ = [
    "Baseline",
    "alarms",
    "captions",
    "forecasts",
    "labels",
    "life",
    "ngrams",
    "notes",
    "spans",
    "tags",
    "transcripts",
    "translation",
]
