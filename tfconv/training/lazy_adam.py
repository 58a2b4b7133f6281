"""Adam that leaves alone what a batch does not touch."""

from typing import Any

import keras
import tensorflow as tf

from tfconv.training.fused_adam import FusedAdam, _handle, summed_rows

__all__ = ["LazyAdam"]


@keras.saving.register_keras_serializable(package="tfconv")
class LazyAdam(FusedAdam):
    """`FusedAdam` that moves only the rows of an embedding whose words are in the batch.

    An embedding's gradient comes as `tf.IndexedSlices`, rows and their numbers. Rows that it names are moved as Adam
    moves them, the others keep weight and moments as they are; a step costs what the batch holds, not what the
    vocabulary holds. Adam itself goes on moving a row by its old moments, so the two differ, except where every
    row is in every batch. Bias correction counts the optimizer's steps, not how often a row was touched, as LazyAdam
    of TensorFlow Addons does. Other gradients are handled by `FusedAdam`.

    Three settings work on whole tables and take back what this class saves: `weight_decay` (leave embeddings out, see
    `exclude_from_weight_decay`), `use_ema`, and `gradient_accumulation_steps`, under which the sum of gradients is
    dense and the update `FusedAdam`'s; so it is with `amsgrad=True`.

    Args:
        *args: Of `FusedAdam`.
        **kwargs: Of `FusedAdam`.

    Reference: Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015, section 2, the form before 2.1.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable, or its rows that have a gradient, and the moments."""
        if self.amsgrad or not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        gradient = summed_rows(gradient)
        rows, values = gradient.indices, tf.cast(gradient.values, dtype)
        index = self._get_variable_index(variable)
        first, second = _handle(self._momentums[index]), _handle(self._velocities[index])
        decay = self._decay(dtype)
        rate = tf.cast(learning_rate, dtype) * tf.sqrt(1 - decay.beta_2_product) / (1 - decay.beta_1_product)

        m = tf.raw_ops.ResourceGather(resource=first, indices=rows, dtype=dtype)
        m += (values - m) * (1 - decay.beta_1)
        tf.raw_ops.ResourceScatterUpdate(resource=first, indices=rows, updates=m)
        v = tf.raw_ops.ResourceGather(resource=second, indices=rows, dtype=dtype)
        v += (tf.square(values) - v) * (1 - decay.beta_2)
        tf.raw_ops.ResourceScatterUpdate(resource=second, indices=rows, updates=v)
        # ResourceScatterSub would do this in one operation, and takes twice as long.
        w = tf.raw_ops.ResourceGather(resource=_handle(variable), indices=rows, dtype=dtype)
        w -= rate * m / (tf.sqrt(v) + tf.cast(self.epsilon, dtype))
        tf.raw_ops.ResourceScatterUpdate(resource=_handle(variable), indices=rows, updates=w)
