"""Tokens, vocabularies and codecs: the same in tf.data as outside, and an answer for any bytes."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import text


def tokens(string: str | bytes) -> list[str]:
    return [token.decode() for token in text.tokenize(tf.constant([string])).to_list()[0]]


@pytest.mark.parametrize(
    ("string", "expected"),
    [
        ("A fine film.", ["a", "fine", "film", "."]),
        ("It didn't work", ["it", "did", "n't", "work"]),
        ("It didn’t work", ["it", "did", "n't", "work"]),
        ("one<br /><br>two", ["one", "two"]),
        ("10/10!!", ["10", "/", "10", "!", "!"]),
        ("don't 'quote'", ["do", "n't", "'quote'"]),
        ("Ünïcode CAFÉ", ["ünïcode", "café"]),
        ("wow😀good", ["wow", "😀", "good"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("a\0b\tc\nd", ["a", "b", "c", "d"]),
        ("", []),
        (" \n ", []),
        (b"caf\xc3 \xff ok", ["caf", "ok"]),
    ],
)
def test_tokens(string, expected):
    assert tokens(string) == expected


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=50))
@settings(max_examples=20, deadline=None)
def test_any_bytes_are_answered_alike_inside_a_pipeline(strings):
    eager = text.tokenize(tf.constant(strings)).to_list()
    dataset = tf.data.Dataset.from_tensors(tf.constant(strings)).map(text.tokenize)
    assert next(iter(dataset)).to_list() == eager
    for row in eager:
        for token in row:
            token.decode("utf-8")  # always UTF-8 afterwards


@pytest.mark.parametrize(("keep", "expected"), [("head", [1, 2, 3, 4]), ("tail", [3, 4, 5, 6]), ("both", [1, 2, 5, 6])])
def test_truncate_keeps_the_end_it_is_told(keep, expected):
    rows = tf.ragged.constant([[1, 2, 3, 4, 5, 6], [7, 8], []])
    assert text.truncate(rows, 4, keep).to_list() == [expected, [7, 8], []]


def test_vocabulary_ranks_by_count_then_alphabet():
    words = text.Vocabulary.learn([[b"b", b"a", b"c"], [b"c", b"d"]], size=5, first=(text.PADDING, text.UNKNOWN))
    assert words.tokens == ("<pad>", "<unk>", "c", "a", "b")
    assert words(tf.constant(["a", "d", "<pad>"])).numpy().tolist() == [3, 1, 0]
    assert words.lookup(tf.constant([2, 4])).numpy().tolist() == [b"c", b"b"]


def test_a_vocabulary_without_unknown_says_minus_one():
    assert text.Vocabulary(["no", "yes"])(tf.constant(["yes", "maybe"])).numpy().tolist() == [1, -1]


def test_min_count_leaves_rare_tokens_out():
    assert text.Vocabulary.learn([[b"a", b"a", b"b"]], min_count=2).tokens == ("a",)


def test_codec_is_the_same_after_saving(tmp_path):
    words = text.Vocabulary(["<pad>", "<unk>", "naïve", "😀", "#", "\u2028"])
    text.Codec(words=words, labels=text.Vocabulary(["no", "yes"])).save(tmp_path)
    loaded = text.Codec.load(tmp_path)
    assert loaded.words.tokens == words.tokens
    assert loaded.labels.tokens == ("no", "yes")
    assert (tmp_path / "labels.txt").read_text() == "no\nyes\n"
