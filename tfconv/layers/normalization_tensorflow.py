"""TensorFlow's fused batch normalisation, on one replica or synchronised over several."""

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
        epsilon: Number added to the variance.
        from_batch: Whether to use mean and variance of `x` in place of the moving averages.

    Returns:
        The outputs in `x`'s dtype, and the float32 mean and variance that they are normalised by.
    """
    x, added = _four_axes(tf.convert_to_tensor(x))
    channels = x.shape[-1]
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=tf.ones([channels]) if gamma is None else tf.convert_to_tensor(gamma),
        offset=tf.zeros([channels]) if beta is None else tf.convert_to_tensor(beta),
        mean=tf.convert_to_tensor(moving_mean),
        variance=tf.convert_to_tensor(moving_variance),
        epsilon=epsilon,
        is_training=from_batch,
    )
    if from_batch:
        variance = _as_used(variance, _count(x))
    return tf.squeeze(y, added) if added else y, mean, variance


def replicas() -> int:
    """Return the number of replicas that share a batch."""
    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def normalized_over_replicas(
    x: Any, gamma: Any, beta: Any, *, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Normalise by the mean and variance of the whole batch; arguments and results as of `normalized`.

    Forward, replicas exchange count, mean and variance of their parts and combine them (Chan, Golub & LeVeque 1983,
    which does not suffer the cancellation of sums of squares). The fused operation runs once for the statistics of the
    part, which is faster than `tf.nn.moments`, and once more with those of the whole batch. Backward, its gradient
    gives the sums of dy and dy * x_hat. These are exchanged, and the terms through mean and variance are subtracted:
    dx = gamma / std * (dy - mean(dy) - x_hat * mean(dy * x_hat)), with means over all replicas.
    """
    x, added = _four_axes(tf.convert_to_tensor(x))
    channels = x.shape[-1]
    scale = tf.ones([channels]) if gamma is None else tf.convert_to_tensor(gamma)
    offset = tf.zeros([channels]) if beta is None else tf.convert_to_tensor(beta)
    context = tf.distribute.get_replica_context()

    @tf.custom_gradient
    def normalize(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> Any:
        ones, zeros, none = tf.ones([channels]), tf.zeros([channels]), tf.zeros([0])
        count = _count(x)
        _, part_mean, part_variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=ones, offset=zeros, mean=none, variance=none, epsilon=epsilon, is_training=True
        )
        part_variance = _as_used(part_variance, count)
        part = tf.stack([tf.fill([channels], count), part_mean, part_variance])
        # Each replica adds its part as a row of its own, so that the sum is the list of all parts.
        row = tf.one_hot(context.replica_id_in_sync_group, context.num_replicas_in_sync)
        counts, means, variances = tf.unstack(_total(context, row[:, None, None] * part), axis=1)
        total = tf.reduce_sum(counts, axis=0)
        mean = tf.reduce_sum(counts * means, axis=0) / total
        variance = tf.reduce_sum(counts * (variances + tf.square(means - mean)), axis=0) / total
        y, _, _, *reserved = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=epsilon, is_training=False
        )

        def gradient(dy: tf.Tensor, *_: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            dx, dscale, doffset, *_ = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=dy,
                x=x,
                scale=scale,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=reserved[-1],
                epsilon=epsilon,
                is_training=False,
            )
            all_scale, all_offset = tf.unstack(_total(context, tf.stack([dscale, doffset])) / total)
            # The subtracted term is linear in x_hat, so the operation that computes x_hat computes it too.
            factor = scale * tf.math.rsqrt(variance + epsilon)
            through_statistics, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=factor * all_scale,
                offset=factor * all_offset,
                mean=mean,
                variance=variance,
                epsilon=epsilon,
                is_training=False,
            )
            return dx - through_statistics, dscale, doffset

        return (y, mean, variance), gradient

    y, mean, variance = normalize(x, scale, offset)
    return tf.squeeze(y, added) if added else y, mean, variance


def _count(x: tf.Tensor) -> tf.Tensor:
    """Return the number of values of each channel."""
    return tf.cast(tf.reduce_prod(tf.shape(x)[:3]), tf.float32)


def _as_used(variance: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Return the variance that the operation normalises by; it reports n / (n - 1) of it."""
    return variance * (tf.maximum(count - 1.0, 1.0) / count)


def _total(context: Any, value: tf.Tensor) -> tf.Tensor:
    """Return the sum of a value over all replicas."""
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


def _four_axes(x: tf.Tensor) -> tuple[tf.Tensor, list[int]]:
    """Return `x` with four axes, and which of them were added."""
    added = [1, 2][: 4 - x.shape.rank]
    for axis in added:
        x = tf.expand_dims(x, axis)
    return x, added
