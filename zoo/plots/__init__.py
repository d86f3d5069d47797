"""The pictures of a run, one module per kind. Each function writes one file."""

from zoo.plots import (
    alarms,
    attention,
    calibration,
    confusion,
    forecasts,
    learning,
    lengths,
    lives,
    piano_roll,
    pictures,
    shaded,
    spans,
    speech,
    tables,
    tags,
)

__all__ = [
    "alarms",
    "attention",
    "calibration",
    "confusion",
    "forecasts",
    "learning",
    "lengths",
    "lives",
    "piano_roll",
    "pictures",
    "shaded",
    "spans",
    "speech",
    "tables",
    "tags",
]
