"""Pictures of every kind, lists and archives as users have them, and features that are computed once."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from zoo.data import images

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
