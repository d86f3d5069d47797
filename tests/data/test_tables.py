"""Files in the forms that users have, and the one line that each fault gets."""

import gzip
import json

import pytest

from zoo.data import remarks, text
from zoo.data.formats import files, tables, tfds
from zoo.errors import InputError

ROWS = [{"text": "good", "label": "pos"}, {"text": 'so "bad", really', "label": "neg"}]


def read(directory, split="train", text_column="text", label_column="label", group_column=None):
    found = tables.classification(
        str(directory),
        split,
        sample=lambda _: [],
        text_column=text_column,
        label_column=label_column,
        group_column=group_column,
    )
    return None if found is None else list(found)


def test_jsonl_csv_and_tsv_plain_and_gzipped_read_alike(tmp_path):
    csv_text = 'text,label\ngood,pos\n"so ""bad"", really",neg\n'
    files = {
        "train.jsonl": "\n".join(map(json.dumps, ROWS)) + "\n\n",
        "my_train.csv": csv_text,
        "x-train.tsv": 'text\tlabel\ngood\tpos\n"so ""bad"", really"\tneg\n',
    }
    for name, content in files.items():
        for zipped in (False, True):
            folder = tmp_path / f"{name}-{zipped}"
            folder.mkdir()
            data = content.encode()
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)
            assert read(folder) == ROWS, name


def test_numbers_are_labels_too(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 2.0}\n')
    assert [row["label"] for row in read(tmp_path)] == ["1", "2"]


def test_other_column_names(tmp_path):
    (tmp_path / "train.csv").write_text("stars,body\nfive,fine\n")
    assert read(tmp_path, text_column="body", label_column="stars") == [{"text": "fine", "label": "five"}]


def test_a_group_column_is_read(tmp_path):
    (tmp_path / "train.csv").write_text('text,label,film\nfine,pos,Alien\ndull,neg," Alien "\nodd,neg,7\n')
    (tmp_path / "test.jsonl").write_text('{"text": "fine", "label": 1, "film": 7.0}')
    assert [row["group"] for row in read(tmp_path, group_column="film")] == ["Alien", "Alien", "7"]
    assert read(tmp_path, "test", group_column="film") == [{"text": "fine", "label": "1", "group": "7"}]
    assert all(set(row) == {"text", "label"} for row in read(tmp_path)), "only if asked for"


def test_a_group_column_that_is_missing_is_named(tmp_path):
    (tmp_path / "train.csv").write_text("text,label,movie\nfine,pos,Alien\n")
    with pytest.raises(InputError, match=r"train.csv line 2: no \"film\"; it has .*'movie'.*--group-column names"):
        read(tmp_path, group_column="film")
    (tmp_path / "test.jsonl").write_text('{"text": "fine", "label": 1, "film": ""}')
    with pytest.raises(InputError, match="line 1: '' is not a valid group"):
        read(tmp_path, "test", group_column="film")
    with pytest.raises(InputError, match="--data sample has no column 'film'"):
        read("sample", group_column="film")
    (tmp_path / "validation" / "pos").mkdir(parents=True)
    with pytest.raises(InputError, match=r"folders of texts have no columns; --group-column"):
        read(tmp_path, "validation", group_column="film")


def test_acl_imdb_folders(tmp_path):
    for label in ("pos", "neg", "unsup"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "train" / label / "0_9.txt").write_text(f"a {label} review")
    assert read(tmp_path) == [{"text": "a neg review", "label": "neg"}, {"text": "a pos review", "label": "pos"}]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("imdb_train.jsonl.gz", "train"),
        ("en-dev.csv", "validation"),
        ("val.tsv", "validation"),
        ("x.valid.csv", "validation"),
        ("test_2016.csv", "test"),
    ],
)
def test_a_split_is_a_part_of_the_name(tmp_path, name, split):
    (tmp_path / name).touch()
    (tmp_path / "latest.csv").touch()  # "test" is in it, but is no part of it
    assert files.find_file(tmp_path, split, (".jsonl", ".csv", ".tsv")).name == name


def test_a_missing_validation_split_is_none_but_train_must_be_there(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,b\n")
    assert read(tmp_path, "validation") is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no train split in .*: expected train.jsonl.*; found nothing"),
        ({"notes.txt": "x"}, "found notes.txt"),
        (
            {"train.csv": "text,label\na,b\n", "train.jsonl": "{}"},
            "two files for the train split.*train.csv and train.jsonl",
        ),
        ({"train.jsonl": ""}, "train.jsonl is empty"),
        ({"train.csv": "text,label\n"}, "train.csv is empty"),
        ({"train.jsonl": '{"text": "a", "label": 1}\n{"text"'}, "train.jsonl line 2: not JSON"),
        ({"train.jsonl": "[1, 2]"}, "line 1: not a JSON object"),
        ({"train.jsonl": '{"text": "a"}'}, "line 1: no \"label\"; it has 'text'"),
        ({"train.jsonl": '{"text": "a", "label": ""}'}, "line 1: '' is not a valid label"),
        ({"train.jsonl": '{"text": "a", "label": [1]}'}, r"line 1: \[1\] is not a valid label"),
        ({"train.jsonl": '{"text": 5, "label": 1}'}, 'line 1: "text" is 5, not text'),
        ({"train.csv": "text,stars\na,5\n"}, 'line 2: no "label".*--label-column'),
        ({"train.csv": "text,label\nalone\n"}, 'line 2: no "label"'),
    ],
)
def test_each_fault_has_its_line(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_a_directory_that_is_none(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, not a directory"):
        read(tmp_path / "file")


def test_a_truncated_gzip_file_is_named(tmp_path):
    (tmp_path / "train.jsonl.gz").write_bytes(gzip.compress(json.dumps(ROWS[0]).encode())[:-9])
    with pytest.raises(InputError, match=r"train.jsonl.gz cannot be read"):
        read(tmp_path)


def test_bytes_that_are_not_utf8_are_read(tmp_path):
    (tmp_path / "train.csv").write_bytes(b"text,label\ncaf\xe9 \x00,b\n")
    assert read(tmp_path) == [{"text": "caf\ufffd \x00", "label": "b"}]


def test_half_a_surrogate_pair_is_read(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "\\ud83d", "label": "b"}')
    assert read(tmp_path)[0]["text"].encode() == b"?"


def test_a_megabyte_in_one_field(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n" + "word " * 200_000 + ",b\n")
    assert len(read(tmp_path)[0]["text"]) == 1_000_000


def test_tfds_reviews():
    import tensorflow_datasets

    with tensorflow_datasets.testing.mock_data(num_examples=6):
        rows = list(
            tables.classification(
                "tfds:imdb_reviews", "test", sample=lambda _: [], text_column="text", label_column="label"
            )
        )
        assert len(rows) == 6
        assert {row["label"] for row in rows} <= {"neg", "pos"}
        assert all(isinstance(row["text"], str) for row in rows)


def test_a_tfds_group_column():
    import tensorflow_datasets

    with tensorflow_datasets.testing.mock_data(num_examples=4):
        rows = read("tfds:imdb_reviews", "test", group_column="label")
        assert all(row["group"] == row["label"] in ("neg", "pos") for row in rows)
        with pytest.raises(InputError, match=r"no 'film'; --group-column is one of text, label"):
            read("tfds:imdb_reviews", "test", group_column="film")


def test_a_tfds_split_that_is_not_there_is_none():
    class Builder:
        def as_dataset(self, split):
            raise ValueError(f"Unknown split {split!r}")

    assert tfds.rows(Builder(), "validation", dict) is None


def test_tfds_that_does_not_exist():
    with pytest.raises(InputError, match=r"TFDS has no 'imdb_review'; did you mean 'imdb_reviews'\?"):
        tfds.builder("tfds:imdb_review")


def test_what_is_not_utf8_or_too_long_is_counted(tmp_path):
    import tensorflow as tf

    (tmp_path / "train.txt").write_bytes(b"fine\n\xff\xfe\nfine too\n")
    with remarks.collect() as seen:
        read = list(files.lines(tmp_path / "train.txt"))
        text.truncate(tf.strings.split(read), 1, "head")
    assert read == ["fine", "\ufffd\ufffd", "fine too"]
    assert {what: str(count) for what, count in seen.items()} == {
        "lines that are not UTF-8 (invalid bytes become U+FFFD)": "1",
        "longer than 1 tokens, cut": "1 of 3",
    }
    list(files.lines(tmp_path / "train.txt"))  # nobody collects
