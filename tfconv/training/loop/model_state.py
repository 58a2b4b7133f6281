"""Trials on a model that leave it as it was, to the bit."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

__all__: list[str] = []


@contextlib.contextmanager
def restored(model: keras.Model) -> Iterator[None]:
    """Let a block train and compile a model, and restore everything afterwards, also after an error.

    Restored are weights, statistics of batch normalisation, seeds of dropout, metrics, the compiled state,
    `stop_training`, and the states of Python's and NumPy's random numbers. The optimizer is the same object as before;
    the block must not step it, but a `fresh_optimizer` of it.

    Args:
        model: built.
    """
    attributes = dict(vars(model))
    variables = [*model.variables, *model.metrics_variables]
    values = [variable.numpy() for variable in variables]
    python_random, numpy_random = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        for name in vars(model).keys() - attributes.keys():
            del vars(model)[name]
        vars(model).update(attributes)
        random.setstate(python_random)
        np.random.set_state(numpy_random)


def fresh_optimizer(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return an optimizer with the same settings and no history; weights excluded from decay stay excluded."""
    fresh = type(optimizer).from_config(optimizer.get_config())
    _copy_exclusions(optimizer, fresh)
    return fresh


def _copy_exclusions(source: Any, target: Any) -> None:
    """Copy what `exclude_from_weight_decay` excluded, which is no part of a configuration, also of inner optimizers."""
    for name, value in vars(source).items():
        if name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
            setattr(target, name, value)
        elif isinstance(value, keras.optimizers.Optimizer):
            _copy_exclusions(value, getattr(target, name))
        elif isinstance(value, keras.optimizers.OptimizerMap):  # of a MultiOptimizer
            same = getattr(target, name)
            sources, targets = ([*optimizers.values(), optimizers.default_optimizer] for optimizers in (value, same))
            for one, other in zip(sources, targets, strict=True):
                _copy_exclusions(one, other)
