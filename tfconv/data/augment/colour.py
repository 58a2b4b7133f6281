"""What values the pixels have: brightness and contrast."""

from typing import Any

import tensorflow as tf

from tfconv.data.augment.draws import check_number, draw, image_batch, to_dtype

__all__ = ["random_brightness_contrast"]


def random_brightness_contrast(images: Any, seed: Any, brightness: float = 0.1, contrast: float = 0.2) -> tf.Tensor:
    """Change each picture's brightness and contrast by uniform draws.

    y = mean + c (x - mean) + 255 b, cut to 0..255; mean: of all values of the picture; c from 1 - contrast to
    1 + contrast, b from -brightness to brightness

    Args:
        images: uint8 or float32 (batch, height, width, channels), values from 0 to 255.
        seed: two whole numbers.
        brightness: the largest change, as a fraction of the whole range, from 0 to 1.
        contrast: the largest relative change of the distances from the mean, from 0 to 1.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    check_number("brightness", brightness, 0, 1)
    check_number("contrast", contrast, 0, 1)
    shift, scale = tf.split(2 * draw(images, seed, "brightness and contrast", 2) - 1, 2, axis=1)
    shift, scale = (tf.reshape(one, [-1, 1, 1, 1]) for one in (255 * brightness * shift, 1 + contrast * scale))
    values = tf.cast(images, tf.float32)
    mean = tf.reduce_mean(values, axis=[1, 2, 3], keepdims=True)
    return to_dtype(tf.clip_by_value(values * scale + (mean * (1 - scale) + shift), 0, 255), images.dtype)
