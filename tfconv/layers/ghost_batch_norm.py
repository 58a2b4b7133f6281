"""Batch normalisation by the statistics of parts of the batch."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.batch_norm import BatchNorm

__all__ = ["GhostBatchNorm"]


def sharing(batch: Any, virtual_batch_size: int) -> Any:
    """Return float32 (batch, batch): 1 / size of its virtual batch where two examples share one, else 0.

    A product with it is the mean over each example's virtual batch, whatever the batch's size.
    """
    last = ops.maximum(batch // virtual_batch_size, 1) - 1
    part = ops.minimum(ops.arange(batch) // virtual_batch_size, last)
    same = ops.cast(ops.equal(part[:, None], part[None, :]), "float32")
    return same / ops.sum(same, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="tfconv")
class GhostBatchNorm(BatchNorm):
    """Normalise each virtual batch of a training batch by its own mean and variance.

    y = gamma (x - mean_k) / sqrt(variance_k + epsilon) + beta for the examples of virtual batch k

    Consecutive examples make a virtual batch; those that are left over join the last one, and a batch smaller than one
    is one. The noise of small batches, which regularises, is kept where large ones train faster. The moving
    averages, which are used outside training, follow the mean of mean_k and of variance_k over the examples.

    Args:
        virtual_batch_size: Examples of a virtual batch.
        momentum: Of the moving averages, which move once a batch.
        epsilon: Added to the variance.
        center: Whether to add beta.
        scale: Whether to multiply by gamma.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, ..., channels).
    Output shape: the same.

    Raises:
        ValueError: virtual_batch_size below 1; what `BatchNorm` refuses.

    Reference: Hoffer, Hubara and Soudry, "Train Longer, Generalize Better", 2017, algorithm 1 (which moves the
        averages once a virtual batch).
    """

    def __init__(
        self,
        virtual_batch_size: int = 32,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **kwargs: Any,
    ) -> None:
        if virtual_batch_size < 1:
            raise ValueError(f"virtual_batch_size must be at least 1. Received: {virtual_batch_size}")
        super().__init__(momentum=momentum, epsilon=epsilon, center=center, scale=scale, **kwargs)
        self.virtual_batch_size = virtual_batch_size
        self.supports_masking = False

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised inputs."""
        if mask is not None:
            raise ValueError(f"layer {self.name!r} (GhostBatchNorm) takes no mask: use BatchNorm on masked texts")
        if not (training and self.trainable):
            return super().call(inputs, training=False)
        x = ops.cast(inputs, self.variable_dtype)
        pixels = tuple(range(1, len(inputs.shape) - 1))
        share = ops.cast(sharing(ops.shape(x)[0], self.virtual_batch_size), x.dtype)

        def over_virtual_batch(values: Any) -> Any:
            return ops.expand_dims(ops.matmul(share, ops.mean(values, axis=pixels)), pixels)

        mean = over_virtual_batch(x)
        centred = x - mean
        variance = over_virtual_batch(ops.square(centred))
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            batch_mean = ops.mean(now, axis=(0, *pixels))
            moving.assign(moving * self.momentum + ops.stop_gradient(batch_mean) * (1.0 - self.momentum))
        y = centred * ops.rsqrt(variance + self.epsilon)
        y = y if self.gamma is None else y * self.gamma
        y = y if self.beta is None else y + self.beta
        return ops.cast(y, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **keras.layers.Layer.get_config(self),
            "virtual_batch_size": self.virtual_batch_size,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
        }
