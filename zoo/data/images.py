"""Pictures: from the bytes of a file to pixels, and the most similar picture.

FILE.jpg → image_bytes → decode → uint8[size, size, 3]
"""

import numpy as np
import tensorflow as tf


@tf.function(reduce_retracing=True)
def decode(image_bytes: tf.Tensor, size: int) -> tf.Tensor:
    """The pixels of JPEG, PNG, GIF, BMP or WebP files of any size.

    Pictures are squeezed into a square, not cropped, with antialiasing. Grey, CMYK and palette pictures become RGB.
    Transparency is dropped, an animation gives its first picture, and a rotation noted in EXIF is not applied.

    Args:
        image_bytes: string[B].
    Returns:
        uint8[B, size, size, 3].
    Raises:
        tf.errors.InvalidArgumentError: a picture is damaged or incomplete.
    """

    def one(data: tf.Tensor) -> tf.Tensor:
        picture = tf.io.decode_image(data, channels=3, expand_animations=False)
        picture = tf.image.resize(picture, [size, size], antialias=True)
        return tf.cast(tf.clip_by_value(tf.round(picture), 0, 255), tf.uint8)

    # Few at a time: decoding a photo of 24 million pixels takes 360 MB of memory.
    return tf.map_fn(
        one, image_bytes, fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8), parallel_iterations=2
    )


def pixels(image_bytes: bytes, size: int = 224) -> np.ndarray:
    """uint8[size, size, 3] of one picture, to be shown."""
    return decode(tf.constant([image_bytes]), size)[0].numpy()


def fault(image_bytes: bytes) -> str | None:
    """The reason why these bytes cannot be decoded; None if they are a complete picture."""
    try:
        tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        return error.message.split("}} ", 1)[-1].split(" [Op:")[0].rstrip(".")
    return None
