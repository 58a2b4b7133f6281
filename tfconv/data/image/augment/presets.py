"""Augmentations composed for a kind of image."""

from typing import Any

import tensorflow as tf

from tfconv.data.image.augment.draws import image_batch, to_dtype
from tfconv.data.image.augment.geometry import (
    random_brightness_contrast,
    random_flip_translate,
    random_rotation_zoom,
    random_symmetry,
    random_translate,
)

__all__ = ["side_on", "top_down"]


def side_on(images: Any, seed: Any) -> tf.Tensor:
    """Augment photos taken from the side, where up and down differ: things, animals, street scenes.

    Each image is mirrored left to right or not, shifted by up to an eighth of its shorter side, turned by up to 10
    degrees, magnified by 1 to 1.1, and changed in brightness by up to 0.1 and in contrast by up to 0.2.

    Args:
        images: uint8 or float32 (batch, height, width, channels), values from 0 to 255.
        seed: two whole numbers.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    return _slightly_changed(random_flip_translate(images, seed, pixels=_eighth(images)), seed)


def top_down(images: Any, seed: Any) -> tf.Tensor:
    """Augment images without an up and down: from the air, through a microscope, of the sky.

    As `side_on`, with all eight symmetries of the square in place of the mirror.

    Args:
        images: uint8 or float32 (batch, side, side, channels), values from 0 to 255.
        seed: two whole numbers.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said; the images are not square.
    """
    images = image_batch(images)
    turned = random_symmetry(images, seed)
    return _slightly_changed(random_translate(turned, seed, pixels=_eighth(images)), seed)


def _eighth(images: tf.Tensor) -> int:
    return min(images.shape[1:3]) // 8


def _slightly_changed(images: tf.Tensor, seed: Any) -> tf.Tensor:
    values = tf.cast(images, tf.float32)  # so that uint8 is rounded once
    values = random_rotation_zoom(values, seed, degrees=10, zoom=(1.0, 1.1))
    return to_dtype(random_brightness_contrast(values, seed, brightness=0.1, contrast=0.2), images.dtype)
