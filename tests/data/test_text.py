"""Tokens, vocabularies and codecs: the same in tf.data as outside, and an answer for any bytes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data import subwords, text
from zoo.data.codec import Codec
from zoo.errors import InputError


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
    Codec(words=words, labels=text.Vocabulary(["no", "yes"])).save(tmp_path)
    loaded = Codec.load(tmp_path)
    assert loaded.words.tokens == words.tokens
    assert loaded.labels.tokens == ("no", "yes")
    assert (tmp_path / "labels.txt").read_text() == "no\nyes\n"


SENTENCES = [
    "Zwei Männer kochen.", "Two men don't cook; they eat!", "Ein Hund bellt.", "The dog barks.",
    "A dog and a man.", "Ein Mann und ein Hund.",
]  # fmt: skip
WRITERS = [
    pytest.param(lambda: text.Words.learn_from(SENTENCES, size=500), id="words"),
    pytest.param(lambda: subwords.Subwords.learn_from(SENTENCES, size=80), id="subwords"),
]


@pytest.mark.parametrize("learn", WRITERS)
def test_what_is_written_can_be_read(learn, tmp_path):
    codec = Codec(target=learn())
    ids = codec.target.encode(tf.constant(SENTENCES))
    assert min(ids.flat_values.numpy()) >= len(text.SPECIAL), "no unknown pieces in training"
    target_in, target_out = text.framed(ids, start=codec.target.start, end=codec.target.end)
    for written in (ids, target_in, target_out):  # padding, start and end are not text
        assert [line.decode() for line in codec.target.decode(written.to_tensor()).numpy()] == SENTENCES
    np.testing.assert_array_equal(target_in[:, 1:].flat_values, ids.flat_values)
    np.testing.assert_array_equal(target_out[:, :-1].flat_values, ids.flat_values)

    codec.save(tmp_path)
    again = Codec.load(tmp_path)
    assert again.target.tokens == codec.target.tokens
    np.testing.assert_array_equal(again.target.encode(tf.constant(SENTENCES)).flat_values, ids.flat_values)


@pytest.mark.parametrize("learn", WRITERS)
def test_any_bytes_are_read(learn):
    writer = learn()
    odd = ["", " \t ", "犬が吠える", "\x00\x01", b"\xff\xfe dog", "▁", "dog " * 300, "\u200b<pad> </s>"]
    ids = writer.encode(tf.constant(odd))
    assert ids.row_lengths().numpy()[:2].tolist() == [0, 0]
    assert int(ids.row_lengths()[6]) >= 300
    assert not {0, writer.start, writer.end} & set(ids.flat_values.numpy())
    writer.decode(ids.to_tensor())


def test_words_are_written_with_their_spacing():
    words = text.Words.learn_from(SENTENCES, size=500)
    assert words.split(tf.constant(["Don't  stop."])).to_list() == [
        ["▁Don".encode(), b"'", b"t", "▁stop".encode(), b"."]
    ]
    assert words.decode(words.encode(tf.constant(["The unicorn barks."]))).numpy() == [b"The <unk> barks."]


def test_subword_file_is_one_of_sentencepiece(tmp_path):
    import sentencepiece

    pieces = subwords.Subwords.learn_from(SENTENCES, size=80)
    Codec(source=pieces).save(tmp_path)
    other = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "source.model"))
    assert other.encode(SENTENCES) == pieces.encode(tf.constant(SENTENCES)).to_list()
    lines = (tmp_path / "source.vocab").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == list(pieces.tokens)


def test_too_few_subwords_are_refused():
    with pytest.raises(InputError, match=r"cannot learn 10 subwords: .*10"):
        subwords.Subwords.learn_from(SENTENCES, size=10)


def test_counts_are_of_every_id(tmp_path):
    counts = text.TokenCounts.of([tf.ragged.constant([[1, 3], [3]]), tf.ragged.constant([[0]])], size=5)
    assert counts.counts.tolist() == [1, 1, 0, 2, 0]
    Codec(frequency=counts).save(tmp_path)
    assert Codec.load(tmp_path).frequency.counts.tolist() == [1, 1, 0, 2, 0]


@pytest.mark.parametrize("rows", [[[1, 2], [], [3]], [[]], []])
def test_insert_adds_one_to_each_row(rows):
    ragged = tf.ragged.constant(rows, tf.int32, ragged_rank=1)
    assert text.insert(ragged, 9, at="start").to_list() == [[9, *row] for row in rows]
    assert text.insert(ragged, 9, at="end").to_list() == [[*row, 9] for row in rows]
