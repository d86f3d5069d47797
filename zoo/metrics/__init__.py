"""Metrics: `Metric` declares one for a task; the modules of this package compute them, one per family of tasks."""

from zoo.metrics import captions, characters, labels, life, perplexity, series, tags, translation
from zoo.metrics.metric import Metric, direction, from_model

__all__ = [
    "Metric",
    "captions",
    "characters",
    "direction",
    "from_model",
    "labels",
    "life",
    "perplexity",
    "series",
    "tags",
    "translation",
]
