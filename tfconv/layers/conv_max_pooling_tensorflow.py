"""The TensorFlow kernel of `ConvMaxPooling1D`: convolution and maximum, with a gradient at the maximum alone."""

import tensorflow as tf

__all__ = ["largest_response"]


def largest_response(x: tf.Tensor, kernel: tf.Tensor, counted: tf.Tensor | None) -> tf.Tensor:
    """Return max over t of (x * kernel)[t], of shape (batch, filters); 0 where no window counts.

    The gradient is exact and sparse: only the window that gave the maximum has one (the first of equal ones), so
    the backward pass gathers `filters` windows a text instead of convolving twice.

    Args:
        x: (batch, steps, channels), padded already.
        kernel: (width, channels, filters), of x's dtype.
        counted: bool (batch, steps - width + 1), the windows that take part in the maximum; None: all.
    """
    lowest = tf.constant(-float("inf"), x.dtype)

    @tf.custom_gradient
    def response(x: tf.Tensor, kernel: tf.Tensor):  # noqa: ANN202
        scores = tf.nn.conv1d(x, kernel, stride=1, padding="VALID")
        if counted is not None:
            scores = tf.where(counted[:, :, None], scores, lowest)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return _gradient(x, kernel, tf.argmax(scores, axis=1, output_type=tf.int32), upstream)

        return tf.reduce_max(scores, axis=1), gradient

    best = response(x, tf.convert_to_tensor(kernel))
    return tf.where(best == lowest, tf.zeros([], best.dtype), best)


def _gradient(x: tf.Tensor, kernel: tf.Tensor, position: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    batch, steps = tf.shape(x)[0], tf.shape(x)[1]
    width, channels, filters = kernel.shape
    start = tf.transpose(position + tf.range(batch)[:, None] * steps)  # (filters, batch)
    rows = start[:, :, None] + tf.range(width)  # (filters, batch, width)
    windows = tf.reshape(tf.gather(tf.reshape(x, [-1, channels]), rows), [filters, batch, width * channels])
    weight = tf.transpose(upstream)  # (filters, batch)
    kernel_rows = tf.matmul(weight[:, None, :], windows)  # (filters, 1, width * channels)
    kernel_gradient = tf.transpose(tf.reshape(kernel_rows, [filters, width, channels]), [1, 2, 0])
    contributions = weight[:, :, None, None] * tf.transpose(kernel, [2, 0, 1])[:, None]
    x_gradient = tf.math.unsorted_segment_sum(contributions, rows, batch * steps)
    return tf.reshape(x_gradient, tf.shape(x)), kernel_gradient
