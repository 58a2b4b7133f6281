"""TensorFlow's fused batch normalisation, for inputs of two to four axes."""

from typing import Any

import tensorflow as tf

__all__: list[str] = []


def normalized(
    x: Any, gamma: Any, beta: Any, moving_mean: Any, moving_variance: Any, *, epsilon: float, from_batch: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise over all axes but the last, in one operation forward and one backward.

    Args:
        x: float32, float16 or bfloat16, (batch, channels), (batch, steps, channels) or (batch, height, width,
            channels).
        gamma: float32 (channels,), or None for ones.
        beta: float32 (channels,), or None for zeros.
        moving_mean: float32 (channels,).
        moving_variance: float32 (channels,).
        epsilon: added to the variance.
        from_batch: take mean and variance of `x`, not the moving ones.

    Returns:
        The outputs in `x`'s type, and the float32 mean and variance they were made with.
    """
    x = tf.convert_to_tensor(x)
    channels = x.shape[-1]
    added = [1, 2][: 4 - x.shape.rank]
    for axis in added:
        x = tf.expand_dims(x, axis)
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.ones([channels]) if gamma is None else tf.convert_to_tensor(gamma),
        offset=tf.zeros([channels]) if beta is None else tf.convert_to_tensor(beta),
        mean=tf.convert_to_tensor(moving_mean),
        variance=tf.convert_to_tensor(moving_variance),
        epsilon=epsilon,
        is_training=from_batch,
    )
    if from_batch:  # the operation reports n / (n - 1) of the variance it normalises with
        n = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)
        variance = variance * (tf.maximum(n - 1.0, 1.0) / n)
    return tf.squeeze(y, added) if added else y, mean, variance
