"""Normalisation that Keras does not have."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured

__all__ = ["BatchNorm", "GhostBatchNorm", "ResponseNormalization"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResponseNormalization(keras.layers.Layer):
    """Shrink each vector to a length below 1, long vectors more than short ones.

    y = x / sqrt(1 + ||x||^2), the norm being taken over the last axis

    Args:
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (..., channels).
    Output shape: the same.

    Reference: Johnson and Zhang, "Effective Use of Word Order for Text Categorization with Convolutional Neural
        Networks", 2015, section 3.1 (response normalisation).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the normalised vectors."""
        # The squares of float16 numbers above 256 are infinite.
        x = ops.cast(inputs, "float32") if self.compute_dtype == "float16" else inputs
        y = x * ops.rsqrt(1.0 + ops.sum(ops.square(x), axis=-1, keepdims=True))
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BatchNorm(keras.layers.BatchNormalization):
    """Normalise each channel by the batch's mean and variance in training, by their moving averages otherwise.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta, over all axes but the last

    `keras.layers.BatchNormalization` with another kernel: on TensorFlow, Keras composes the layer from some ten
    operations, each a pass over memory and, under a 16-bit policy, in float32. The fused operation reads and writes
    16-bit activations and keeps its statistics in float32. Weights, moving averages and gradients are Keras' own
    (variance without Bessel's correction); masked inputs (normalised by each replica's own part) and
    float64 ones take Keras' path, as do other backends. While
    `trainable` is False the moving averages are used, also in training, and do not move.

    Under a `tf.distribute` strategy of several replicas the batch is the whole one, cut over the replicas: what
    comes out does not depend on their number. It costs one exchange of 3 numbers a channel forward and of 2 backward,
    and about as many passes over memory again (recipes/benchmarks/scaling.md has both ways).

    Args:
        momentum: Of the moving averages. Keras' own default, 0.99, still holds a tenth of the starting values after
            230 steps.
        epsilon: Added to the variance.
        center: Whether to add beta.
        scale: Whether to multiply by gamma.
        beta_initializer: Of beta.
        gamma_initializer: Of gamma.
        beta_regularizer: None or a Keras regularizer.
        gamma_regularizer: None or a Keras regularizer.
        synchronized: Whether replicas share the batch's statistics in training (on TensorFlow only). `False`: each
            normalises by its own part, and keeps moving averages of its own, of which the first replica's are saved.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (..., channels).
    Output shape: the same.

    Raises:
        ValueError: `momentum` not in [0, 1), `epsilon` not above 0.

    Reference: Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
        Covariate Shift", 2015, algorithms 1 and 2.
    """

    def __init__(
        self,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        synchronized: bool = True,
        **kwargs: Any,
    ) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be from 0 to below 1. Received: momentum={momentum}")
        if not epsilon > 0:
            raise ValueError(f"epsilon must be above 0. Received: epsilon={epsilon}")
        super().__init__(
            axis=-1,
            momentum=momentum,
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            **kwargs,
        )
        self.synchronized = synchronized  # Keras refuses it on other backends, also in a model that only answers there

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised inputs; `mask` is bool, one axis less than `inputs`, False at padded places."""
        from_batch = bool(training) and self.trainable
        if (
            keras.backend.backend() != "tensorflow"
            or mask is not None
            or self.compute_dtype == "float64"
            or not 2 <= len(inputs.shape) <= 4
        ):
            return super().call(inputs, training=training, mask=mask)
        from tfconv.layers.normalization_tensorflow import normalized, normalized_over_replicas, replicas

        if from_batch and self.synchronized and replicas() > 1:
            outputs, mean, variance = normalized_over_replicas(inputs, self.gamma, self.beta, epsilon=self.epsilon)
        else:
            outputs, mean, variance = normalized(
                inputs,
                self.gamma,
                self.beta,
                self.moving_mean,
                self.moving_variance,
                epsilon=self.epsilon,
                from_batch=from_batch,
            )
        if from_batch:
            self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
            self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return outputs

    def _moments(self, inputs: Any, mask: Any) -> Any:
        """Keras' own, which asks for the exchange of statistics where there is nobody to exchange them with."""
        if mask is not None:
            return super()._moments(inputs, mask)
        shared = False
        if self.synchronized and keras.backend.backend() == "tensorflow":
            from tfconv.layers.normalization_tensorflow import replicas

            shared = replicas() > 1
        return keras.ops.moments(inputs, axes=self._reduction_axes, synchronized=shared)


def sharing(batch: Any, virtual_batch_size: int) -> Any:
    """Return float32 (batch, batch): 1 / size of its virtual batch where two examples share one, else 0.

    A product with it is the mean over each example's virtual batch, whatever the batch's size.
    """
    last = ops.maximum(batch // virtual_batch_size, 1) - 1
    part = ops.minimum(ops.arange(batch) // virtual_batch_size, last)
    same = ops.cast(ops.equal(part[:, None], part[None, :]), "float32")
    return same / ops.sum(same, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
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
