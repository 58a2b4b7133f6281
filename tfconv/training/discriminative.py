"""Learning rates that differ by layer group, with any optimizer."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfconv.training.layer_groups import Groups
from tfconv.training.wrapped_optimizer import WrappedOptimizer

__all__ = ["DiscriminativeRates", "discriminative"]


def discriminative(
    optimizer: keras.optimizers.Optimizer, groups: Groups, multipliers: Sequence[float]
) -> "DiscriminativeRates":
    """Let the groups of a model learn at different rates: the early layers, which are more general, slowly.

    Args:
        optimizer: any of Keras' or ours, not built yet; its rate, which may follow a schedule, is that of multiplier 1.
            What it leaves out of weight decay stays out. It belongs to the result from then on.
        groups: from `layer_groups`.
        multipliers: (lowest, highest), spread over the groups in equal ratios, such as (0.01, 1); or one a group. A
            group of multiplier 0 is left as it is.

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
    """An optimizer whose learning rate is multiplied by a number for each variable; see `discriminative`.

    All else, state, schedule, clipping, moving averages of weights, is the inner optimizer's, whose arithmetic is not
    changed: the result is that of one optimizer a group. (`keras.optimizers.MultiOptimizer` has no `learning_rate` to
    read or to change, clips each group by a norm of its own and would need a schedule a group.) A variable of
    multiplier 0 is not touched, and what only its gradient needs is not computed.

    Args:
        inner_optimizer: An optimizer that is not built yet.
        multipliers: Of each variable, by its path.
        undecayed: Paths of the variables without weight decay.
        name: Of the optimizer.

    Raises:
        ValueError: A multiplier is negative or not finite, or all are 0; the inner optimizer is itself around another
            one (`Lookahead`, loss scaling: these go around the result); while training: a variable has no multiplier.
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
            raise ValueError(f"inner_optimizer must be the one that moves the weights, got {kind}: put it around this")
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
        """Move the variables whose multiplier is above 0."""
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
