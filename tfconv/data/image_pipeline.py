"""From stored pictures to batches: shuffle and augment by (seed, epoch, step), cut, normalise, prefetch."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfconv.data.augment import random_crop
from tfconv.data.image import ImagePreprocess
from tfconv.data.image_examples import ImageExamples
from tfconv.data.pipeline import row_batches
from tfconv.errors import InputError

__all__ = ["image_batches"]


def image_batches(
    examples: ImageExamples,
    preprocess: ImagePreprocess,
    *,
    batch_size: int,
    seed: int | None = None,
    augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    balanced: bool = False,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of stored pictures; only those of a batch are read, so the store may be larger than memory.

    Args:
        examples: pictures of the size that `preprocess` decodes to.
        preprocess: normalises, and says whether a square is cut out.
        batch_size: pictures a batch.
        seed: shuffle by (seed, epoch) and cut at random places; `None`: keep the order and cut in the middle.
        augment: as in `ImagePreparation`; it needs a `seed`.
        balanced: draw every class equally often; it needs a `seed`.
        drop_remainder: leave out the last, smaller batch.

    Returns:
        Batches (float32 (batch, height, width, channels), labels), with `at_epoch` where there is a seed.

    Raises:
        ValueError: `batch_size` is out of range, or too few pictures for one batch.
        InputError: `augment` gives something else than a batch of the same shape.
    """
    shape = examples.store.shape[1:]
    if augment is not None:
        _check_augment(augment, (min(batch_size, len(examples)), *shape))

    def read(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return examples.images(rows), examples.labels[rows]

    def take(rows: tf.Tensor, epoch: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(read, [rows], (tf.uint8, examples.labels.dtype), stateful=False)
        images.set_shape([rows.shape[0], *shape])
        labels.set_shape([rows.shape[0], *examples.labels.shape[1:]])
        if seed is not None:
            key = tf.constant([seed, 0], tf.int64)
            for number in (epoch, step):
                key = tf.random.experimental.stateless_fold_in(key, number)
            seeds = tf.cast(tf.random.split(key), tf.int32)
            if augment is not None:
                images = tf.ensure_shape(augment(images, seeds[0]), images.shape)
            if preprocess.crop is not None:
                images = random_crop(images, seeds[1], preprocess.crop)
        return preprocess.normalize(images), labels

    return row_batches(
        len(examples),
        take,
        batch_size=batch_size,
        seed=seed,
        classes=examples.labels if balanced else None,
        drop_remainder=drop_remainder,
        unit="picture",
    )


def _check_augment(augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], shape: tuple[int, ...]) -> None:
    """Try it on the outside: within `Dataset.map` an error becomes one of TensorFlow's, of many lines."""
    specs = tf.TensorSpec(shape, tf.uint8), tf.TensorSpec([2], tf.int32)
    found = tf.function(augment, autograph=False).get_concrete_function(*specs).structured_outputs
    if not isinstance(found, tf.Tensor | tf.TensorSpec) or not found.shape.is_compatible_with(shape):
        raise InputError(f"augment must give one tensor of the shape of the batch, {shape}, and gives {found!r:.100}")
