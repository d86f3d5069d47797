"""Layers for sequences. Masks are `keep_mask`, True = real token, right-padded, and always passed explicitly."""

from zoo.layers.encoders import Pooling, RecurrentEncoder

__all__ = ["Pooling", "RecurrentEncoder"]
