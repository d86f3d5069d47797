"""The pictures of a run, one module per kind. Each function writes one file."""

from zoo.plots import (
    alarms,
    attention,
    calibration,
    confusion,
    costs,
    forecasts,
    learning,
    lengths,
    lives,
    piano_roll,
    pictures,
    shaded,
    spans,
    tables,
    tags,
    trials,
)

__all__ = [
    "alarms",
    "attention",
    "calibration",
    "confusion",
    "costs",
    "forecasts",
    "learning",
    "lengths",
    "lives",
    "piano_roll",
    "pictures",
    "shaded",
    "spans",
    "tables",
    "tags",
    "trials",
]
