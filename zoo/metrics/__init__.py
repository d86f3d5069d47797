"""Metrics: `Metric` declares one for a task; the modules of this package compute them, one per family of tasks."""

from zoo.metrics import (
    alarms,
    captions,
    characters,
    intents,
    labels,
    life,
    notes,
    perplexity,
    series,
    spans,
    tags,
    transcripts,
    translation,
)
from zoo.metrics.metric import Metric, direction, from_model, reported_first

__all__ = [
    "Metric",
    "alarms",
    "captions",
    "characters",
    "direction",
    "from_model",
    "intents",
    "labels",
    "life",
    "notes",
    "perplexity",
    "reported_first",
    "series",
    "spans",
    "tags",
    "transcripts",
    "translation",
]
