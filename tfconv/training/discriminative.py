"""Learning rates that differ by layer group, with any optimizer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tfconv.training.layer_groups import Groups

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
class DiscriminativeRates(keras.optimizers.Optimizer):
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
        ValueError: A multiplier is negative or not finite, or all are 0; while training: a variable has none.
    """

    built: bool

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        multipliers: Mapping[str, float],
        undecayed: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        wrong = [rate for rate in multipliers.values() if not 0 <= rate < float("inf")]
        if wrong or not any(multipliers.values()):
            raise ValueError(f"multipliers must be from 0 and not all 0, got {wrong or 'only 0'}")
        super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.multipliers = dict(multipliers)
        self.undecayed = list(undecayed)
        self._factor = 1.0
        update, decay = inner_optimizer._backend_update_step, inner_optimizer._apply_weight_decay
        rate = inner_optimizer._get_current_learning_rate

        def scaled_update(gradients: list[Any], variables: list[Any], learning_rate: Any) -> None:
            for factor, chosen in self._by_multiplier(variables):
                update([gradients[i] for i in chosen], [variables[i] for i in chosen], learning_rate * factor)

        def scaled_decay(variables: list[Any]) -> None:
            for factor, chosen in self._by_multiplier(variables):
                self._factor = factor  # decay reads the rate, and is not handed one
                decay([variables[i] for i in chosen])
            self._factor = 1.0

        inner_optimizer._backend_update_step = scaled_update
        inner_optimizer._apply_weight_decay = scaled_decay
        inner_optimizer._get_current_learning_rate = lambda: rate() if self._factor == 1 else rate() * self._factor

    def _by_multiplier(self, variables: list[Any]) -> Iterator[tuple[float, list[int]]]:
        """The multipliers above 0, and the places of their variables."""
        rates = [self._rates[self._var_key(variable)] for variable in variables]
        for factor in sorted(set(rates) - {0.0}):
            yield factor, [i for i, rate in enumerate(rates) if rate == factor]

    def _known_path(self, path: str) -> str:
        """The path under which a variable is known: Keras leaves the model's name out of it when it reads a file."""
        if path in self.multipliers:
            return path
        found = [known for known in self.multipliers if known.endswith(f"/{path}") or path.endswith(f"/{known}")]
        if len(found) != 1:
            raise ValueError(f"multipliers must hold every trained variable, got {len(found)} for {path}")
        return found[0]

    def build(self, variables: list[Any]) -> None:
        """Make the inner optimizer's state."""
        if self.built:
            return
        paths = {self._var_key(variable): self._known_path(variable.path) for variable in variables}
        self._rates = {key: self.multipliers[path] for key, path in paths.items()}
        undecayed = [v for v in variables if paths[self._var_key(v)] in self.undecayed]
        self.inner_optimizer.exclude_from_weight_decay(var_list=undecayed)
        self.inner_optimizer.build(variables)
        self._trainable_variables = list(variables)
        self.built = True

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        """Update the variables."""
        if not self.built and trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            self.build(trainable_variables)
        self.inner_optimizer.apply(grads, trainable_variables)

    @property
    def variables(self) -> list[Any]:
        """The inner optimizer's."""
        return self.inner_optimizer.variables

    @property
    def iterations(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The rate of multiplier 1."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    def scale_loss(self, loss: Any) -> Any:
        """Scale as the inner optimizer does."""
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list: list[Any]) -> None:
        """Put averaged weights into the model, where the inner optimizer keeps some."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "name": self.name,
            "inner_optimizer": keras.saving.serialize_keras_object(self.inner_optimizer),
            "multipliers": dict(self.multipliers),
            "undecayed": list(self.undecayed),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "DiscriminativeRates":
        """Make an equal optimizer, without state."""
        inner = keras.saving.deserialize_keras_object(config["inner_optimizer"], custom_objects=custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
