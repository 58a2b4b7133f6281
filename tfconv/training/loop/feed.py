"""Data sets as the loop needs them: in parts for replicas, epoch by epoch, from any place on."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__: list[str] = []


def prepared(dataset: tf.data.Dataset, replicas: int = 1, *, training: bool) -> tf.data.Dataset:
    """A data set as the loop iterates it, whole batch by whole batch; each replica takes its `part`.

    tf.data's tuning of its own parallelism is turned off (each parallel step then has a thread a core): deleting an
    iterator waits until the tuner's thread wakes, and it sleeps for longer and longer, up to a minute. Measured:
    epochs of 1 s ended with waits of 2 to 59 s (TensorFlow 2.21).
    """
    if training and replicas > 1:  # a part of no example has no mean loss
        dataset = dataset.filter(lambda *batch: _examples(batch) >= replicas)
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def part(batch: Any, replica: int | tf.Tensor, replicas: int, *, training: bool) -> Any:
    """What one replica gets of a batch.

    In training the parts are equal, since each replica's mean loss counts the same: of a batch that does not divide,
    the last examples (fewer than there are replicas) are left out. In evaluation none is: parts may be smaller, or
    empty.

    TensorFlow's own `experimental_distribute_dataset` shards by file or by element, so that which examples meet in a
    batch depends on the number of workers, and gives the parts of an odd batch unequal sizes. Here every worker
    iterates the same batches and takes its part of each: the batches of a data set must not depend on the process.

    Args:
        batch: tensors of as many examples each.
        replica: its number from 0.
        replicas: how many there are.
        training: whether parts must be equal.
    """
    examples = _examples(batch)
    size = examples // replicas if training else -(-examples // replicas)
    with tf.device("CPU:0"):  # where the batch is; a device gets its part only
        begin = tf.cast(replica, tf.int32) * size
        cut = tf.nest.map_structure(lambda values: values[begin : begin + size], batch)
    if isinstance(size, int) and (training or examples % replicas == 0):  # the graph of a step knows its batch
        cut = tf.nest.map_structure(lambda values: tf.ensure_shape(values, [size, *values.shape[1:]]), cut)
    return cut


def _examples(batch: Any) -> int | tf.Tensor:
    first = tf.nest.flatten(batch)[0]
    return first.shape[0] or tf.shape(first)[0]


def labels_spec(dataset: tf.data.Dataset) -> tf.TensorSpec:
    """Shape and type of the labels.

    Raises:
        ValueError: it is no data set, or does not give (inputs, labels).
    """
    if not isinstance(dataset, tf.data.Dataset):
        given = f"a tf.data.Dataset of batches (inputs, labels) is needed, got {type(dataset).__name__}"
        if isinstance(dataset, keras.utils.PyDataset) or callable(dataset) or hasattr(dataset, "__next__"):
            raise ValueError(f"{given}: make one with tf.data.Dataset.from_generator(...)")
        raise ValueError(f"{given}: make one with tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(64)")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) < 2:
        raise ValueError(f"a data set of (inputs, labels) is needed, got elements of {spec}")
    return spec[1]


def first_batches(dataset: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """The first batches of the first epoch; the epochs of a data set with `at_epoch` are not moved on."""
    at_epoch = getattr(dataset, "at_epoch", None)
    return (dataset if at_epoch is None else at_epoch(0)).take(count)


def build(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Make the variables of model and metrics, as `model.fit` does before its first step."""
    batch = tf.nest.map_structure(lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name), dataset.element_spec)
    model._symbolic_build(data_batch=batch)


def passes(
    dataset: tf.data.Dataset,
    replicas: int,
    prepare: Callable[[tf.data.Dataset], tf.data.Dataset],
    epoch: int,
    step: int,
) -> Iterator[Iterator[Any]]:
    """Endless iterators, one an epoch, the first at `step` of `epoch`.

    Args:
        dataset: with the attribute `at_epoch`, or any other.
        replicas: how many share a batch.
        prepare: applied to each epoch's data set.
        epoch: where to begin, from 0.
        step: batches of that epoch to leave out.
    """
    at_epoch = getattr(dataset, "at_epoch", None)
    if at_epoch is not None:
        while True:
            yield iter(prepared(prepare(at_epoch(epoch)).skip(step), replicas, training=True))
            epoch, step = epoch + 1, 0
    # The order of another data set may depend on how often it was iterated: iterate it as often.
    whole = prepared(prepare(dataset), replicas, training=True)
    for _ in range(epoch):
        for _ in whole:
            pass
    iterator = iter(whole)
    for _ in range(step):
        next(iterator)
    while True:
        yield iterator
        iterator = iter(whole)


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
