"""Batch normalisation, ghost batch normalisation and response normalisation."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured

__all__ = ["BatchNorm", "GhostBatchNorm", "ResponseNormalization"]


def averaging_matrix(batch: Any, virtual_batch_size: int) -> Any:
    """Return float32 (batch, batch): 1 / size of the virtual batch where two examples share one, else 0.

    Its product with values per example is the mean over each example's virtual batch.
    """
    last = ops.maximum(batch // virtual_batch_size, 1) - 1
    part = ops.minimum(ops.arange(batch) // virtual_batch_size, last)
    same = ops.cast(ops.equal(part[:, None], part[None, :]), "float32")
    return same / ops.sum(same, axis=1, keepdims=True)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation with a fused kernel on TensorFlow, synchronised over replicas.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and variance over all axes but the last: those of
    the batch in training, their moving averages otherwise

    Results are those of `keras.layers.BatchNormalization` (variance without Bessel's correction). On TensorFlow, Keras
    composes that layer from some ten operations, each a pass over memory and, under a 16-bit policy, in float32. The
    fused operation reads and writes 16-bit activations and computes its statistics in float32. Other backends, masked
    inputs (normalised by each replica's own part of the batch) and float64 inputs use Keras' operations. While
    `trainable` is False, the moving averages are used in training too and do not change.

    Under a `tf.distribute` strategy with several replicas, mean and variance are those of the whole batch, so that
    results do not depend on the number of replicas. This costs one exchange of 3 numbers per channel forward and of 2
    backward, and about twice as many passes over memory (recipes/benchmarks/scaling.md compares).

    Args:
        momentum: Momentum of the moving averages. With Keras' default, 0.99, a tenth of the initial values is left
            after 230 steps.
        epsilon: Number added to the variance.
        center: Whether to add beta.
        scale: Whether to multiply by gamma.
        beta_initializer: Initializer of beta.
        gamma_initializer: Initializer of gamma.
        beta_regularizer: Keras regularizer, or None.
        gamma_regularizer: Keras regularizer, or None.
        synchronized: Whether replicas share the batch's statistics in training, on TensorFlow. If False, each replica
            normalises by its own part of the batch and has its own moving averages; those of the first are saved.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

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
        self.synchronized = synchronized  # not given to Keras, which refuses it on other backends also for inference

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the normalised inputs; `mask` is bool, of one axis less than `inputs`, False at padding."""
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
        """Return mean and variance for Keras' own operations, synchronised only where there are several replicas."""
        if mask is not None:
            return super()._moments(inputs, mask)
        shared = False
        if self.synchronized and keras.backend.backend() == "tensorflow":
            from tfconv.layers.normalization_tensorflow import replicas

            shared = replicas() > 1
        return keras.ops.moments(inputs, axes=self._reduction_axes, synchronized=shared)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class GhostBatchNorm(BatchNorm):
    """Batch normalisation of each virtual batch by its own mean and variance.

    y = gamma (x - mean_k) / sqrt(variance_k + epsilon) + beta for the examples of virtual batch k

    A virtual batch is `virtual_batch_size` consecutive examples of the batch; remaining examples join the last one, and
    a smaller batch is one virtual batch. This keeps the regularising noise of small batches in large ones. The moving
    averages, used outside training, follow the mean of mean_k and of variance_k over the examples.

    Args:
        virtual_batch_size: Number of examples in a virtual batch.
        momentum: Momentum of the moving averages, which are updated once per batch.
        epsilon: Number added to the variance.
        center: Whether to add beta.
        scale: Whether to multiply by gamma.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, ..., channels).
    Output shape: the same.

    Raises:
        ValueError: `virtual_batch_size` below 1; see `BatchNorm` for the others.

    Reference: Hoffer, Hubara and Soudry, "Train Longer, Generalize Better", 2017, algorithm 1 (which updates
        the averages once per virtual batch).
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
        average = ops.cast(averaging_matrix(ops.shape(x)[0], self.virtual_batch_size), x.dtype)

        def over_virtual_batch(values: Any) -> Any:
            return ops.expand_dims(ops.matmul(average, ops.mean(values, axis=pixels)), pixels)

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


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResponseNormalization(keras.layers.Layer):
    """Scale each vector to a length below 1, long vectors more than short ones.

    y = x / sqrt(1 + ||x||^2), with the norm over the last axis

    Args:
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

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
        # Squares of float16 numbers above 256 are infinite.
        x = ops.cast(inputs, "float32") if self.compute_dtype == "float16" else inputs
        y = x * ops.rsqrt(1.0 + ops.sum(ops.square(x), axis=-1, keepdims=True))
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape
