"""Lookahead around any optimizer."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfconv.training.wrapped_optimizer import WrappedOptimizer

__all__ = ["Lookahead"]


@keras.saving.register_keras_serializable(package="tfconv")
class Lookahead(WrappedOptimizer):
    """Every few steps of an optimizer, go only part of the way that it went, and let it go on from there.

    slow += slow_step (fast - slow); fast = slow, after every `sync_period` updates of the fast weights

    The fast weights are the model's; the slow ones, a copy, are variables of this optimizer. Learning rate, clipping,
    weight decay and `use_ema` are the inner optimizer's, and its moments are kept at a synchronisation. Its moving
    average is of the fast weights. Where training ends between two synchronisations, the model keeps the fast weights.

    Args:
        inner_optimizer: the one that moves the fast weights.
        sync_period: updates from one synchronisation to the next, k in the paper.
        slow_step: the part of the way that is kept, alpha in the paper, in (0, 1].
        name: of the optimizer.

    Raises:
        ValueError: `sync_period` below 1 or no whole number, `slow_step` out of range.

    Reference: Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019, algorithm 1; its settings for
        CIFAR-10 are 5 and 0.8, TensorFlow Addons' 6 and 0.5.
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        sync_period: int = 6,
        slow_step: float = 0.5,
        name: str | None = None,
    ) -> None:
        if not isinstance(sync_period, int) or sync_period < 1:
            raise ValueError(f"sync_period must be a whole number from 1 on, got {sync_period}")
        if not 0 < slow_step <= 1:
            raise ValueError(f"slow_step must be above 0 and at most 1, got {slow_step}")
        super().__init__(inner_optimizer, name)
        self.sync_period = sync_period
        self.slow_step = slow_step

    def build(self, variables: Any) -> None:
        """Make the slow weights, and the inner optimizer's variables."""
        if not self.built:
            self._slow = self.add_optimizer_variables(variables, "slow")
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Move the fast weights; synchronise where it is time to."""
        if not self.built:
            self.build(list(trainable_variables))
        before = tf.identity(self.inner_optimizer.iterations)
        self._where(before == 0, lambda fast, slow: slow.assign(fast))
        self.inner_optimizer.apply(grads, trainable_variables)
        after = tf.identity(self.inner_optimizer.iterations)
        self._where((after != before) & (after % self.sync_period == 0), self._synchronize)

    def _synchronize(self, fast: tf.Variable, slow: tf.Variable) -> None:
        slow.assign_add(tf.cast(self.slow_step, slow.dtype) * (fast - slow))
        fast.assign(slow)

    def _where(self, condition: tf.Tensor, change: Callable[[tf.Variable, tf.Variable], Any]) -> None:
        """Change the pairs of fast and slow weights if a condition, which all replicas agree on, holds."""
        pairs = [
            (f.value, s.value) for f, s in zip(self._trainable_variables, self._slow, strict=True) if s is not None
        ]

        def change_all(strategy: tf.distribute.Strategy, condition: Any) -> None:
            def changed() -> None:
                for fast, slow in pairs:
                    strategy.extended.update(fast, change, args=(slow,), group=False)

            tf.cond(strategy.experimental_local_results(condition)[0], changed, lambda: None)

        tf.__internal__.distribute.interim.maybe_merge_call(change_all, self._distribution_strategy, condition)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "sync_period": self.sync_period, "slow_step": self.slow_step}
