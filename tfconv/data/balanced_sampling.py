"""An order of training examples in which every class is drawn equally often."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfconv.errors import InputError

__all__: list[str] = []


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
