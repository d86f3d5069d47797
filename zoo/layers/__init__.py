"""Layers for sequences. Masks are `keep_mask`, True = real token, right-padded, and always passed explicitly."""

from zoo.layers import crf
from zoo.layers.characters import CharCNN, CharRNN, spelling
from zoo.layers.decoders import AttentionDecoder
from zoo.layers.encoders import Pooling, RecurrentEncoder, WordDropout, streaming
from zoo.layers.images import ImageEncoder, everywhere
from zoo.layers.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from zoo.layers.tokens import TokenEmbedding

__all__ = [
    "AttentionDecoder",
    "Bidirectional",
    "CharCNN",
    "CharRNN",
    "GRU",
    "ImageEncoder",
    "LSTM",
    "Pooling",
    "RecurrentEncoder",
    "SimpleRNN",
    "TokenEmbedding",
    "WordDropout",
    "crf",
    "everywhere",
    "spelling",
    "streaming",
]
