"""Pairs of sentences from files: line n with line n, or a refusal that says why."""

import gzip

import pytest

from zoo.data.formats import parallel
from zoo.data.samples import sentence_pairs
from zoo.errors import InputError


def pairs(data, split="train", source="en", target="de"):
    found = parallel.pairs(str(data), split, sample=sentence_pairs.examples, source=source, target=target)
    return found and [(pair["source"], pair["target"]) for pair in found]


def test_only_a_line_feed_ends_a_line(tmp_path):
    (tmp_path / "train.en").write_bytes("one\u2028still one\r\n\ntwo\x0b\x85still two".encode())
    with gzip.open(tmp_path / "train.de.gz", "wb") as file:
        file.write("eins\nzwei\u00a0\n\n".encode())
    expected = [("one\u2028still one", "eins"), ("", "zwei\u00a0"), ("two\x0b\x85still two", "")]
    assert pairs(tmp_path) == expected
    assert pairs(tmp_path, source="de", target="en") == [(target, source) for source, target in expected]


def test_files_are_told_by_split_and_language(tmp_path):
    for name in ("train.en", "train.pt-br", "test_2016_flickr.en", "test_2016_flickr.pt-br", "val.en", "val.fr"):
        (tmp_path / name).write_text(f"{name}\n")
    found = pairs(tmp_path, "test", target="pt-br")
    assert found == [("test_2016_flickr.en", "test_2016_flickr.pt-br")]
    with pytest.raises(InputError, match=r"no validation split .*: expected validation\.en and validation\.pt-br"):
        pairs(tmp_path, "validation", target="pt-br")  # one half of it is there
    assert pairs(tmp_path, "validation", source="pt-br", target="it") is None


def test_unequal_files_are_refused_with_both_counts(tmp_path):
    (tmp_path / "train.en").write_text("a\nb\nc\n")
    (tmp_path / "train.de").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"train\.en has 3 lines and train\.de 2: line n of one must be"):
        pairs(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("sample", r"no 'fr'; --target is one of en, de"),
        ("nowhere", r"nowhere does not exist; it takes .* train\.en and train\.fr"),
    ],
)
def test_a_language_that_is_not_there_is_named(data, message):
    with pytest.raises(InputError, match=message):
        pairs(data, target="fr")


def test_tfds_translation_sets():
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=3):
        rows = pairs("tfds:ted_hrlr_translate/az_to_en", "validation", source="az", target="en")
        with pytest.raises(InputError, match=r"no 'xx'; --source is one of az, en"):
            pairs("tfds:ted_hrlr_translate/az_to_en", source="xx", target="en")
    assert len(rows) == 3
    assert all(isinstance(side, str) for row in rows for side in row)
