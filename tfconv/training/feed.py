"""Data sets as the loop needs them: spread over replicas, epoch by epoch, from any place on."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__: list[str] = []


def distributed(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> Any:
    """Cut global batches into one part a replica; with one replica the data set itself."""
    if strategy.num_replicas_in_sync == 1:
        return dataset
    return strategy.experimental_distribute_dataset(dataset)


def labels_spec(dataset: tf.data.Dataset) -> tf.TensorSpec:
    """Shape and type of the labels.

    Raises:
        ValueError: the data set does not give (inputs, labels).
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) < 2:
        raise ValueError(f"a data set of (inputs, labels) is needed, got elements of {spec}")
    return spec[1]


def build(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Make the variables of model and metrics, as `model.fit` does before its first step."""
    batch = tf.nest.map_structure(lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name), dataset.element_spec)
    model._symbolic_build(data_batch=batch)


def passes(
    dataset: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    prepare: Callable[[tf.data.Dataset], tf.data.Dataset],
    epoch: int,
    step: int,
) -> Iterator[Iterator[Any]]:
    """Endless iterators, one an epoch, the first at `step` of `epoch`.

    Args:
        dataset: with the attribute `at_epoch`, or any other.
        strategy: takes the batches apart.
        prepare: applied to each epoch's data set.
        epoch: where to begin, from 0.
        step: batches of that epoch to leave out.
    """
    at_epoch = getattr(dataset, "at_epoch", None)
    if at_epoch is not None:
        while True:
            yield iter(distributed(prepare(at_epoch(epoch)).skip(step), strategy))
            epoch, step = epoch + 1, 0
    # The order of another data set may depend on how often it was iterated: iterate it as often.
    whole = distributed(prepare(dataset), strategy)
    for _ in range(epoch):
        for _ in whole:
            pass
    iterator = iter(whole)
    for _ in range(step):
        next(iterator)
    while True:
        yield iterator
        iterator = iter(whole)
