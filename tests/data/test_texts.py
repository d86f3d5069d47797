"""Texts without labels from files, folders and TFDS, and the refusals that say the way out."""

import gzip

import pytest

from zoo.data import splits
from zoo.data.formats import texts
from zoo.data.samples import grammar
from zoo.errors import InputError


def read(data, split="train", **options):
    found = texts.texts(str(data), split, sample=grammar.examples, **options)
    return found and [example["text"] for example in found]


def test_each_line_is_a_text_and_keeps_its_blanks(tmp_path):
    (tmp_path / "wiki.train.tokens").write_bytes("\ufeff = Title = \n \n\nA <unk>\u2028word .\r\nlast".encode())
    with gzip.open(tmp_path / "wiki.valid.tokens.gz", "wb") as file:
        file.write(b"one\ntwo\n")
    assert read(tmp_path) == [" = Title = ", " ", "", "A <unk>\u2028word .", "last"]
    assert read(tmp_path, "validation") == ["one", "two"]
    assert read(tmp_path, "test") is None


def test_a_whole_file_is_one_text(tmp_path):
    (tmp_path / "train.txt").write_text("one\n\ntwo\n")
    (tmp_path / "test.txt").write_text("three\n")
    assert read(tmp_path, whole=True) == ["one\n\ntwo"]
    assert read(tmp_path, "test", whole=True) == ["three"]


def test_a_folder_of_files_for_each_split(tmp_path):
    for folder, names in {"train": ("b.txt", "a.txt", "notes.md"), "dev": ("c.txt.gz",)}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            with (gzip.open if name.endswith(".gz") else open)(tmp_path / folder / name, "wt") as file:
                file.write(f"{name} 1\n{name} 2\n")
    assert read(tmp_path) == ["a.txt 1", "a.txt 2", "b.txt 1", "b.txt 2"]
    assert read(tmp_path, whole=True) == ["a.txt 1\na.txt 2", "b.txt 1\nb.txt 2"]
    assert read(tmp_path, "validation") == ["c.txt.gz 1", "c.txt.gz 2"]
    assert read(tmp_path, "test") is None
    (tmp_path / "train.txt").write_text("x")
    with pytest.raises(InputError, match=r"both train\.txt and train/; keep one"):
        read(tmp_path)


def test_a_table_has_a_column_of_texts(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "one\\ntwo", "label": 1}\n{"text": "three"}\n')
    assert read(tmp_path) == ["one\ntwo", "three"]
    assert read(tmp_path, whole=True) == ["one\ntwo", "three"]
    with pytest.raises(InputError, match=r'train\.jsonl line 1: no "body".*--text-column'):
        read(tmp_path, text_column="body")


def test_a_file_without_splits_is_cut_by_place(tmp_path):
    lines = [f"line {number}" for number in range(100)]
    (tmp_path / "input.txt").write_text("\n".join(lines))
    (tmp_path / "README.txt").write_text("About the text.")
    for data in (tmp_path, tmp_path / "input.txt"):
        assert read(data) == lines
        assert read(data, "validation") is None
        assert read(data, "test") is None
    train = texts.texts(str(tmp_path), "train", sample=grammar.examples)
    rest, held = splits.hold_out(train, splits.contiguous("text"), fraction=0.1, seed=0)
    assert [example["text"] for example in rest] == lines[:90]
    assert [example["text"] for example in held] == lines[90:]
    with pytest.raises(InputError, match=r"input\.txt is the only text if files are read whole.*read each line"):
        read(tmp_path, whole=True)


def test_files_without_splits_are_read_in_the_order_of_their_names(tmp_path):
    for chapter in ("02.txt", "01.txt", "10.txt"):
        (tmp_path / chapter).write_text(f"chapter {chapter}\n")
    assert read(tmp_path, whole=True) == ["chapter 01.txt", "chapter 02.txt", "chapter 10.txt"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no train split in .*: expected train.txt, .* or a folder train/ of such files; found nothing"),
        (("valid.txt", "book.txt"), r"no train split in .*; found book\.txt, valid\.txt"),
        (("train.txt", "my-train.txt"), r"two files for the train split .*: my-train\.txt and train\.txt"),
    ],
)
def test_a_directory_that_cannot_be_read(tmp_path, names, message):
    for name in names:
        (tmp_path / name).write_text("text\n")
    with pytest.raises(InputError, match=message):
        read(tmp_path)


def test_a_path_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist; it takes sample, tfds:NAME or a directory with"):
        read(tmp_path / "nowhere")
    (tmp_path / "book.pdf").write_bytes(b"%PDF")
    with pytest.raises(InputError, match=r"book\.pdf is not a text file: expected \.txt, \.tokens, \.jsonl"):
        read(tmp_path / "book.pdf")
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match=r"train/ has no texts: expected files \.txt"):
        read(tmp_path)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_text_is_refused(tmp_path, content, whole):
    (tmp_path / "train.txt").write_text(content)
    with pytest.raises(InputError, match=r"train\.txt has no text: expected"):
        read(tmp_path, whole=whole)


def test_bytes_that_are_not_utf_8_and_a_damaged_file(tmp_path):
    (tmp_path / "train.txt").write_bytes(b"caf\xe9\n")
    assert read(tmp_path) == ["caf\ufffd"]
    (tmp_path / "test.txt.gz").write_bytes(gzip.compress(b"text\n" * 100)[:-12])
    with pytest.raises(InputError, match=r"test\.txt\.gz cannot be read"):
        read(tmp_path, "test")


def test_the_sample_and_tfds():
    import tensorflow_datasets as tfds

    assert read("sample", "validation") is None
    assert read("sample", "test") == [example["text"] for example in grammar.examples("test")]
    with tfds.testing.mock_data(num_examples=3):
        rows = read("tfds:imdb_reviews", "test")
        with pytest.raises(InputError, match=r"no 'body'; --text-column is one of .*text"):
            read("tfds:imdb_reviews", text_column="body")
    assert len(rows) == 3
    assert all(isinstance(row, str) for row in rows)
