"""Adam in one pass over memory."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["FusedAdam"]


@keras.saving.register_keras_serializable(package="tfconv")
class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` by TensorFlow's one operation for it, which reads and writes each number once.

    Keras composes the update from nine operations, each a pass over memory, and a large embedding is updated whole at
    every step: with 30,000 words of 300 numbers this takes a third of the step of a text CNN.

    The arithmetic is Keras' own, with one difference. Where an embedding's gradient names a row several times,
    because a word stands several times in the batch, the parts are summed first, as the method says. Keras
    adds the parts' squares to the second moment instead of the square of their sum, and makes greater steps.

    Args:
        *args: Of `keras.optimizers.Adam`: learning_rate, beta_1, beta_2, epsilon, amsgrad.
        **kwargs: Of `keras.optimizers.Adam`; with `amsgrad=True` the update is Keras'.

    Reference: Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015, section 2, the form before 2.1.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable and its two moments."""
        gradient = tf.cast(tf.convert_to_tensor(gradient), variable.dtype)
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(tf.convert_to_tensor(learning_rate), variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def _handle(variable: Any) -> tf.Tensor:
    return variable.value.handle if isinstance(variable, keras.Variable) else variable.handle
