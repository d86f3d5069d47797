"""Layers for sequences. Masks are `keep_mask`, True = real token, right-padded, and always passed explicitly."""

from zoo.layers import crf
from zoo.layers.characters import CharCNN, CharRNN, spelling
from zoo.layers.decoders import AttentionDecoder
from zoo.layers.encoders import Pooling, RecurrentEncoder, WordDropout, streaming

__all__ = [
    "AttentionDecoder",
    "CharCNN",
    "CharRNN",
    "Pooling",
    "RecurrentEncoder",
    "WordDropout",
    "crf",
    "spelling",
    "streaming",
]
