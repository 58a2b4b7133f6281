"""From examples to batches: shuffle by (seed, epoch), bucket by length, pad, prefetch.

A training set is an ordinary `tf.data.Dataset` that gives a new order each time it is iterated. Its attribute
`at_epoch` is the function behind it, from the epoch number to the data set of that epoch: `tfconv.training.fit` calls
it, so that a resumed run sees the very batches that an uninterrupted one would have seen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfconv.errors import InputError, check_whole

__all__ = ["batches", "reshuffled", "row_batches"]


def balanced_order(classes: np.ndarray, seed: int | None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Draw as many examples an epoch as there are, every class equally often.

    Of n examples of c classes, each class is drawn n // c or n // c + 1 times an epoch, and of a class that is drawn
    q times each of its m examples q // m or q // m + 1 times: a rare class is repeated, of a frequent one (q < m)
    other examples are drawn every epoch. Which get the one more, and the order, go by (seed, epoch).

    Args:
        classes: int (n,), the class of each example. Classes that do not occur are not counted.
        seed: from 0 to 2**32 - 1.

    Returns:
        From the epoch, a scalar int64 tensor, to the numbers of the examples, int64 (n,).

    Raises:
        InputError: `classes` gives more than one class an example.
        ValueError: there is no seed.
    """
    if classes.ndim != 1:
        raise InputError(
            "balanced sampling is for one label an example: an example of several is drawn for all of them"
        )
    if seed is None:
        raise ValueError("balanced sampling draws at random: it needs a seed, got None")
    _, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
    n, number = len(classes), len(counts)
    class_of, sizes = tf.constant(codes, tf.int64), tf.constant(counts, tf.int64)
    starts = tf.cumsum(sizes, exclusive=True)

    def order(epoch: tf.Tensor) -> tf.Tensor:
        key = tf.random.experimental.stateless_fold_in(tf.stack([tf.cast(seed, tf.int64), epoch]), 1)
        seeds = tf.random.split(key, 3)
        shuffled = tf.random.experimental.stateless_shuffle(tf.range(n, dtype=tf.int64), seeds[0])
        shuffled = tf.gather(shuffled, tf.argsort(tf.gather(class_of, shuffled), stable=True))  # class by class
        one_more = tf.random.experimental.stateless_shuffle(tf.range(number), seeds[1]) < n % number
        quotas = n // number + tf.cast(one_more, tf.int64)
        place = tf.repeat(tf.range(number), quotas)  # (n,), the class that each draw is for
        rank = tf.range(n, dtype=tf.int64) - tf.gather(tf.cumsum(quotas, exclusive=True), place)
        drawn = tf.gather(shuffled, tf.gather(starts, place) + rank % tf.gather(sizes, place))
        return tf.random.experimental.stateless_shuffle(drawn, seeds[2])

    return order


# Batches among which texts are sorted by length: wide enough to fill buckets, narrow enough to stay random.
_WINDOW = 100
# In training, a last batch of fewer than 8 examples, or an eighth of a batch, joins the one before: batch normalisation
# would take a large part of its moving averages from it, right before validation. With one image in the last batch, the
# default image model lost 9 to 14 points on CIFAR-10 (1,025 training images in batches of 128), with six up to 5.
_FEWEST, _SHARE = 8, 8


def reshuffled(epoch_batches: Callable[[tf.Tensor], tf.data.Dataset], steps: int) -> tf.data.Dataset:
    """One data set from a function of the epoch number.

    Args:
        epoch_batches: from the epoch number, a scalar int64 tensor, to that epoch's batches. It must depend on
            nothing else (use stateless random operations).
        steps: batches an epoch (`tf.data.UNKNOWN_CARDINALITY` where that is not known).

    Returns:
        A data set whose n-th iteration, from 0, is epoch n; `dataset.at_epoch(n)` is epoch n at once.
    """

    def counted(dataset: tf.data.Dataset) -> tf.data.Dataset:
        if steps != tf.data.UNKNOWN_CARDINALITY:  # which cannot be asserted
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def at_epoch(epoch: int) -> tf.data.Dataset:
        return counted(tf.data.Dataset.from_tensors(tf.constant(epoch, tf.int64)).flat_map(epoch_batches))

    iterated = tf.Variable(-1, dtype=tf.int64)
    dataset = counted(tf.data.Dataset.from_tensors(0).map(lambda _: iterated.assign_add(1)).flat_map(epoch_batches))
    dataset.at_epoch = at_epoch
    return dataset


def row_batches(
    n: int,
    take: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Any],
    *,
    batch_size: int,
    seed: int | None = None,
    lengths: tf.Tensor | None = None,
    classes: np.ndarray | None = None,
    drop_remainder: bool = False,
    unit: str = "text",
) -> tf.data.Dataset:
    """Batches of n examples that are found by their number.

    In training (with a seed) a last batch of fewer than 8 examples, or an eighth of `batch_size`, joins the one before.

    Args:
        n: how many examples there are.
        take: from the numbers of a batch, int64 (batch,), the epoch and the step in it, int64 scalars, to that batch.
        batch_size: examples a batch.
        seed: shuffle by (seed, epoch); `None`: keep the order, every time.
        lengths: int64 (n,); put examples of like length into one batch, in random order still.
        classes: int (n,), the class of each example: draw every class equally often, as `balanced_order` does; it
            needs a `seed`.
        drop_remainder: leave out the last, smaller batch.
        unit: what an example is, for the message.

    Raises:
        ValueError: `batch_size` not in 1 to 2**31 - 1, or too few examples for one batch.
        InputError: `classes` gives more than one class an example.
    """
    check_whole("batch_size", batch_size)
    if n == 0 or (drop_remainder and n < batch_size):
        raise ValueError(f"{n} {unit}s do not fill one batch of {batch_size}")
    batch_size = min(batch_size, n)  # TensorFlow would take memory for a batch that is never full
    whole = n // batch_size
    if seed is not None and not drop_remainder and whole and 0 < n % batch_size < max(_FEWEST, batch_size // _SHARE):
        whole -= 1
    left = n - whole * batch_size
    drawn = None if classes is None else balanced_order(classes, seed)

    @tf.autograph.experimental.do_not_convert  # there is nothing to convert, and it wraps an error's one line in twenty
    def epoch_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(n, dtype=tf.int64)
        if drawn is not None:
            order = drawn(epoch)
        elif seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, seed=tf.stack([tf.cast(seed, tf.int64), epoch]))
        if lengths is not None:
            window = tf.range(n, dtype=tf.int64) // (batch_size * _WINDOW)
            longest = tf.reduce_max(lengths) + 1
            order = tf.gather(order, tf.argsort(window * longest + tf.gather(lengths, order), stable=True))
        plan = tf.reshape(order[: whole * batch_size], [whole, batch_size])
        if lengths is not None and seed is not None:
            mixed = tf.stack([tf.cast(seed, tf.int64), -1 - epoch])
            plan = tf.gather(plan, tf.random.experimental.stateless_shuffle(tf.range(whole), seed=mixed))
        steps = tf.range(whole, dtype=tf.int64)
        dataset = tf.data.Dataset.from_tensor_slices((plan, steps))
        dataset = dataset.map(lambda rows, step: take(rows, epoch, step), num_parallel_calls=tf.data.AUTOTUNE)
        if not drop_remainder and left:
            rest = tf.data.Dataset.from_tensors((order[whole * batch_size :], tf.constant(whole, tf.int64)))
            dataset = dataset.concatenate(rest.map(lambda rows, step: take(rows, epoch, step)))
        return dataset

    steps = whole + int(not drop_remainder and left > 0)
    if seed is not None:
        return reshuffled(epoch_batches, steps)
    return epoch_batches(tf.constant(0, tf.int64)).prefetch(tf.data.AUTOTUNE)


def batches(
    ids: tf.RaggedTensor,
    labels: np.ndarray,
    *,
    batch_size: int,
    seed: int | None = None,
    bucket: bool = False,
    pad_to: int | None = None,
    balanced: bool = False,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of encoded texts that are held in memory (4 bytes a token).

    Args:
        ids: ragged int32 of shape (n, None).
        labels: (n,) class numbers or (n, classes) zeros and ones.
        batch_size: texts a batch.
        seed: shuffle by (seed, epoch); `None`: keep the order, every time.
        bucket: put texts of like length into one batch, in random order still: less padding, same texts an epoch.
        pad_to: width of every batch; default: the longest text of the batch.
        balanced: draw every class equally often, see `Preparation`; it needs a `seed`.
        drop_remainder: leave out the last, smaller batch.

    Returns:
        Batches (ids int32 (batch, width), labels), padded with 0 at the end.

    Raises:
        ValueError: `batch_size` or `pad_to` not in 1 to 2**31 - 1, no text, or more labels than texts.
    """
    check_whole("pad_to", pad_to, optional=True)
    n = int(ids.nrows())
    if n != len(labels):
        raise ValueError(f"one label a text is needed, got {n} texts and {len(labels)} labels")
    targets = tf.constant(labels)

    def take(rows: tf.Tensor, epoch: tf.Tensor, step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.gather(ids, rows).to_tensor(0, shape=(None, pad_to)), tf.gather(targets, rows)

    lengths = ids.row_lengths() if bucket else None
    return row_batches(
        n,
        take,
        batch_size=batch_size,
        seed=seed,
        lengths=lengths,
        classes=labels if balanced else None,
        drop_remainder=drop_remainder,
    )
