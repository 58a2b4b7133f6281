"""Mixup and cutmix of a whole training set, batch by batch."""

import functools
from typing import Any

import tensorflow as tf

from tfconv.data.augment.draws import check_number, seed_for
from tfconv.data.augment.mix import cutmix, mixup
from tfconv.data.limits import check_whole
from tfconv.data.pipeline import reshuffled
from tfconv.errors import InputError

__all__ = ["mixed"]


def mixed(
    dataset: tf.data.Dataset,
    outputs: int,
    *,
    mixup_alpha: float | None = None,
    cutmix_alpha: float | None = None,
    seed: int = 0,
) -> tf.data.Dataset:
    """Blend the pictures of each training batch with each other, and their labels in the same shares.

        train = augment.mixed(data.train, data.outputs, mixup_alpha=0.2, cutmix_alpha=1.0)

    Labels become rows of numbers from 0 to 1, so loss and metric must take such: see
    `tfconv.training.soft_label_objective`. What is drawn depends on `seed`, epoch and step alone, so a resumed run sees
    the same pictures. Meant for training batches; validation batches stay as they are.

    Args:
        dataset: batches (pictures, labels), prepared; pictures (batch, height, width, channels), float32 or uint8;
            labels class numbers (batch,), or rows (batch, outputs) for several labels a picture.
        outputs: logits of the model (`data.outputs`); 1 for two classes.
        mixup_alpha: of `mixup`, from 0.001 to 1000; `None`: no mixup.
        cutmix_alpha: of `cutmix`, likewise. With both, each batch gets one of the two, equally often.
        seed: of what is drawn, from 0 to 2**32 - 1.

    Returns:
        Batches (pictures of the same type and shape, labels float32 (batch, outputs)), with `at_epoch` where `dataset`
        has it.

    Raises:
        InputError: a number is out of range, neither alpha is given, or the batches are not as said (mixed word ids
            would be other words).
    """
    check_whole("outputs", outputs)
    check_whole("seed", seed, 0, 32)
    alphas = {"mixup_alpha": mixup_alpha, "cutmix_alpha": cutmix_alpha}
    given = {name: alpha for name, alpha in alphas.items() if alpha is not None}
    if not given:
        raise InputError("mixup_alpha or cutmix_alpha must be given, got neither")
    for name, alpha in given.items():
        check_number(name, alpha, 1e-3, 1e3)
    _check_batches(dataset.element_spec, outputs)
    steps = int(dataset.cardinality())
    steps = steps if steps >= 0 else 2**62  # of unknown length: seeds without end
    key = tf.constant([seed, 1], tf.int64)

    def epoch_seeds(epoch: tf.Tensor) -> tf.data.Dataset:
        own_key = tf.random.experimental.stateless_fold_in(key, epoch)
        numbers = tf.data.Dataset.range(steps)
        return numbers.map(lambda step: tf.random.experimental.stateless_fold_in(own_key, step))

    def mix(batch: tuple[tf.Tensor, tf.Tensor], batch_seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = batch
        if outputs == 1:
            labels = tf.reshape(tf.cast(labels, tf.float32), [-1, 1])
        if len(given) == 1:
            function = mixup if cutmix_alpha is None else cutmix
            return function(images, labels, batch_seed, alpha=next(iter(given.values())), classes=outputs)
        mixed_up, pasted = (
            functools.partial(function, images, labels, batch_seed, alpha=alpha, classes=outputs)
            for function, alpha in ((mixup, given["mixup_alpha"]), (cutmix, given["cutmix_alpha"]))
        )
        chosen = tf.random.stateless_uniform([], seed_for(batch_seed, "mixup or cutmix")) < 0.5
        blended, rows = tf.cond(chosen, mixed_up, pasted)
        return tf.ensure_shape(blended, images.shape), tf.ensure_shape(rows, [None, outputs])

    def with_seeds(batches: tf.data.Dataset, seeds: tf.data.Dataset) -> tf.data.Dataset:
        together = tf.data.Dataset.zip((batches, seeds)).map(mix, num_parallel_calls=tf.data.AUTOTUNE)
        return together.prefetch(tf.data.AUTOTUNE)

    seeds = reshuffled(epoch_seeds, steps)
    result = with_seeds(dataset, seeds)
    if hasattr(dataset, "at_epoch"):
        result.at_epoch = lambda epoch: with_seeds(dataset.at_epoch(epoch), seeds.at_epoch(epoch))
    return result


def _check_batches(spec: Any, outputs: int) -> None:
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(isinstance(part, tf.TensorSpec) for part in spec):
        raise InputError(f"dataset must give (pictures, labels), got {spec!r:.100}")
    images, labels = spec
    if images.shape.rank != 4 or images.dtype not in (tf.float32, tf.uint8):
        raise InputError(
            f"dataset must give pictures (batch, height, width, channels), float32 or uint8: mixup and cutmix are for "
            f"nothing else; got {images.dtype.name} of shape {images.shape}"
        )
    if labels.shape.rank != 1 and not (labels.shape.rank == 2 and labels.shape[1] == outputs):
        raise InputError(f"labels must be (batch,) or (batch, {outputs}), got shape {labels.shape}")
