"""What optimizers around another optimizer share: everything that is not their own is the inner one's."""

from typing import Any, Self

import keras

__all__: list[str] = []


class WrappedOptimizer(keras.optimizers.Optimizer):
    """An optimizer around another one, as `keras.optimizers.LossScaleOptimizer` is.

    A subclass has its own `apply`, which calls that of `inner_optimizer`, and may add variables in `build`. Learning
    rate, clipping, weight decay and moving average are the inner optimizer's, and so is the count of steps.

    Args:
        inner_optimizer: the one that moves the weights.
        name: of the optimizer.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, name: str | None = None) -> None:
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer

    def build(self, variables: Any) -> None:
        """Make the inner optimizer's variables."""
        if self.built:
            return
        self.inner_optimizer.build(variables)
        super().build(variables)

    @property
    def variables(self) -> list[Any]:
        """Own variables and the inner optimizer's."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self) -> Any:
        """Updates of the weights, as the inner optimizer counts them."""
        return self.inner_optimizer.iterations

    def scale_loss(self, loss: Any) -> Any:
        """Scale the loss as the inner optimizer does."""
        return self.inner_optimizer.scale_loss(loss)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Exclude variables from the inner optimizer's weight decay."""
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Any) -> None:
        """Put the inner optimizer's moving average into the weights where it keeps one (`use_ema`)."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Return the inner optimizer and the name."""
        return {"inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Make an optimizer from its arguments."""
        inner = keras.saving.deserialize_keras_object(config["inner_optimizer"], custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
