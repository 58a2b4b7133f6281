"""Geometric augmentations: flips, shifts, crops, the symmetries of the square, rotation and zoom; brightness, contrast.

All but rotation and zoom move whole pixels. They compute, for each image, the row and the column that each pixel
comes from, and fetch the whole batch in one gather.
"""

import math
from typing import Any

import tensorflow as tf

from tfconv.data.image.augment.draws import draw, image_batch, to_dtype
from tfconv.errors import InputError, check_number, check_whole

__all__ = [
    "random_brightness_contrast",
    "random_crop",
    "random_flip",
    "random_flip_translate",
    "random_rotation_zoom",
    "random_symmetry",
    "random_translate",
    "rotate_and_zoom",
]


def random_flip(images: Any, seed: Any, p: float = 0.5) -> tf.Tensor:
    """Mirror each image left to right with probability `p`.

    Args:
        images: uint8 or float32 (batch, height, width, channels).
        seed: two whole numbers.
        p: from 0 to 1.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    check_number("p", p, 0, 1)
    _, height, width, _ = images.shape
    flipped = draw(images, seed, "flip", 1) < p
    columns = tf.where(flipped, width - 1 - tf.range(width), tf.range(width))
    return _fetch(images, tf.broadcast_to(tf.range(height), [tf.shape(images)[0], height]), columns)


def random_translate(images: Any, seed: Any, pixels: int = 4) -> tf.Tensor:
    """Shift each image by up to `pixels` up or down and left or right, every whole shift being equally likely.

    What comes in is the image's reflection about its edge pixels, as in `numpy.pad(mode="reflect")`: this equals
    padding by `pixels` and cutting at random.

    Args:
        images: uint8 or float32 (batch, height, width, channels).
        seed: two whole numbers.
        pixels: the largest shift, less than height and width.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    rows, columns = _shifted(images, seed, pixels)
    return _fetch(images, rows, columns)


def random_flip_translate(images: Any, seed: Any, pixels: int = 4) -> tf.Tensor:
    """Mirror each image with probability 1/2, then shift it: two changes for the price of one.

    Equals `random_translate(random_flip(images, seed), seed, pixels)`. It is the augmentation of most published
    CIFAR-10 results (He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2, with `pixels=4`
    and zeros in place of the reflection).

    Args:
        images: uint8 or float32 (batch, height, width, channels).
        seed: two whole numbers.
        pixels: the largest shift, less than height and width.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    rows, columns = _shifted(images, seed, pixels)
    flipped = draw(images, seed, "flip", 1) < 0.5
    return _fetch(images, rows, tf.where(flipped, images.shape[2] - 1 - columns, columns))


def random_crop(images: Any, seed: Any, size: int) -> tf.Tensor:
    """Cut a square out of each image, every place being equally likely.

    Args:
        images: uint8 or float32 (batch, height, width, channels).
        seed: two whole numbers.
        size: the square's side, at most height and width.

    Returns:
        Images of the same type, (batch, size, size, channels).

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    check_whole("size", size)
    _, height, width, _ = images.shape
    if size > min(height, width):
        raise InputError(f"size must be at most the images' height and width, {height} and {width}, got {size}")
    top, left = _below(draw(images, seed, "crop", 2), [height - size + 1, width - size + 1])
    return _fetch(images, top + tf.range(size), left + tf.range(size))


def random_symmetry(images: Any, seed: Any) -> tf.Tensor:
    """Turn each image by 0, 90, 180 or 270 degrees and mirror it or not: all eight symmetries, equally likely.

    Args:
        images: uint8 or float32 (batch, side, side, channels).
        seed: two whole numbers.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said; the images are not square.
    """
    images = image_batch(images)
    _, height, width, _ = images.shape
    if height != width:
        raise InputError(f"images must be square to be turned by 90 degrees, got height {height} and width {width}")
    ahead = tf.range(width)
    upside_down, mirrored, transposed = tf.split(draw(images, seed, "symmetry", 3) < 0.5, 3, axis=1)
    rows = tf.where(upside_down, width - 1 - ahead, ahead) * width
    columns = tf.where(mirrored, width - 1 - ahead, ahead)
    return _fetch_at(images, tf.where(transposed, columns, rows), tf.where(transposed, rows, columns))


def random_rotation_zoom(
    images: Any, seed: Any, degrees: float = 10.0, zoom: tuple[float, float] = (0.9, 1.1)
) -> tf.Tensor:
    """Turn each image about its centre and magnify it, both by uniform draws.

    Pixels are interpolated linearly; what comes in from outside is the image's reflection (its edge pixels included).

    Args:
        images: uint8 or float32 (batch, height, width, channels).
        seed: two whole numbers.
        degrees: the largest angle, in both directions, from 0 to 180.
        zoom: the smallest and the largest magnification, from 0.1 to 10; above 1 the image's middle fills the frame.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.
    """
    images = image_batch(images)
    check_number("degrees", degrees, 0, 180)
    if not isinstance(zoom, tuple | list) or len(zoom) != 2:
        raise InputError(f"zoom must be a pair, the smallest and the largest magnification, got {zoom!r:.60}")
    check_number("the smallest zoom", zoom[0], 0.1, 10)
    check_number("the largest zoom", zoom[1], zoom[0], 10)
    angle, scale = tf.unstack(draw(images, seed, "rotation and zoom", 2), axis=1)
    radians = (2 * angle - 1) * math.radians(degrees)
    return rotate_and_zoom(images, radians, zoom[0] + scale * (zoom[1] - zoom[0]))


def rotate_and_zoom(images: tf.Tensor, radians: tf.Tensor, magnification: tf.Tensor) -> tf.Tensor:
    """Turn image i counter-clockwise by `radians[i]` and magnify it by `magnification[i]`, both float32 (batch,)."""
    _, height, width, _ = images.shape
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    cosine, sine = tf.cos(radians) / magnification, tf.sin(radians) / magnification
    zero = tf.zeros_like(sine)
    # The pixel at (x, y) of the result is read at (cosine x - sine y, sine x + cosine y), from the middle; y is down.
    transforms = [
        *(cosine, -sine, middle_x - cosine * middle_x + sine * middle_y),
        *(sine, cosine, middle_y - sine * middle_x - cosine * middle_y),
        *(zero, zero),
    ]
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),  # for uint8 the operation cuts fractions off
        transforms=tf.stack(transforms, axis=1),
        output_shape=[height, width],
        interpolation="BILINEAR",
        fill_mode="REFLECT",
        fill_value=0.0,
    )
    return to_dtype(turned, images.dtype)


def _shifted(images: tf.Tensor, seed: Any, pixels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The rows and the columns that each shifted image's pixels come from."""
    check_whole("pixels", pixels, 0)
    _, height, width, _ = images.shape
    if pixels >= min(height, width):
        raise InputError(f"pixels must be less than the images' height and width, {height} and {width}, got {pixels}")
    down, right = _below(draw(images, seed, "translate", 2), [2 * pixels + 1, 2 * pixels + 1])
    return _reflect(tf.range(height) + down - pixels, height), _reflect(tf.range(width) + right - pixels, width)


def _below(uniform: tf.Tensor, limits: list[int]) -> list[tf.Tensor]:
    """From uniform numbers (batch, k), for each of k limits, whole numbers (batch, 1) from 0 to the limit - 1."""
    # float32 rounds the product up to the limit itself where it is large.
    numbers = tf.minimum(tf.cast(uniform * tf.constant(limits, tf.float32), tf.int32), tf.constant(limits) - 1)
    return tf.split(numbers, len(limits), axis=1)


def _reflect(positions: tf.Tensor, size: int) -> tf.Tensor:
    """Positions up to size - 1 outside, mirrored about the first and the last."""
    return size - 1 - tf.abs(size - 1 - tf.abs(positions))


def _fetch(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Image i's pixels at its rows (batch, new height) and columns (batch, new width)."""
    return _fetch_at(images, rows * images.shape[2], columns)


def _fetch_at(images: tf.Tensor, down: tf.Tensor, across: tf.Tensor) -> tf.Tensor:
    """Image i's pixel number down[i, y] + across[i, x], counted row by row, at (y, x)."""
    _, height, width, channels = images.shape
    pixels = tf.reshape(images, [-1, height * width, channels])
    return tf.gather(pixels, tf.expand_dims(down, 2) + tf.expand_dims(across, 1), batch_dims=1)


def random_brightness_contrast(images: Any, seed: Any, brightness: float = 0.1, contrast: float = 0.2) -> tf.Tensor:
    """Change each image's brightness and contrast by uniform draws.

    y = mean + c (x - mean) + 255 b, cut to 0..255; mean: of all values of the image; c from 1 - contrast to
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
