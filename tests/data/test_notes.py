"""Laws of pieces as tokens: any order of notes is the same step, and text and tokens come back as they were."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import notes

HELD, STRUCK = notes.Notes.of(held=True), notes.Notes.of(held=False)


def through(tokens: notes.Notes, *pieces: str, **how) -> list[str]:
    """Encoded and decoded again."""
    found = tokens.decode(tokens.encode(tf.constant(pieces), **how).to_tensor())
    return [text.decode() for text in found.numpy()]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ("48 64 | 48~ 65 | |", "48 64 | 48~ 65 | |"),
        ("67 60 64|12", "60 64 67 | 12 |"),  # in any order; the last step need not be closed
        ("60 60~ 60 |", "60 |"),  # struck wins over held
        ("", ""),
        (" | ", "|"),
    ],
)
def test_a_piece_comes_back_in_order(piece, expected):
    assert through(HELD, piece) == [expected]
    assert through(HELD, "5 |", piece, "|") == ["5 |", expected, "|"]  # whatever stands around it
    assert notes.write(notes.read(expected)) == expected


def test_without_held_notes_they_are_struck():
    assert through(STRUCK, "60~ 64 |") == ["60 64 |"]
    assert len(STRUCK) == notes.FIRST_NOTE + 128
    assert len(HELD) == notes.FIRST_NOTE + 256


@pytest.mark.parametrize("wrong", ["x", "128 |", "-1", "60~~", "6 0 c |"])
def test_wrong_words_are_refused_or_left_out(wrong):
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected pitches from 0 to 127"):
        HELD.encode(tf.constant(["60 |", wrong]), strict=True)
    assert through(HELD, f"60 | 61 {wrong}")[0].startswith("60 |")


def test_the_tokens_are_kept_in_a_file(tmp_path):
    for tokens in (HELD, STRUCK):
        tokens.save(tmp_path / "tokens.notes")
        loaded = notes.Notes.load(tmp_path / "tokens.notes")
        assert (loaded.tokens, loaded.held) == (tokens.tokens, tokens.held)


def test_steps_are_added_up_without_the_end_and_padding():
    tokens = tf.constant([[63, 67, 2, 2, 70, 2, 1], [2, 1, 0, 0, 0, 0, 0]])
    found = notes.add_up(tf.constant([[1, 2, 4, 8, 16, 32, 64], [1, 2, 4, 4, 4, 4, 4]]), tokens)
    assert found.numpy().tolist() == [[7, 8, 48], [1, 0, 0]]
    assert notes.steps_of(tokens).numpy().tolist() == [3, 1]


def test_outer_voices():
    tokens = HELD.encode(tf.constant(["48 64~ | | 50 |", "", "5 9 | 6 7 8 |"])).to_tensor()
    top, bass = (notes.outer_voice(tokens, tf.fill([3], lowest)) for lowest in (False, True))
    assert [line.decode() for line in HELD.lookup(top).numpy()[0]] == ["64~", "<pad>", "50"]
    assert [line.decode() for line in HELD.lookup(bass).numpy()[2]][:2] == ["5", "6"]
    assert not top.numpy()[1].any()


def test_how_long_notes_sound():
    piece = "48 64 | 48~ 64 | 48~ | 50 |"
    assert notes.spans(piece, join=False) == [(48, 0, 3), (64, 0, 1), (64, 1, 2), (50, 3, 4)]
    assert notes.spans(piece, join=True) == [(48, 0, 3), (64, 0, 2), (50, 3, 4)]
    assert notes.head(piece, 2) == "48 64 | 48~ 64 |"
    assert notes.head(piece, 99) == piece
    assert notes.head(piece, 0) == ""


def test_transposing_moves_all_notes_and_nothing_else():
    tokens = HELD.encode(tf.constant(["60 64~ |", "0 | 127 |", "126~ |", "|"])).to_tensor().numpy()
    moved = notes.transpose(tokens, np.array([-3, 5, 5, 5]))
    assert HELD.decode(tf.constant(moved)).numpy().tolist() == [b"57 61~ |", b"0 | 127 |", b"127~ |", b"|"]
    assert moved.dtype == tokens.dtype
