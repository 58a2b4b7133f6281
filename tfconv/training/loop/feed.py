"""Data sets as the loop needs them: in parts for replicas, one iteration after another, from any place on."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from tfconv.data.batching import EpochDataset
from tfconv.training.runs.checkpoint import Place

__all__: list[str] = []


def prepared(dataset: tf.data.Dataset, replicas: int = 1, *, training: bool) -> tf.data.Dataset:
    """Return a data set as the loop iterates it: whole batches, of which each replica takes its `part`.

    tf.data's tuning of its own parallelism is turned off (each parallel step then has a thread a core): deleting an
    iterator waits until the tuner's thread wakes, and it sleeps for longer and longer, up to a minute. Measured:
    epochs of 1 s ended with waits of 2 to 59 s (TensorFlow 2.21).
    """
    if training and replicas > 1:  # a replica without an example has no mean loss
        dataset = dataset.filter(lambda *batch: _examples(batch) >= replicas)
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def part(batch: Any, replica: int | tf.Tensor, replicas: int, *, training: bool) -> Any:
    """Return one replica's part of a batch.

    In training the parts are equal, since each replica's mean loss counts the same: the last examples of a batch that
    does not divide, fewer than there are replicas, are left out. In evaluation none is left out: parts may be smaller,
    or empty.

    TensorFlow's own `experimental_distribute_dataset` shards by file or by element, so that which examples meet in a
    batch depends on the number of workers, and gives the parts of an odd batch unequal sizes. Here every worker
    iterates the same batches and takes its part of each: the batches of a data set must not depend on the process.

    Args:
        batch: tensors of equal first axis, in any structure.
        replica: number of the replica, from 0.
        replicas: number of replicas.
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


def labels_spec(dataset: tf.data.Dataset) -> Any:
    """Shape and type of the labels, in their structure.

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


def first_epoch(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Return epoch 0 of an `EpochDataset`, whose iterations are then not counted; another data set as it is."""
    return dataset.at_epoch(0) if isinstance(dataset, EpochDataset) else dataset


def build_model(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Make the weights of a model that has none yet, for the inputs of a data set."""
    if model.built:
        return
    inputs = dataset.element_spec[0]
    if isinstance(inputs, tf.TensorSpec):
        model.build(tuple(inputs.shape))
    else:  # a dictionary, tuple or list of inputs
        model(tf.nest.map_structure(_symbolic, inputs))


def build(model: keras.Model, dataset: tf.data.Dataset) -> None:
    """Make the variables of model and metrics, as `model.fit` does before its first step."""
    model._symbolic_build(data_batch=tf.nest.map_structure(_symbolic, dataset.element_spec))


def _symbolic(spec: tf.TensorSpec) -> keras.KerasTensor:
    return keras.KerasTensor(spec.shape, spec.dtype.name)


def starting_place(dataset: tf.data.Dataset, initial_epoch: int, steps_per_epoch: int | None) -> Place:
    """Where training begins that begins with a later epoch than the first.

    An `EpochDataset` gives the batches that a whole training would have had in that epoch. Any other data set begins
    with its next iteration, as in Keras.
    """
    if not isinstance(dataset, EpochDataset):
        return Place()
    size = int(dataset.cardinality())
    if steps_per_epoch is None or size <= 0:
        return Place(initial_epoch, 0)
    iteration, epoch = divmod(initial_epoch, -(-size // steps_per_epoch))
    return Place(iteration, epoch * steps_per_epoch)


def check_batches(model: keras.Model, data: tf.data.Dataset) -> None:
    """Refuse what gives no batches: no data set, or one whose elements are single examples.

    Raises:
        ValueError: saying how to make batches.
    """
    labels, inputs = labels_spec(data), data.element_spec[0]
    single = any(isinstance(one, tf.TensorSpec) and one.shape.rank == 0 for one in tf.nest.flatten(labels))
    given = tf.nest.flatten(inputs)
    single |= any(
        one.shape.rank is not None and one.shape.rank == len(wanted.shape) - 1
        for one, wanted in _paired(inputs, getattr(model, "inputs", None) or [])
    )
    if single:
        shapes = " and ".join(str(one.shape) for one in given)
        raise ValueError(f"the data set gives single examples, inputs of shape {shapes}: add .batch(64) to it")


def _paired(inputs: Any, wanted: Any) -> list[tuple[Any, Any]]:
    """The inputs that a data set gives with those that a model takes; none where the model is not built yet."""
    wanted = tf.nest.flatten(wanted)
    if isinstance(inputs, dict):  # Keras finds them by name
        by_name = {tensor.name: tensor for tensor in wanted}
        return [(one, by_name[name]) for name, one in inputs.items() if name in by_name]
    given = tf.nest.flatten(inputs)
    return list(zip(given, wanted, strict=True)) if len(given) == len(wanted) else []


def check_scope(model: keras.Model, strategy: tf.distribute.Strategy) -> None:
    """Raise a `ValueError` where a built model does not belong to the strategy that is to train or score it."""
    for variable in model.variables:
        if not strategy.extended.variable_created_in_scope(variable.value):
            raise ValueError(
                "`strategy` must be the one under whose scope the model was made: "
                f"its variable {variable.path} is not of this {type(strategy).__name__.lstrip('_')}"
            )


class Feed:
    """The batches of a training: one iteration of its data set after another, from any place on.

    Iteration n of an `EpochDataset` is its epoch n, found at once. Any other data set is iterated: its order may depend
    on how often it was iterated before.

    Args:
        dataset: batches (inputs, labels...).
        replicas: how many share a batch.

    Attributes:
        place: of the next batch.
        size: batches in an iteration; `None` where that is not known, or where there is no end.
        ended: whether the current iteration has no batch left, as far as that is known.
    """

    def __init__(self, dataset: tf.data.Dataset, replicas: int) -> None:
        self._dataset, self._replicas = dataset, replicas
        size = int(dataset.cardinality())
        self.size = size if size > 0 else None
        self._whole = prepared(dataset, replicas, training=True)
        self._iterated = 0  # how often that was iterated here
        self.go_to(Place())

    def go_to(self, place: Place) -> None:
        """Begin at a place."""
        self.place = place
        self.ended = self.left == 0
        self._iterator: Iterator[Any] | None = None

    @property
    def iterator(self) -> Iterator[Any]:
        """Of the batches from `place` on, in the current iteration."""
        if self._iterator is None:
            self._iterator = self._opened(*self.place)
        return self._iterator

    def _opened(self, iteration: int, batch: int) -> Iterator[Any]:
        if isinstance(self._dataset, EpochDataset):
            return iter(prepared(self._dataset.at_epoch(iteration), self._replicas, training=True).skip(batch))
        while self._iterated < iteration:
            for _ in self._whole:
                pass
            self._iterated += 1
        iterator = iter(self._whole)
        self._iterated += 1
        for _ in range(batch):
            next(iterator)
        return iterator

    @property
    def left(self) -> int | None:
        """Batches left in the current iteration; `None` where that is not known, or where there is no end."""
        return None if self.size is None else max(self.size - self.place.batch, 0)

    def advance(self, taken: int, wanted: int) -> None:
        """Count the batches that were taken from `iterator`: fewer than were wanted where the iteration ended."""
        self.place = Place(self.place.iteration, self.place.batch + taken)
        self.ended = taken < wanted or self.left == 0

    def start_again(self) -> None:
        """Go on with the next iteration."""
        self.place = Place(self.place.iteration + 1, 0)
        self.ended = False
        self._iterator = None
