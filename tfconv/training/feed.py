"""Data sets as the loop needs them: spread over replicas, epoch by epoch, from any place on."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__: list[str] = []


def distributed(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy, *, training: bool) -> Any:
    """Cut each whole batch into one part a replica; with one replica the data set itself.

    In training the parts are equal, since each replica's mean loss counts the same: of a batch that does not divide,
    the last examples (fewer than there are replicas) are left out. In evaluation none is: parts may be smaller, or
    empty.

    TensorFlow's own `experimental_distribute_dataset` shards by file or by element, so that which examples meet in a
    batch depends on the number of workers, and gives the parts of an odd batch unequal sizes. Here every worker
    iterates the same batches and takes its part of each: the batches of a data set must not depend on the process.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return dataset

    def parts_of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return parts_of_batches(dataset, context, training=training).prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(parts_of_worker)


def parts_of_batches(
    dataset: tf.data.Dataset, context: tf.distribute.InputContext, *, training: bool
) -> tf.data.Dataset:
    """The parts of each batch that one worker's replicas get, one after the other."""
    replicas = context.num_replicas_in_sync
    here = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * here

    def parts(*batch: Any) -> tf.data.Dataset:
        values = tf.nest.flatten(batch)[0]
        examples = values.shape[0] or tf.shape(values)[0]
        size = examples // replicas if training else -(-examples // replicas)

        def part(replica: tf.Tensor) -> Any:
            begin = tf.cast(replica, tf.int32) * size
            cut = tf.nest.map_structure(lambda values: values[begin : begin + size], batch)
            if isinstance(size, int) and (training or examples % replicas == 0):  # the graph of a step knows its batch
                cut = tf.nest.map_structure(lambda values: tf.ensure_shape(values, [size, *values.shape[1:]]), cut)
            return cut

        numbers = tf.data.Dataset.range(first, first + here)
        if training:
            numbers = numbers.filter(lambda _: size > 0)
        return numbers.map(part)

    return dataset.flat_map(parts)


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
            yield iter(distributed(prepare(at_epoch(epoch)).skip(step), strategy, training=True))
            epoch, step = epoch + 1, 0
    # The order of another data set may depend on how often it was iterated: iterate it as often.
    whole = distributed(prepare(dataset), strategy, training=True)
    for _ in range(epoch):
        for _ in whole:
            pass
    iterator = iter(whole)
    for _ in range(step):
        next(iterator)
    while True:
        yield iterator
        iterator = iter(whole)
