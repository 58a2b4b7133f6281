"""TensorFlow kernels: the sum of rows of `BagOfWordsDense`, and ids without columns of padding for `OneHotConv1D`."""

import tensorflow as tf

__all__ = ["summed_rows", "without_empty_columns"]


def summed_rows(kernel: tf.Variable, ids: tf.Tensor) -> tf.Tensor:
    """Return the sum over t with ids[b, t] != 0 of kernel[ids[b, t]], (batch, units).

    TensorFlow's own gradient has a row for each token, also for duplicates, which every operation of the optimizer
    processes again. A kernel of few columns is small: its gradient is summed once here, as a dense tensor.

    Args:
        kernel: (vocabulary, units).
        ids: (batch, steps), integers.
    """
    present = tf.not_equal(ids, 0)

    @tf.custom_gradient
    def total(table: tf.Tensor):  # noqa: ANN202
        if table.shape[1] == 1:  # gather copies whole rows, gather_nd single values: half the time for one column
            rows = tf.expand_dims(tf.gather_nd(tf.reshape(table, [-1]), tf.expand_dims(ids, 2)), 2)
        else:
            rows = tf.gather(table, ids)
        rows *= tf.expand_dims(tf.cast(present, table.dtype), 2)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            vocabulary, units = table.shape
            parts = tf.broadcast_to(upstream[:, None], tf.concat([tf.shape(ids), [units]], axis=0))
            # Parts with a negative segment id are left out of the sum.
            return tf.math.unsorted_segment_sum(parts, tf.where(present, ids, -1), vocabulary)

        return tf.reduce_sum(rows, axis=1), gradient

    return total(tf.convert_to_tensor(kernel))


def without_empty_columns(ids: tf.Tensor) -> tf.Tensor:
    """Return ids (batch, steps) without the last columns that hold nothing but zeros, but with one at least."""
    place = tf.range(1, tf.shape(ids)[1] + 1)
    last = tf.reduce_max(tf.where(tf.reduce_any(tf.not_equal(ids, 0), axis=0), place, 0))
    return ids[:, : tf.maximum(last, 1)]
