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


def check_data(model: keras.Model, train: tf.data.Dataset, validation_data: tf.data.Dataset | None) -> None:
    """Refuse data sets that no epoch can be made of; those whose size is unknown are counted as they are read.

    Raises:
        ValueError: one is no data set, empty, or has no end; elements are not batches (inputs, labels...).
    """
    for name, data in (("training", train), ("validation", validation_data)):
        if data is not None:
            check_batches(model, data)
        size = None if data is None else int(data.cardinality())
        if size == 0:
            raise ValueError(f"the {name} data set is empty")
        if size == tf.data.INFINITE_CARDINALITY:
            raise ValueError(f"the {name} data set has no end: give it one, as with .take(1000), for batches an epoch")


def check_batches(model: keras.Model, data: tf.data.Dataset) -> None:
    """Refuse what gives no batches: no data set, or one whose elements are single examples.

    Raises:
        ValueError: saying how to make batches.
    """
    labels, inputs = labels_spec(data), data.element_spec[0]
    single = isinstance(labels, tf.TensorSpec) and labels.shape.rank == 0
    taken = tf.nest.flatten(getattr(model, "inputs", None) or [])  # none where the model is not built yet
    given = tf.nest.flatten(inputs)
    if len(taken) == len(given):
        single |= any(
            one.shape.rank is not None and one.shape.rank == len(wanted.shape) - 1
            for one, wanted in zip(given, taken, strict=True)
        )
    if single:
        shapes = " and ".join(str(one.shape) for one in given)
        raise ValueError(f"the data set gives single examples, inputs of shape {shapes}: add .batch(64) to it")


def check_scope(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Raise a `ValueError` where a built model does not belong to the strategy that is to train or score it."""
    for variable in model.variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                "`strategy` must be the one under whose scope the model was made: "
                f"its variable {variable.path} is not of this {type(strategy).__name__.lstrip('_')}"
            )
