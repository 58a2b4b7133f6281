"""SGD with a momentum schedule."""

from typing import Any

import keras
import tensorflow as tf

__all__ = ["ScheduledSGD"]


@keras.saving.register_keras_serializable(package="tfconv")
class ScheduledSGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` with a momentum schedule, for one-cycle training.

    The momentum of a step is a scalar variable of the optimizer. For a constant momentum use `keras.optimizers.SGD`.

    Args:
        learning_rate: a number or a schedule.
        momentum: a `LearningRateSchedule`, such as `schedules.momentum("one-cycle", steps)`.
        **kwargs: Of `keras.optimizers.SGD`: nesterov, weight_decay, ...

    Raises:
        ValueError: `momentum` is no schedule.

    Reference: Smith, "A disciplined approach to neural network hyper-parameters: Part 1", 2018, section 4.3.
    """

    def __init__(self, learning_rate: Any, momentum: Any, **kwargs: Any):
        if not isinstance(momentum, keras.optimizers.schedules.LearningRateSchedule):
            raise ValueError(f"momentum must be a schedule (for a number use keras.optimizers.SGD), got {momentum!r}")
        super().__init__(learning_rate, 0.9, **kwargs)  # a number that is not 0, so that Keras makes the velocities
        self.schedule = momentum

    def build(self, variables: Any) -> None:
        """Make the velocities."""
        if not self.built:
            self._now = self.add_variable(shape=(), name="momentum", aggregation="only_first_replica")
        super().build(variables)

    def _backend_update_step(self, gradients: Any, variables: Any, learning_rate: Any) -> None:
        self._now.assign(self.schedule(self._iterations))  # once a step, not once a variable
        super()._backend_update_step(gradients, variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its velocity."""
        rate, momentum = (tf.cast(tf.convert_to_tensor(x), variable.dtype) for x in (learning_rate, self._now))
        step = tf.cast(tf.convert_to_tensor(gradient), variable.dtype) * rate
        velocity = self.momentums[self._get_variable_index(variable)]
        moved = velocity * momentum - step
        self.assign(velocity, moved)
        self.assign_add(variable, moved * momentum - step if self.nesterov else moved)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, the schedule as Keras writes one."""
        return {**super().get_config(), "momentum": keras.optimizers.schedules.serialize(self.schedule)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ScheduledSGD":
        """Make an optimizer from its arguments."""
        momentum = keras.optimizers.schedules.deserialize(config["momentum"], custom_objects)
        return super().from_config({**config, "momentum": momentum}, custom_objects)
