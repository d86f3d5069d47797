"""Pictures of every kind, lists and archives as users have them, and features that are computed once."""

import io
import json
import tarfile
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from zoo.data import images, scenes, sources
from zoo.errors import InputError

SIZE = 32


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, compress_level=1)
    return buffer.getvalue()


def picture(width=40, height=30, mode="RGB") -> Image.Image:
    """Red above, blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = pixels[height // 2 :, :, 2] = 255
    return Image.fromarray(pixels).convert(mode)


def pixels_of(data: bytes, size: int = SIZE) -> np.ndarray:
    return images.decode(tf.constant([data]), size)[0].numpy()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("CMYK", "JPEG"), ("L", "JPEG"), ("LA", "PNG")],
)
def test_every_kind_of_picture_is_read(mode, kind):
    found = pixels_of(encoded(picture(mode=mode), kind)).astype(int)
    grey = mode.startswith("L")
    top, bottom = ((76, 76, 76), (29, 29, 29)) if grey else ((255, 0, 0), (0, 0, 255))  # ITU-R 601 luma
    assert np.abs(found[4, 10] - top).max() < 12
    assert np.abs(found[-4, 10] - bottom).max() < 12


def test_sixteen_bits_a_channel_are_read():
    deep = Image.fromarray(np.full((20, 20), 65535 // 2, np.uint16))
    assert np.abs(pixels_of(encoded(deep)).astype(int) - 127).max() <= 1


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 500), (6000, 4000), (SIZE, SIZE)])
def test_every_size_becomes_a_square_without_cropping(width, height):
    found = pixels_of(encoded(picture(width, height, "RGB")))
    assert found.shape == (SIZE, SIZE, 3)
    if height > 1:
        assert tuple(found[0, 0]) == (255, 0, 0)
        assert tuple(found[-1, -1]) == (0, 0, 255)


def test_a_picture_of_the_right_size_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    np.testing.assert_array_equal(pixels_of(encoded(Image.fromarray(pixels))), pixels)


def test_resizing_averages_what_it_drops():
    stripes = np.zeros((320, 320, 3), np.uint8)
    stripes[::2] = 255
    assert np.abs(pixels_of(encoded(Image.fromarray(stripes)))[2:-2].astype(int) - 127).max() <= 2


JPEG = encoded(picture(200, 200), "JPEG")
BROKEN = {"cut.jpg": JPEG[: len(JPEG) // 2], "text.jpg": b"not a picture", "empty.png": b"", "head.jpg": JPEG[:4]}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_picture_is_an_error_and_has_a_reason(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        images.decode(tf.constant([data]), SIZE)
    assert images.fault(data)
    assert images.fault(JPEG) is None


def write(folder, files: dict[str, bytes], rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(image, split="train", captions=("A dog.", "A cat.")):
    return {"image": image, "captions": list(captions), "split": split}


def read(folder, split="train") -> list[dict] | None:
    found = images.captioned(str(folder), split, sample=scenes.described)
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
    import tensorflow_datasets as tfds

    class Coco:
        """With the features of coco_captions."""

        info = SimpleNamespace(features={"image": 0, "image/filename": 0, "captions": 0})

        def as_dataset(self, split, decoders):
            assert isinstance(decoders["image"], type(tfds.decode.SkipDecoding()))
            if split != "train":
                raise ValueError(f"Unknown split {split}")
            captions = {"id": [1, 2], "text": ["A dog.", "A cat."]}
            return tf.data.Dataset.from_tensors({"image": JPEG, "image/filename": "a.jpg", "captions": captions})

    monkeypatch.setattr(sources, "tfds_builder", lambda data: Coco())
    found = images.captioned("tfds:coco_captions", "train", sample=scenes.described)
    assert list(found) == [{"image": "a.jpg", "image_bytes": JPEG, "captions": ["A dog.", "A cat."]}]
    assert images.captioned("tfds:coco_captions", "validation", sample=scenes.described) is None


def test_features_are_computed_once_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    network = images.Network("small", size=SIZE, pretrained=True)
    pictures = [encoded(picture(width)) for width in (10, 20, 30)]
    found = network.features.arrays(pictures)
    direct = network.cnn(images.decode(tf.constant(pictures), SIZE))
    np.testing.assert_allclose(found, direct, rtol=2e-3, atol=2e-3)  # kept in half precision

    network.save(tmp_path / "network.toml")
    again = images.Network.load(tmp_path / "network.toml")
    again.features._compute = None
    np.testing.assert_array_equal(again.features.arrays(pictures[::-1]), found[::-1])


def test_features_of_other_weights_are_others(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = (images.Network("small", size=SIZE, pretrained=True) for _ in range(2))
    first.features.rows([JPEG])
    second.features.rows([JPEG])
    assert len(list((tmp_path / "zoo" / "features").iterdir())) == 2


def test_a_network_that_is_none_is_one_line(tmp_path):
    def make(network="MobileNet", size=SIZE, width=0.25, weights="none"):
        return images.Network.make(network, size=size, width=width, weights=weights)

    with pytest.raises(InputError, match="did you mean 'MobileNetV2'"):
        make("MobilNetV2")
    with pytest.raises(InputError, match="at least 32"):
        make(size=16)
    with pytest.raises(InputError, match="one width"):
        make("VGG16")
    with pytest.raises(InputError, match="it takes imagenet"):
        make(weights=str(tmp_path / "gone.weights.h5"))
    make().cnn.net.save_weights(tmp_path / "narrow.weights.h5")
    assert make(weights=str(tmp_path / "narrow.weights.h5")).pretrained
    with pytest.raises(InputError, match="no weights of MobileNet"):
        make(width=0.5, weights=str(tmp_path / "narrow.weights.h5"))


def test_scenes_are_drawn_as_they_are_described():
    found = list(islice(scenes.described("test"), 12))
    assert found == list(islice(scenes.described("test"), 12))
    example = next(example for example in found if " above " in example["captions"][0])
    pixels = pixels_of(example["image_bytes"], scenes.SIZE).astype(int)
    halves = example["captions"][0].removesuffix(".").split(" above ")
    for words, half in zip(halves, (pixels[:32], pixels[32:]), strict=True):
        drawn = np.abs(half - scenes.COLOURS[words.split()[2]]).max(axis=-1) < 25
        assert drawn.mean() > 0.01
