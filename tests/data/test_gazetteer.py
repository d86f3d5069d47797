"""The gazetteer: the longest name wins, names do not cross sentences, and a codec keeps it."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.data.codec import Codec
from zoo.data.gazetteer import Gazetteer
from zoo.errors import InputError

FILE = "LOC\tNew York\nORG\tNew York Times\nPER\tYork\nORG\tYork\n\n"  # LOC, ORG, PER; B then I


@pytest.fixture
def gazetteer(tmp_path):
    (tmp_path / "names.tsv").write_text(FILE)
    return Gazetteer.read(str(tmp_path / "names.tsv"))


def marks(gazetteer, *sentences):
    tokens = tf.ragged.constant(sentences, dtype=tf.string, ragged_rank=1)
    return tf.function(gazetteer)(tokens).numpy().astype(int).tolist()


def test_the_longest_name_at_each_word(gazetteer):
    assert gazetteer.types == ["LOC", "ORG", "PER"]
    new, york, times, new_again, york_again = marks(gazetteer, ["new", "YORK", "Times"], ["New"], ["York"])
    assert new == [0, 1, 0, 0, 0, 0]
    assert york == [0, 1, 1, 0, 1, 0]  # begins a name of its own, and continues the longer one
    assert times == [0, 0, 0, 0, 1, 0]
    assert new_again == [0] * 6  # the next word is in another sentence
    assert york_again == [0, 1, 1, 0, 0, 0]
    assert marks(gazetteer, []) == []
    assert marks(gazetteer, ["a"]) == [[0] * 6]


def test_a_codec_keeps_it(gazetteer, tmp_path):
    Codec(gazetteer=gazetteer).save(tmp_path / "codec")
    again = Codec.load(tmp_path / "codec").gazetteer
    assert again.entries == gazetteer.entries
    np.testing.assert_array_equal(marks(again, ["New", "York"]), marks(gazetteer, ["New", "York"]))


@pytest.mark.parametrize(("text", "says"), [("LOC Oslo\n", "line 1: 'LOC Oslo'; expected a type"), ("\n", "no name")])
def test_a_wrong_line_is_named(tmp_path, text, says):
    (tmp_path / "names.tsv").write_text(text)
    with pytest.raises(InputError, match=says):
        Gazetteer.read(str(tmp_path / "names.tsv"))
