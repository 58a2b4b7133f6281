"""What `fit` refuses before it compiles, traces or writes anything."""

from typing import Any

import keras
import tensorflow as tf

from tfconv.training.feed import labels_spec

__all__: list[str] = []


def check_numbers(epochs: int, steps_per_execution: Any, verbose: Any) -> None:
    """Raise a `ValueError` where one of these arguments of `fit` is out of range."""
    if epochs < 1:
        raise ValueError(f"epochs must be 1 or more, got {epochs}")
    if steps_per_execution != "auto" and (not isinstance(steps_per_execution, int) or steps_per_execution < 1):
        raise ValueError(f"steps_per_execution must be 'auto', or 1 or more, got {steps_per_execution!r}")
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")


def check_data(train: tf.data.Dataset, validation_data: tf.data.Dataset | None) -> None:
    """Refuse data sets that no epoch can be made of; those whose size is unknown are counted as they are read.

    Raises:
        ValueError: a data set is empty, or has no end; elements are not (inputs, labels...).
    """
    labels_spec(train)
    for name, data in (("training", train), ("validation", validation_data)):
        size = None if data is None else int(data.cardinality())
        if size == 0:
            raise ValueError(f"the {name} data set is empty")
        if size == tf.data.INFINITE_CARDINALITY:
            raise ValueError(f"the {name} data set has no end: give it one, as with .take(1000), for batches an epoch")


def check_scope(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Raise a `ValueError` where a built model does not belong to the strategy that is to train or score it."""
    for variable in model.variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                "`strategy` must be the one under whose scope the model was made: "
                f"its variable {variable.path} is not of this {type(strategy).__name__.lstrip('_')}"
            )
