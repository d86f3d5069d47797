"""Layers for sequences. Masks are `keep_mask`, True = real token, right-padded, and always passed explicitly."""

from zoo.layers import crf
from zoo.layers.characters import CharCNN, CharRNN
from zoo.layers.encoders import Pooling, RecurrentEncoder, WordDropout

__all__ = ["CharCNN", "CharRNN", "Pooling", "RecurrentEncoder", "WordDropout", "crf"]
