"""Spans and their probabilities equal brute force over all tag sequences; characters are those of the text."""

import itertools

import keras
import numpy as np
import pytest

from zoo.data import spans, text, words
from zoo.layers import crf

if keras.config.backend() != "tensorflow":
    pytest.skip("answers are TensorFlow's", allow_module_level=True)

import tensorflow as tf

from zoo.answers import service, tags
from zoo.answers import spans as answers

TAGS = text.Vocabulary(spans.bio(["X", "Y"]))
LENGTHS = np.array([4, 1, 0, 3])
TOKENS = tf.constant([[f"w{t}" if t < length else "" for t in range(4)] for length in LENGTHS])


def chain_of(output="crf", seed=0):
    """The output of a random tagging layer, with one step more than there are tokens."""
    random = np.random.default_rng(seed)
    size = len(TAGS)
    layer = crf.CRF(size, spans.allowed(TAGS.tokens)) if output == "crf" else crf.Softmax(size)
    layer.build((None, None, size))
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    keep_mask = np.arange(5) < np.maximum(LENGTHS, 1)[:, None]
    return layer(random.normal(size=(4, 5, size)).astype("float32") * 2, keep_mask)


@pytest.mark.parametrize("output", ["crf", "softmax"])
def test_the_probability_of_a_span_is_the_sum_over_all_tag_sequences_with_it(output):
    for seed in range(4):
        log_probs = chain_of(output, seed)
        found = tags.answer(log_probs, tf.constant(LENGTHS, tf.int32), tags=TAGS)
        marked = answers.answer(log_probs, found.best, found.every, TOKENS, tf.constant(LENGTHS, tf.int32), tags=TAGS)
        arrays = {name: value.numpy() for name, value in {**found.answer, **marked}.items()}
        for row, length in enumerate(LENGTHS):
            mine = service.row(arrays, row)
            paths = list(itertools.product(range(len(TAGS)), repeat=int(length)))
            chain = tf.repeat(log_probs[row : row + 1, :length], len(paths), axis=0)
            log_p = -tf.reduce_sum(crf.tag_nll(np.array(paths, int).reshape(len(paths), -1), chain), axis=1)
            names = [[TAGS.tokens[i] for i in path] for path in paths]
            got = list(map(spans.Span, mine["span_start"], mine["span_end"], mine["span_type"]))
            assert got == spans.read(mine["tags"])
            for span, probability, shown in zip(got, mine["span_probability"], mine["span_text"], strict=True):
                tagged = [
                    path[span.start : span.end] == mine["tags"][span.start : span.end]
                    and path[span.end : span.end + 1] != [f"I-{span.type}"]
                    for path in names
                ]
                assert probability == pytest.approx(float(np.sum(np.exp(log_p)[tagged])), abs=1e-5)
                if output == "crf":
                    tagged = [span in spans.read(path) for path in names]
                    assert probability == pytest.approx(float(np.sum(np.exp(log_p)[tagged])), abs=1e-5)
                assert shown == " ".join(f"w{t}" for t in range(span.start, span.end))


def test_no_token_has_no_span():
    log_probs = chain_of()[:, :1]
    lengths = tf.zeros([4], tf.int32)
    found = tags.answer(log_probs, lengths, tags=TAGS)
    marked = answers.answer(log_probs, found.best, found.every, tf.zeros([4, 0], tf.string), lengths, tags=TAGS)
    assert {name: value.shape for name, value in marked.items()} == {
        name: (4,) if name == "span_lengths" else (4, 0) for name in marked
    }


@pytest.mark.parametrize(
    "texts", [["  Ann-Lee\tof  U.S.\n", "", "日本 don't 🐟x!", "\x00 é e\u0301\u202e אב"], [""], ["  "], ["x" * 200]]
)
def test_characters_are_those_of_the_text(texts):
    tokens = words.split(tf.constant(texts))
    lists = tokens.to_list()
    most = max(map(len, lists))
    every = [[(start, end) for start in range(len(row)) for end in range(start + 1, len(row) + 1)] for row in lists]
    most = max(map(len, every))
    padded = np.array([row + [(0, 0)] * (most - len(row)) for row in every], np.int32).reshape(len(texts), most, 2)
    found = {"span_start": padded[..., 0], "span_end": padded[..., 1], "span_lengths": np.array(list(map(len, every)))}
    found = {name: tf.constant(value, tf.int32) for name, value in found.items()}
    got = answers.characters(tf.constant(texts), tokens, found)
    for row, whole in enumerate(texts):
        for place, (start, end) in enumerate(every[row]):
            first, last = (int(got[f"span_{side}_character"][row, place]) for side in ("start", "end"))
            part = "".join(c for c in whole[first:last] if c > " ")
            assert part == b"".join(lists[row][start:end]).decode()
            assert (
                got["span_text"][row, place].numpy().decode().split() == whole[first:last].replace("\x00", " ").split()
            )
