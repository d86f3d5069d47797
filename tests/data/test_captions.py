"""Lists and archives of captioned pictures as users have them."""

import io
import json
import tarfile
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests.data.test_images import BROKEN, JPEG, encoded, picture, pixels_of
from zoo.data.formats import captions, tfds
from zoo.data.samples import scenes
from zoo.errors import InputError


def write(folder, files: dict[str, bytes], rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(image, split="train", captions=("A dog.", "A cat.")):
    return {"image": image, "captions": list(captions), "split": split}


def read(folder, split="train") -> list[dict] | None:
    found = captions.captioned(str(folder), split, sample=scenes.examples)
    return None if found is None else list(found)


def packed(path, members: dict[str, bytes | str]) -> None:
    """A `.tar` of files, and of links where the value is where they lead."""
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data
                archive.addfile(member)
            else:
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))


def test_folder_and_archive_read_alike(tmp_path):
    png, rows = encoded(picture()), [row("a.jpg"), row("b.png", "val"), row("b.png", "test")]
    wanted = [{"image": "a.jpg", "image_bytes": JPEG, "captions": ["A dog.", "A cat."]}]
    write(tmp_path / "flat", {"a.jpg": JPEG, "b.png": png}, rows)
    write(tmp_path / "folders", {"images/x/a.jpg": JPEG, "images/b.png": png}, rows)
    write(tmp_path / "archive", {}, rows)
    packed(tmp_path / "archive" / "pictures.tar", {"./a.jpg": JPEG, "deep/b.png": png})
    for folder in ("flat", "folders", "archive"):
        assert read(tmp_path / folder) == wanted
        assert read(tmp_path / folder, "validation")[0]["image_bytes"] == png
        assert len(read(tmp_path / folder, "test")) == 1


def test_where_there_is_no_split_all_is_for_training(tmp_path):
    write(tmp_path, {"a.jpg": JPEG}, [{"image": "a.jpg", "captions": ["A dog."]}])
    assert len(read(tmp_path)) == 1
    assert read(tmp_path, "validation") is None
    assert read(tmp_path, "test") is None


def test_other_splits_are_left_out_and_counted(tmp_path, capsys):
    write(tmp_path, {"a.jpg": JPEG}, [row("a.jpg"), row("a.jpg", "unassigned"), row("a.jpg", "unassigned")])
    assert len(read(tmp_path)) == 1
    assert "2 of split 'unassigned'" in capsys.readouterr().err


def test_any_name_can_be_said(tmp_path, capsys):
    write(tmp_path, {"a.jpg": JPEG}, [row("a.jpg"), row("half a pair \ud800"), row("two\nlines")])
    assert [example["image"] for example in read(tmp_path)] == ["a.jpg"]
    said = capsys.readouterr().err  # a stream that takes UTF-8 alone
    assert said.count("\n") == 1
    assert "'half a pair ?'" in said


def test_broken_pictures_are_left_out_by_name(tmp_path, capsys):
    write(tmp_path, {"a.jpg": JPEG, **BROKEN}, [row(name) for name in ("a.jpg", *BROKEN, "gone.jpg")])
    assert [example["image"] for example in read(tmp_path)] == ["a.jpg"]
    said = capsys.readouterr().err
    assert "5 of 6 pictures of train are left out" in said
    for name in (*BROKEN, "gone.jpg"):
        assert name in said


def test_no_name_and_no_link_leads_out_of_the_directory(tmp_path, capsys):
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    names = ["../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg", "inner.jpg"]
    write(tmp_path / "data", {"a.jpg": JPEG}, [row("a.jpg"), *map(row, names)])
    (tmp_path / "data" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    packed(tmp_path / "data" / "pictures.tar", {"inner.jpg": "../secret.jpg", "../secret.jpg": "../secret.jpg"})
    assert [example["image"] for example in read(tmp_path / "data")] == ["a.jpg"]
    assert "4 of 5 pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('{"image": "a.jpg"}', "line 2"),
        ('{"image": "a.jpg", "captions": "A dog."}', "line 2"),
        ('{"image": "a.jpg", "captions": []}', "line 2"),
        ("{", "line 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, part):
    write(tmp_path, {"a.jpg": JPEG}, [row("a.jpg")])
    with (tmp_path / "captions.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=part):
        read(tmp_path)


def test_what_is_missing_is_one_line(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"expected one \.jsonl"):
        read(tmp_path)
    write(tmp_path, {}, [row("a.jpg")])
    with pytest.raises(InputError, match="none of the 1 pictures of train can be read"):
        read(tmp_path)
    (tmp_path / "pictures.tar").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"pictures.tar cannot be read"):
        read(tmp_path)
    (tmp_path / "more.jsonl").write_text("")
    with pytest.raises(InputError, match="2 lists"):
        read(tmp_path)


def test_tfds_gives_the_files_as_they_are(monkeypatch):
    import tensorflow_datasets

    class Coco:
        """With the features of coco_captions."""

        info = SimpleNamespace(features={"image": 0, "image/filename": 0, "captions": 0})

        def as_dataset(self, split, decoders):
            assert isinstance(decoders["image"], type(tensorflow_datasets.decode.SkipDecoding()))
            if split != "train":
                raise ValueError(f"Unknown split {split}")
            captions = {"id": [1, 2], "text": ["A dog.", "A cat."]}
            return tf.data.Dataset.from_tensors({"image": JPEG, "image/filename": "a.jpg", "captions": captions})

    monkeypatch.setattr(tfds, "builder", lambda data: Coco())
    found = captions.captioned("tfds:coco_captions", "train", sample=scenes.examples)
    assert list(found) == [{"image": "a.jpg", "image_bytes": JPEG, "captions": ["A dog.", "A cat."]}]
    assert captions.captioned("tfds:coco_captions", "validation", sample=scenes.examples) is None


def test_scenes_are_drawn_as_they_are_described():
    found = list(islice(scenes.examples("test"), 12))
    assert found == list(islice(scenes.examples("test"), 12))
    example = next(example for example in found if " above " in example["captions"][0])
    pixels = pixels_of(example["image_bytes"], scenes.SIZE).astype(int)
    halves = example["captions"][0].removesuffix(".").split(" above ")
    for words, half in zip(halves, (pixels[:32], pixels[32:]), strict=True):
        drawn = np.abs(half - scenes.COLOURS[words.split()[2]]).max(axis=-1) < 25
        assert drawn.mean() > 0.01
