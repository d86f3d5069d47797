"""The pictures of a run, one module per kind. Each function writes one file."""

from zoo.plots import attention, confusion, learning, lengths, pictures, shaded, tags

__all__ = ["attention", "confusion", "learning", "lengths", "pictures", "shaded", "tags"]
