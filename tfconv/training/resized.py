"""Batches of pictures in another size, for progressive resizing."""

from typing import Any

import tensorflow as tf

__all__ = ["resized_batches"]


def resized_batches(dataset: tf.data.Dataset, size: tuple[int, int]) -> tf.data.Dataset:
    """Resize the pictures of batches (pictures, labels), smoothly: bilinear, with a wider kernel on the way down.

    Args:
        dataset: pictures float32 (batch, height, width, channels), as a model meets them. Where it has `at_epoch`, so
            has the result: order and augmentation stay as they are.
        size: (height, width) of the result.

    Raises:
        ValueError: a size below 1.
    """
    if min(size) < 1:
        raise ValueError(f"size must be height and width of at least 1, got {tuple(size)}")

    def change(pictures: tf.Tensor, *rest: Any) -> tuple[Any, ...]:
        return tf.image.resize(pictures, size, antialias=True), *rest

    def changed(batches: tf.data.Dataset) -> tf.data.Dataset:
        return batches.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    result = changed(dataset)
    at_epoch = getattr(dataset, "at_epoch", None)
    if at_epoch is not None:
        result.at_epoch = lambda epoch: changed(at_epoch(epoch))
    return result
