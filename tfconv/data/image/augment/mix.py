"""Cutout, mixup and cutmix, of a batch and of a training set."""

import functools
from typing import Any

import tensorflow as tf

from tfconv.data.batching import EpochDataset, reshuffled
from tfconv.data.image.augment.draws import draw, image_batch, seed_for, to_dtype
from tfconv.errors import InputError, check_number, check_whole

__all__ = ["cutmix", "cutout", "mixed", "mixup"]


def cutout(images: Any, seed: Any, size: int = 8, fill: float = 128.0) -> tf.Tensor:
    """Blank out one square in each image; its centre is any pixel, so part of it may be outside.

    Args:
        images: uint8 or float32 (batch, height, width, channels), values from 0 to 255.
        seed: two whole numbers.
        size: the square's side.
        fill: the value put there, from 0 to 255, rounded for uint8; choose about the data's mean.

    Returns:
        Images of the same type and shape.

    Raises:
        InputError: an argument is not as said.

    Reference: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017 (size 16
        for CIFAR-10, 8 for CIFAR-100, 20 for SVHN).
    """
    images = image_batch(images)
    check_whole("size", size)
    check_number("fill", fill, 0, 255)
    inside = _boxes(images, seed, "cutout", tf.constant([[size, size]]))
    return tf.where(inside, to_dtype(tf.constant(fill, tf.float32), images.dtype), images)


def mixup(
    images: Any, labels: Any, seed: Any, *, alpha: float = 0.2, classes: int | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blend each image, and its label, with another one of the batch.

    x = m x_i + (1 - m) x_j, y = m y_i + (1 - m) y_j; m of Beta(alpha, alpha) for each i, j by a random permutation

    Args:
        images: uint8 or float32 (batch, height, width, channels); float32 of any range.
        labels: class numbers (batch,), or rows (batch, classes), such as zeros and ones or an earlier result.
        seed: two whole numbers.
        alpha: from 0.001 to 1000; small values blend little, 1 draws m uniformly.
        classes: how many there are; needed with class numbers.

    Returns:
        Images of the same type and shape, and labels float32 (batch, classes).

    Raises:
        InputError: an argument is not as said.

    Reference: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.
    """
    images = image_batch(images)
    rows = _label_rows(images, labels, classes)
    share = tf.expand_dims(_shares(images, seed, "mixup", alpha), 1)
    other = _partners(images, seed, "mixup")
    values = tf.cast(images, tf.float32)
    own = tf.reshape(share, [-1, 1, 1, 1])
    mixed = own * values + (1 - own) * tf.gather(values, other)
    return to_dtype(mixed, images.dtype), share * rows + (1 - share) * tf.gather(rows, other)


def cutmix(
    images: Any, labels: Any, seed: Any, *, alpha: float = 1.0, classes: int | None = None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Put a rectangle of another image of the batch into each one, and mix the labels by area.

    For m of Beta(alpha, alpha) the rectangle has the fraction sqrt(1 - m) of height and width, rounded down, and its
    centre is any pixel; what lies outside the image is lost, and the labels follow the area that is left, exactly.

    Args:
        images: uint8 or float32 (batch, height, width, channels); float32 of any range.
        labels: class numbers (batch,), or rows (batch, classes), such as zeros and ones or an earlier result.
        seed: two whole numbers.
        alpha: from 0.001 to 1000; 1 draws m uniformly.
        classes: how many there are; needed with class numbers.

    Returns:
        Images of the same type and shape, and labels float32 (batch, classes).

    Raises:
        InputError: an argument is not as said.

    Reference: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features",
        2019.
    """
    images = image_batch(images)
    rows = _label_rows(images, labels, classes)
    fraction = tf.expand_dims(tf.sqrt(1 - _shares(images, seed, "cutmix", alpha)), 1)
    sizes = tf.cast(fraction * tf.constant(list(images.shape[1:3]), tf.float32), tf.int32)
    inside = _boxes(images, seed, "cutmix", sizes)
    other = _partners(images, seed, "cutmix")
    taken = tf.reduce_mean(tf.cast(inside, tf.float32), axis=[1, 2])
    return tf.where(inside, tf.gather(images, other), images), (1 - taken) * rows + taken * tf.gather(rows, other)


def _boxes(images: tf.Tensor, seed: Any, purpose: str, sizes: tf.Tensor) -> tf.Tensor:
    """Bool (batch, height, width, 1): the pixels of a box of int32 sizes (batch or 1, 2) about a random pixel."""
    limits = tf.constant(list(images.shape[1:3]))
    centre = tf.cast(draw(images, seed, f"{purpose} box", 2) * tf.cast(limits, tf.float32), tf.int32)
    begin = tf.minimum(centre, limits - 1) - sizes // 2
    within = [
        (tf.range(images.shape[1 + axis]) >= begin[:, axis : axis + 1])
        & (tf.range(images.shape[1 + axis]) < (begin + sizes)[:, axis : axis + 1])
        for axis in (0, 1)
    ]
    return within[0][:, :, None, None] & within[1][:, None, :, None]


def _shares(images: tf.Tensor, seed: Any, purpose: str, alpha: float) -> tf.Tensor:
    """Float32 (batch,) of Beta(alpha, alpha): a part of two gamma variables' sum."""
    check_number("alpha", alpha, 1e-3, 1e3)
    # In float64: for small alpha both of them are often below the least float32.
    shape, own_seed = [tf.shape(images)[0], 2], seed_for(seed, f"{purpose} share")
    two = tf.random.stateless_gamma(shape, own_seed, alpha=tf.constant(alpha, tf.float64), dtype=tf.float64)
    return tf.cast(two[:, 0] / tf.reduce_sum(two, axis=1), tf.float32)


def _partners(images: tf.Tensor, seed: Any, purpose: str) -> tf.Tensor:
    return tf.random.experimental.stateless_shuffle(
        tf.range(tf.shape(images)[0]), seed=seed_for(seed, f"{purpose} partner")
    )


def _label_rows(images: tf.Tensor, labels: Any, classes: int | None) -> tf.Tensor:
    """Labels as float32 (batch, classes)."""
    labels = tf.convert_to_tensor(labels)
    check_whole("classes", classes, optional=True)
    if labels.shape.rank not in (1, 2) or not images.shape[:1].is_compatible_with(labels.shape[:1]):
        raise InputError(
            f"labels must be class numbers (batch,) or rows (batch, classes) for {images.shape[0]} images, "
            f"got shape {labels.shape}"
        )
    if labels.shape.rank == 2:
        if classes is not None and labels.shape[1] != classes:
            raise InputError(f"labels must have one column a class, {classes}, got shape {labels.shape}")
        return tf.cast(labels, tf.float32)
    if not labels.dtype.is_integer:
        raise InputError(f"labels (batch,) must be whole class numbers, got {labels.dtype.name}")
    if classes is None:
        raise InputError("classes must say how many there are, since labels are class numbers; got None")
    labels = tf.cast(labels, tf.int64)
    wrong = (labels < 0) | (labels >= classes)
    if tf.executing_eagerly() and tf.reduce_any(wrong):
        raise InputError(f"labels must be class numbers below classes={classes}, got {labels[wrong][0]}")
    tf.debugging.Assert(~tf.reduce_any(wrong), [f"labels must be class numbers below classes={classes}, got", labels])
    return tf.one_hot(labels, classes)


def mixed(
    dataset: tf.data.Dataset,
    outputs: int,
    *,
    mixup_alpha: float | None = None,
    cutmix_alpha: float | None = None,
    seed: int = 0,
) -> tf.data.Dataset:
    """Apply mixup or cutmix to each batch of a training set.

        train = augment.mixed(data.train, data.outputs, mixup_alpha=0.2, cutmix_alpha=1.0)

    Labels become rows of numbers from 0 to 1, so loss and metric must take such: see
    `tfconv.training.soft_label_objective`. What is drawn depends on `seed`, epoch and step alone, so a resumed run sees
    the same images. Meant for training batches; validation batches stay as they are.

    Args:
        dataset: batches (images, labels), prepared; images (batch, height, width, channels), float32 or uint8;
            labels class numbers (batch,), or rows (batch, outputs) for several labels an image.
        outputs: logits of the model (`data.outputs`); 1 for two classes.
        mixup_alpha: of `mixup`, from 0.001 to 1000; `None`: no mixup.
        cutmix_alpha: of `cutmix`, likewise. With both, each batch gets one of the two, equally often.
        seed: of what is drawn, from 0 to 2**32 - 1.

    Returns:
        Batches (images of the same type and shape, labels float32 (batch, outputs)), with `at_epoch` where `dataset`
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
    if isinstance(dataset, EpochDataset):
        return EpochDataset(result, lambda epoch: with_seeds(dataset.at_epoch(epoch), seeds.at_epoch(epoch)))
    return result


def _check_batches(spec: Any, outputs: int) -> None:
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(isinstance(part, tf.TensorSpec) for part in spec):
        raise InputError(f"dataset must give (images, labels), got {spec!r:.100}")
    images, labels = spec
    if images.shape.rank != 4 or images.dtype not in (tf.float32, tf.uint8):
        raise InputError(
            f"dataset must give images (batch, height, width, channels), float32 or uint8: mixup and cutmix are for "
            f"nothing else; got {images.dtype.name} of shape {images.shape}"
        )
    if labels.shape.rank != 1 and not (labels.shape.rank == 2 and labels.shape[1] == outputs):
        raise InputError(f"labels must be (batch,) or (batch, {outputs}), got shape {labels.shape}")
