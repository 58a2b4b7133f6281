"""Check the arguments of augmentations, draw random numbers for each image, and round the result."""

import zlib
from typing import Any

import tensorflow as tf

from tfconv.errors import InputError

__all__ = ["draw", "image_batch", "seed_for", "to_dtype"]


def image_batch(images: Any) -> tf.Tensor:
    """Return the images as a tensor whose rank, type, height, width and channels are known to be good.

    Raises:
        InputError: they are not uint8 or float32 (batch, height, width, channels), or only the batch size is known.
    """
    images = tf.convert_to_tensor(images)
    if images.dtype not in (tf.uint8, tf.float32):
        raise InputError(f"images must be uint8 or float32, with values from 0 to 255, got {images.dtype.name}")
    if images.shape.rank != 4 or None in images.shape[1:] or 0 in images.shape[1:]:
        raise InputError(
            f"images must be a batch (batch, height, width, channels) of known height, width and channels, "
            f"got shape {images.shape}"
        )
    return images


def seed_for(seed: Any, purpose: str) -> tf.Tensor:
    """Return the seed of one purpose, independent of that of any other purpose.

    Without it, functions that are given the same seed would agree: the image shifted most would be turned most.

    Args:
        seed: two whole numbers: a pair, or an int32 or int64 tensor of shape (2,).
        purpose: what is drawn, such as "flip".

    Raises:
        InputError: the seed is something else.
    """
    try:
        pair = tf.convert_to_tensor(seed)
    except (TypeError, ValueError) as error:
        raise InputError(f"seed must be two whole numbers of one type, got {seed!r:.60}") from error
    if pair.shape != (2,) or pair.dtype not in (tf.int32, tf.int64):
        raise InputError(f"seed must be two whole numbers, int32 or int64 of shape (2,), got {seed!r:.60}")
    return tf.random.fold_in(pair, tf.constant(zlib.crc32(purpose.encode()) & 0x7FFFFFFF, pair.dtype))


def draw(images: tf.Tensor, seed: Any, purpose: str, numbers: int) -> tf.Tensor:
    """Return float32 (batch, numbers), uniform in [0, 1): row i is the same whatever the batch size."""
    return tf.random.stateless_uniform([tf.shape(images)[0], numbers], seed_for(seed, purpose))


def to_dtype(values: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return float32 values as `dtype`: rounded and cut to 0..255 for uint8, untouched for float32."""
    return tf.saturate_cast(tf.round(values), dtype) if dtype == tf.uint8 else values
