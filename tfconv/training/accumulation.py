"""Many small batches as one large one."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfconv.training.wrapped_optimizer import WrappedOptimizer

__all__ = ["GradientAccumulation"]


@keras.saving.register_keras_serializable(package="tfconv")
class GradientAccumulation(WrappedOptimizer):
    """Hand an optimizer the mean gradient of every few batches, as if they had been one.

    For batches too large for memory: `steps` batches of n examples give the update of one of `steps` n, up to
    rounding, except through batch normalisation, which sees n at a time. The inner optimizer counts updates, and so do
    its schedules, its moving average (`use_ema`), its weight decay, and `Lookahead`; it clips the mean gradient. A
    group goes on over the end of an epoch; one that the end of training leaves incomplete moves nothing.

    Keras' own `gradient_accumulation_steps` gives the same updates on one device, but fails under a strategy of
    several replicas (3.15: `merge_call` inside a condition), and its schedules and moving averages count batches. The
    sum is dense: an embedding of v words costs v rows a batch.

    Args:
        inner_optimizer: the one that moves the weights.
        steps: batches in an update, from 2 on.
        name: of the optimizer.

    Raises:
        ValueError: `steps` is no whole number from 2 on, or the inner optimizer accumulates itself.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, steps: int, name: str | None = None) -> None:
        if not isinstance(steps, int) or steps < 2:
            raise ValueError(f"steps must be a whole number from 2 on, got {steps}")
        if inner_optimizer.gradient_accumulation_steps:
            raise ValueError(
                "the inner optimizer's gradient_accumulation_steps must be None, "
                f"got {inner_optimizer.gradient_accumulation_steps}"
            )
        super().__init__(inner_optimizer, name)
        self.steps = steps

    def build(self, variables: Any) -> None:
        """Make the sums, and the inner optimizer's variables."""
        if not self.built:
            self._sums = self.add_optimizer_variables(variables, "sum")
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Add the gradients of a batch; after the last of a group let the inner optimizer move the weights."""
        if not self.built:
            self.build(list(trainable_variables))
        variables = list(trainable_variables or self._trainable_variables)
        known = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        variables = [variable for _, variable in known]
        sums = [self._sums[self._get_variable_index(variable)] for variable in variables]
        for total, (gradient, _) in zip(sums, known, strict=True):
            self.assign_add(total, tf.convert_to_tensor(gradient))
        self._iterations.assign_add(1)

        def update() -> None:
            self.inner_optimizer.apply([tf.convert_to_tensor(total) / self.steps for total in sums], variables)
            for total in sums:
                self.assign(total, tf.zeros(total.shape, total.dtype))

        def update_if_due(run_update: Callable[[], Any]) -> None:
            tf.cond(tf.convert_to_tensor(self._iterations) % self.steps == 0, run_update, lambda: None)

        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            update_if_due(update)
        else:  # the condition stands outside of the replicas: within one, they could not exchange anything
            context.merge_call(lambda strategy: update_if_due(lambda: strategy.extended.call_for_each_replica(update)))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "steps": self.steps}
