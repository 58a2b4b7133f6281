"""Optimizers around another optimizer: gradient accumulation, Lookahead, and learning rates by layer group."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from tfconv.training.transfer.layer_groups import Groups

__all__ = ["DiscriminativeRates", "GradientAccumulation", "Lookahead", "discriminative"]


class WrappedOptimizer(keras.optimizers.Optimizer):
    """An optimizer around another one, as `keras.optimizers.LossScaleOptimizer` is.

    A subclass has its own `apply`, which calls that of `inner_optimizer`, and may add variables in `build`. Learning
    rate, clipping, weight decay and moving average are the inner optimizer's, and so is the count of steps.

    Args:
        inner_optimizer: the optimizer that updates the weights.
        name: name of the optimizer.
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


@keras.saving.register_keras_serializable(package="tfconv")
class GradientAccumulation(WrappedOptimizer):
    """Accumulate the gradients of several batches and update the weights with their mean.

    For batches too large for memory: `steps` batches of n examples give the update of one batch of `steps` n, up to
    rounding, except for batch normalisation, which normalises n at a time. The inner optimizer counts updates, and so
    do its schedules, its moving average (`use_ema`), its weight decay, and `Lookahead`; it clips the mean gradient.
    Accumulation continues over the end of an epoch; batches left over at the end of training change nothing.

    Keras' own `gradient_accumulation_steps` gives the same updates on one device, but fails under a strategy of
    several replicas (3.15: `merge_call` inside a condition), and its schedules and moving averages count batches. The
    sum is dense: an embedding of v words costs v rows a batch.

    Args:
        inner_optimizer: the optimizer that updates the weights.
        steps: batches in an update, 2 or more.
        name: name of the optimizer.

    Raises:
        ValueError: `steps` is no whole number of 2 or more, or the inner optimizer accumulates itself.
    """

    def __init__(self, inner_optimizer: keras.optimizers.Optimizer, steps: int, name: str | None = None) -> None:
        if not isinstance(steps, int) or steps < 2:
            raise ValueError(f"steps must be a whole number of 2 or more, got {steps}")
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
        """Add the gradients of a batch; after every `steps` batches let the inner optimizer update the weights."""
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
        else:  # the condition is outside of the replicas, which could not exchange anything within one
            context.merge_call(lambda strategy: update_if_due(lambda: strategy.extended.call_for_each_replica(update)))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable(package="tfconv")
class Lookahead(WrappedOptimizer):
    """Lookahead: interpolate between slow weights and those of an inner optimizer every k updates.

    slow += alpha (fast - slow); fast = slow, after every k updates of the fast weights

    The fast weights are the model's; the slow weights, a copy, are variables of this optimizer. Learning rate,
    clipping, weight decay and `use_ema` are the inner optimizer's; its moments are not reset at a synchronisation, and
    its moving average is of the fast weights. Where training ends between two synchronisations, the model has the fast
    weights.

    Args:
        inner_optimizer: the optimizer that updates the fast weights.
        k: number of updates between synchronisations. Default: 6.
        alpha: step size of the slow weights, in (0, 1]. Default: 0.5.
        name: name of the optimizer.

    Raises:
        ValueError: `k` is below 1 or no whole number, or `alpha` is out of range.

    Reference: Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019, algorithm 1; its settings for
        CIFAR-10 are 5 and 0.8, TensorFlow Addons' 6 and 0.5.
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        k: int = 6,
        alpha: float = 0.5,
        name: str | None = None,
    ) -> None:
        if not isinstance(k, int) or k < 1:
            raise ValueError(f"k must be a whole number of 1 or more, got {k}")
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha must be above 0 and at most 1, got {alpha}")
        super().__init__(inner_optimizer, name)
        self.k = k
        self.alpha = alpha

    def build(self, variables: Any) -> None:
        """Make the slow weights, and the inner optimizer's variables."""
        if not self.built:
            self._slow = self.add_optimizer_variables(variables, "slow")
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the fast weights; synchronise after every k updates."""
        if not self.built:
            self.build(list(trainable_variables))
        before = tf.identity(self.inner_optimizer.iterations)
        self._where(before == 0, lambda fast, slow: slow.assign(fast))
        self.inner_optimizer.apply(grads, trainable_variables)
        after = tf.identity(self.inner_optimizer.iterations)
        self._where((after != before) & (after % self.k == 0), self._synchronize)

    def _synchronize(self, fast: tf.Variable, slow: tf.Variable) -> None:
        slow.assign_add(tf.cast(self.alpha, slow.dtype) * (fast - slow))
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
        return {**super().get_config(), "k": self.k, "alpha": self.alpha}


def discriminative(
    optimizer: keras.optimizers.Optimizer, groups: Groups, multipliers: Sequence[float]
) -> "DiscriminativeRates":
    """Give each layer group of a model its own learning rate: discriminative fine-tuning.

    Args:
        optimizer: any of Keras' or ours, not built yet; its learning rate, which may follow a schedule, is that of
            multiplier 1. What it excludes from weight decay stays excluded. Do not use it elsewhere afterwards.
        groups: from `layer_groups`.
        multipliers: (lowest, highest), spaced geometrically over the groups, such as (0.01, 1); or one for each group.
            A group with multiplier 0 is not trained.

    Raises:
        ValueError: a multiplier is negative or not finite, all are 0, there are neither two nor one a group, or 0 was
            to be spread.

    Reference: Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", 2018, section 3.2.
    """
    rates = [float(rate) for rate in multipliers]
    if len(rates) == 2 and len(groups) != 2:
        if min(rates) <= 0 or not np.isfinite(rates).all():
            raise ValueError(f"multipliers must be two numbers above 0 to be spread, got {tuple(multipliers)}")
        rates = np.geomspace(rates[0], rates[1], len(groups)).tolist() if len(groups) > 1 else rates[1:]
    if len(rates) != len(groups):
        raise ValueError(f"multipliers must be two or as many as groups, {len(groups)}, got {len(rates)}")
    weights = [weight for group in groups for layer in group for weight in layer.weights]
    paths = [[weight.path for layer in group for weight in layer.weights] for group in groups]
    table = {path: rate for part, rate in zip(paths, rates, strict=True) for path in part}
    for number, part in enumerate(paths):
        if clashing := set(part) & {path for other in paths[:number] for path in other}:
            raise ValueError(f"weights of different groups must have different paths, got {min(clashing)!r} twice")
    undecayed = [weight.path for weight in weights if not optimizer._use_weight_decay(weight)]
    return DiscriminativeRates(optimizer, table, undecayed)


@keras.saving.register_keras_serializable(package="tfconv")
class DiscriminativeRates(WrappedOptimizer):
    """An optimizer with a learning-rate multiplier for each variable; see `discriminative`.

    State, schedule, clipping and moving averages are the inner optimizer's, whose arithmetic is unchanged: the result
    is that of one optimizer for each group. (`keras.optimizers.MultiOptimizer` has no `learning_rate` to read or to
    change, clips each group by its own norm and would need a schedule for each group.) A variable with multiplier 0 is
    not updated, and its gradient is not computed.

    Args:
        inner_optimizer: an optimizer that is not built yet.
        multipliers: multiplier of each variable, by its path.
        undecayed: paths of the variables without weight decay.
        name: name of the optimizer.

    Raises:
        ValueError: a multiplier is negative or not finite, or all are 0; the inner optimizer wraps another one
            (`Lookahead`, loss scaling: wrap the result in these); while training: a variable has no multiplier.
    """

    built: bool

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        multipliers: Mapping[str, float],
        undecayed: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        _check(list(multipliers.values()))
        if hasattr(inner_optimizer, "inner_optimizer") or hasattr(inner_optimizer, "optimizers"):
            kind = type(inner_optimizer).__name__
            raise ValueError(
                f"inner_optimizer must be the one that updates the weights, got {kind}: wrap the result in it"
            )
        super().__init__(inner_optimizer, name)
        self.multipliers = dict(multipliers)
        self.undecayed = list(undecayed)
        self._factor = 1.0
        update, decay = inner_optimizer.update_step, inner_optimizer._apply_weight_decay
        current_rate = inner_optimizer._get_current_learning_rate

        def scaled_update(gradient: Any, variable: Any, learning_rate: Any) -> None:
            update(gradient, variable, learning_rate * self._rate_of(variable))

        def scaled_decay(variables: Sequence[Any]) -> None:
            for factor in sorted({self._rate_of(variable) for variable in variables}):
                self._factor = factor  # decay is not handed the rate, it reads it
                decay([variable for variable in variables if self._rate_of(variable) == factor])
            self._factor = 1.0

        inner_optimizer.update_step = scaled_update
        inner_optimizer._apply_weight_decay = scaled_decay
        inner_optimizer._get_current_learning_rate = lambda: (
            current_rate() if self._factor == 1 else current_rate() * self._factor
        )

    def _rate_of(self, variable: Any) -> float:
        return self._rates[self._var_key(variable)]

    def _known_path(self, path: str) -> str:
        """The path under which a variable is known: Keras leaves the model's name out of it when it reads a file."""
        if path in self.multipliers:
            return path
        found = [known for known in self.multipliers if known.endswith(f"/{path}") or path.endswith(f"/{known}")]
        if len(found) != 1:
            raise ValueError(f"multipliers must hold every trained variable, got {len(found)} for {path}")
        return found[0]

    def build(self, variables: Any) -> None:
        """Make the inner optimizer's variables."""
        if self.built:
            return
        paths = [self._known_path(variable.path) for variable in variables]
        _check([self.multipliers[path] for path in paths])
        self._rates = {self._var_key(v): self.multipliers[path] for v, path in zip(variables, paths, strict=True)}
        inner = self.inner_optimizer
        undecayed = [
            variable
            for variable, path in zip(variables, paths, strict=True)
            if path in self.undecayed or not inner._use_weight_decay(variable)
        ]
        inner.exclude_from_weight_decay(var_list=undecayed)
        super().build(variables)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update the variables whose multiplier is above 0."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        self.build(list(trainable_variables))
        moved = [pair for pair in zip(grads, trainable_variables, strict=True) if self._rate_of(pair[1])]
        self.inner_optimizer.apply([gradient for gradient, _ in moved], [variable for _, variable in moved])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "multipliers": dict(self.multipliers), "undecayed": list(self.undecayed)}


def _check(multipliers: Sequence[float]) -> None:
    wrong = [rate for rate in multipliers if not 0 <= rate < float("inf")]
    if wrong or not any(multipliers):
        raise ValueError(f"multipliers must be from 0 and not all 0, got {wrong or 'only 0'}")
