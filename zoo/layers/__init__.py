"""Layers for sequences. Masks are called `keep_mask`: True = real step, right-padded, always passed as an argument."""

from zoo.layers import cells, crf, ctc, recurrent
from zoo.layers.anomalies import AlarmRule
from zoo.layers.characters import CharCNN, CharRNN, spelling
from zoo.layers.context import ContextStates
from zoo.layers.decoders import AttentionDecoder, decoder_cell
from zoo.layers.encoders import Pooling, RecurrentEncoder, WordDropout, streaming
from zoo.layers.frames import StackFrames
from zoo.layers.images import ImageEncoder, everywhere
from zoo.layers.notes import ChordContext, IntervalLogits
from zoo.layers.recurrent import GRU, LSTM, Bidirectional, SimpleRNN
from zoo.layers.rejection import Rejection
from zoo.layers.series import ForecastDecoder, Quantiles, SegmentForecaster
from zoo.layers.tokens import TokenEmbedding
from zoo.layers.wide import Blend
from zoo.layers.words import read_words

__all__ = [
    "AlarmRule",
    "AttentionDecoder",
    "Bidirectional",
    "Blend",
    "CharCNN",
    "CharRNN",
    "ContextStates",
    "ChordContext",
    "ForecastDecoder",
    "GRU",
    "ImageEncoder",
    "IntervalLogits",
    "LSTM",
    "Pooling",
    "Quantiles",
    "RecurrentEncoder",
    "Rejection",
    "SegmentForecaster",
    "SimpleRNN",
    "StackFrames",
    "TokenEmbedding",
    "WordDropout",
    "cells",
    "crf",
    "ctc",
    "decoder_cell",
    "everywhere",
    "read_words",
    "recurrent",
    "spelling",
    "streaming",
]
