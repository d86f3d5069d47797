"""The pictures of a run, one module per kind. Each function writes one file."""

from zoo.plots import (
    alarms,
    attention,
    calibration,
    confusion,
    forecasts,
    inspection,
    learning,
    lengths,
    lives,
    piano_roll,
    pictures,
    shaded,
    spans,
    tables,
    tags,
)

__all__ = [
    "alarms",
    "attention",
    "calibration",
    "confusion",
    "forecasts",
    "inspection",
    "learning",
    "lengths",
    "lives",
    "piano_roll",
    "pictures",
    "shaded",
    "spans",
    "tables",
    "tags",
]
