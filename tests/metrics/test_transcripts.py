"""Word and character error rates."""

import pytest

from zoo.metrics import transcripts


def test_errors_are_counted_over_all_texts():
    found = transcripts.scores(["a b", "", "x y z"], truth=["a c", "d", "x z"])
    assert found["wer"] == pytest.approx(3 / 5)  # b for c, d is missing, y is too much
    assert found["cer"] == pytest.approx(4 / 7)  # of "a c", "d" and "x z": b for c, d, and "y "


def test_speakers_are_sorted_by_their_errors():
    rows = transcripts.by_speaker(["a", "b", "c"], truth=["a", "x", "c"], speakers=["ann", "bob", "ann"])
    assert [(row["speaker"], row["recordings"], row["wer"]) for row in rows] == [("bob", 1, 1.0), ("ann", 2, 0.0)]
