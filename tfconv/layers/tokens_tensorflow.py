"""The TensorFlow kernel of `BagOfWordsDense`: a sum of rows, with a dense gradient."""

import tensorflow as tf

__all__ = ["summed_rows"]


def summed_rows(kernel: tf.Variable, ids: tf.Tensor) -> tf.Tensor:
    """Return the sum over t with ids[b, t] != 0 of kernel[ids[b, t]], (batch, units).

    TensorFlow's own gradient names a row once for each of its words, and every operation of an optimizer goes through
    the repeated rows again. A kernel of few columns is small: here its gradient is summed once, whole.

    Args:
        kernel: (vocabulary, units).
        ids: (batch, steps), whole numbers.
    """
    present = tf.not_equal(ids, 0)

    @tf.custom_gradient
    def total(table: tf.Tensor):  # noqa: ANN202
        if table.shape[1] == 1:  # gather copies row by row, gather_nd number by number: half the time for one column
            rows = tf.expand_dims(tf.gather_nd(tf.reshape(table, [-1]), tf.expand_dims(ids, 2)), 2)
        else:
            rows = tf.gather(table, ids)
        rows *= tf.expand_dims(tf.cast(present, table.dtype), 2)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            vocabulary, units = table.shape
            parts = tf.broadcast_to(upstream[:, None], tf.concat([tf.shape(ids), [units]], axis=0))
            # A negative number leaves its part out.
            return tf.math.unsorted_segment_sum(parts, tf.where(present, ids, -1), vocabulary)

        return tf.reduce_sum(rows, axis=1), gradient

    return total(tf.convert_to_tensor(kernel))
