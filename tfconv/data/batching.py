"""From examples to batches: shuffle by (seed, epoch), bucket by length, pad, prefetch.

A training set is an `EpochDataset`, a `tf.data.Dataset` that gives a new order each time it is iterated and that can
give the batches of any epoch at once. `tfconv.training.fit` asks for them by their number, so that a resumed run sees
the very batches that an uninterrupted one would have seen.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfconv.errors import InputError, check_whole

__all__ = ["EpochDataset", "batches", "reshuffled", "row_batches"]


def _each_epoch(name: str) -> Callable[..., "EpochDataset"]:
    """A method of `tf.data.Dataset` that transforms every epoch alike."""
    transformation = getattr(tf.data.Dataset, name)

    @functools.wraps(transformation)
    def method(self: "EpochDataset", *args: Any, **kwargs: Any) -> "EpochDataset":
        return self.changed(lambda dataset: transformation(dataset, *args, **kwargs))

    return method


class EpochDataset(tf.data.Dataset):
    """A data set that gives a new order each time it is iterated, and the batches of any epoch at once.

    `map`, `filter`, `batch`, `prefetch` and the other methods below give an `EpochDataset` again, in which every epoch
    is transformed. Their functions must depend on nothing but their arguments: use stateless random operations.
    `repeat`, `shuffle`, `cache` and the rest, whose result depends on earlier iterations, give an ordinary data set.

    Args:
        dataset: its n-th iteration, from 0, gives the batches of epoch n.
        at_epoch: from the number of an epoch to its batches, a data set that is the same at every iteration.
    """

    def __init__(self, dataset: tf.data.Dataset, at_epoch: Callable[[int], tf.data.Dataset]) -> None:
        self._dataset = dataset  # with all that its functions hold, such as the count of iterations
        self.at_epoch = at_epoch
        super().__init__(tf.data.experimental.to_variant(dataset))

    @property
    def element_spec(self) -> Any:
        """Shapes and types of an element."""
        return self._dataset.element_spec

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._dataset]

    def changed(self, change: Callable[[tf.data.Dataset], tf.data.Dataset]) -> "EpochDataset":
        """Return the data set whose every epoch is changed by a function from data set to data set."""
        at_epoch = self.at_epoch
        return EpochDataset(change(self._dataset), lambda epoch: change(at_epoch(epoch)))

    batch = _each_epoch("batch")
    enumerate = _each_epoch("enumerate")
    filter = _each_epoch("filter")
    flat_map = _each_epoch("flat_map")
    ignore_errors = _each_epoch("ignore_errors")
    interleave = _each_epoch("interleave")
    map = _each_epoch("map")
    padded_batch = _each_epoch("padded_batch")
    prefetch = _each_epoch("prefetch")
    ragged_batch = _each_epoch("ragged_batch")
    rebatch = _each_epoch("rebatch")
    scan = _each_epoch("scan")
    shard = _each_epoch("shard")
    skip = _each_epoch("skip")
    take = _each_epoch("take")
    take_while = _each_epoch("take_while")
    unbatch = _each_epoch("unbatch")
    with_options = _each_epoch("with_options")


def balanced_order(classes: np.ndarray, seed: int | None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Draw as many examples an epoch as there are, every class equally often.

    Of n examples of c classes, each class is drawn n // c or n // c + 1 times an epoch, and of a class that is drawn
    q times each of its m examples q // m or q // m + 1 times: a rare class is repeated, of a frequent one (q < m)
    other examples are drawn every epoch. Which are drawn once more, and the order, depend on (seed, epoch).

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


def reshuffled(epoch_batches: Callable[[tf.Tensor], tf.data.Dataset], steps: int) -> EpochDataset:
    """Make an `EpochDataset` of a function of the epoch number.

    Args:
        epoch_batches: from the epoch number, a scalar int64 tensor, to that epoch's batches. It must depend on
            nothing else (use stateless random operations).
        steps: batches an epoch (`tf.data.UNKNOWN_CARDINALITY` where that is not known).

    Returns:
        A data set whose n-th iteration, from 0, is epoch n, as is `dataset.at_epoch(n)`.
    """

    def counted(dataset: tf.data.Dataset) -> tf.data.Dataset:
        if steps != tf.data.UNKNOWN_CARDINALITY:  # which cannot be asserted
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def at_epoch(epoch: int) -> tf.data.Dataset:
        return counted(tf.data.Dataset.from_tensors(tf.constant(epoch, tf.int64)).flat_map(epoch_batches))

    iterated = tf.Variable(-1, dtype=tf.int64)
    dataset = counted(tf.data.Dataset.from_tensors(0).map(lambda _: iterated.assign_add(1)).flat_map(epoch_batches))
    return EpochDataset(dataset, at_epoch)


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
    """Make batches of n examples that are found by their number.

    In training (with a seed) a last batch of fewer than 8 examples, or an eighth of `batch_size`, joins the one before.

    Args:
        n: how many examples there are.
        take: from the numbers of a batch's examples, int64 (batch,), the epoch and the step in it, int64 scalars, to
            that batch.
        batch_size: examples a batch.
        seed: shuffle by (seed, epoch); `None`: keep the order in every epoch.
        lengths: int64 (n,); put examples of similar length into one batch; the order of the batches stays random.
        classes: int (n,), the class of each example: draw every class equally often, as `balanced_order` does; it
            needs a `seed`.
        drop_remainder: leave out the last, smaller batch.
        unit: word for an example, for messages.

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
    """Make batches of encoded texts that are held in memory (4 bytes a token).

    Args:
        ids: ragged int32 of shape (n, None).
        labels: class numbers (n,), or zeros and ones (n, classes).
        batch_size: texts a batch.
        seed: shuffle by (seed, epoch); `None`: keep the order in every epoch.
        bucket: put texts of similar length into one batch, so that less is padded; the order of the batches stays
            random.
        pad_to: width of every batch; default: the longest text of the batch.
        balanced: draw every class equally often, see `Preparation`; it needs a `seed`.
        drop_remainder: leave out the last, smaller batch.

    Returns:
        Batches (ids int32 (batch, width), labels), padded with 0 at the end; with a `seed` an `EpochDataset`.

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
