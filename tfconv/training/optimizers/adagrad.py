"""Adagrad that visits only what a batch touched."""

from typing import Any

import keras
import tensorflow as tf

from tfconv.training.optimizers.adam import clipped_by_rows, handle, summed_rows

__all__ = ["FusedAdagrad"]


@keras.saving.register_keras_serializable(package="tfconv")
class FusedAdagrad(keras.optimizers.Adagrad):
    """`keras.optimizers.Adagrad` with TensorFlow's fused kernel, which visits only rows that have a gradient.

    a <- a + g^2;  w <- w - learning_rate g / (sqrt(a) + epsilon)

    What has no gradient stays as it is under Adagrad, so unlike with `LazyAdam` nothing differs from the update of the
    whole table: a step costs as much as its batch has words, not as the vocabulary has. Where a row's gradient has
    several parts, because a token occurs several times in the batch, they are summed first, as the paper says; Keras
    adds the squares of the parts. Keras has epsilon inside the root.

    Args:
        *args: Of `keras.optimizers.Adagrad`: learning_rate, initial_accumulator_value, epsilon.
        **kwargs: Of `keras.optimizers.Adagrad`; `weight_decay`, `use_ema` and gradient accumulation work on whole
            tables.

    Reference: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
        2011, figure 1.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable, or those of its rows that have a gradient, and the sum of squares."""
        dtype = variable.dtype
        settings = {
            "var": handle(variable),
            "accum": handle(self._accumulators[self._get_variable_index(variable)]),
            "lr": tf.cast(tf.convert_to_tensor(learning_rate), dtype),
            "epsilon": tf.cast(self.epsilon, dtype),
        }
        if isinstance(gradient, tf.IndexedSlices):
            gradient = summed_rows(gradient)
            tf.raw_ops.ResourceSparseApplyAdagradV2(
                **settings, grad=tf.cast(gradient.values, dtype), indices=gradient.indices
            )
        else:
            tf.raw_ops.ResourceApplyAdagradV2(**settings, grad=tf.cast(tf.convert_to_tensor(gradient), dtype))

    def _clip_gradients(self, grads: Any) -> Any:
        return clipped_by_rows(self, grads, super()._clip_gradients)
