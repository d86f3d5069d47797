"""The pictures of a run, one module per kind. Each function writes one file."""

from zoo.plots import attention, confusion, forecasts, learning, lengths, lives, pictures, shaded, tables, tags

__all__ = [
    "attention",
    "confusion",
    "forecasts",
    "learning",
    "lengths",
    "lives",
    "pictures",
    "shaded",
    "tables",
    "tags",
]
