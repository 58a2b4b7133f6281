"""Loss and metrics: those that fit a model's outputs and labels by default, and those for soft labels."""

import functools
import inspect
import types
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfconv import tasks
from tfconv.errors import InputError
from tfconv.models.output_activation import last_activation
from tfconv.tasks import CLASSIFICATION, Task
from tfconv.training.distribution.gradients import reduce_gradients_first
from tfconv.training.loop.feed import first_epoch, labels_spec
from tfconv.training.loop.model_state import fresh_optimizer

__all__ = ["SmoothedCrossentropy", "SoftLabelAccuracy", "soft_label_objective"]


_LOOKED_AT = 16  # batches, for the values of labels whose shape and type do not say what they are


def compile_for(
    model: keras.Model, data: tf.data.Dataset, optimizer: Any = None, loss: Any = None, metrics: Any = None
) -> None:
    """Compile `model` with what is given, and fill in the rest from its outputs and the labels of `data`.

    A model that is compiled already keeps what it has where nothing is given here; its loss weights go with its loss.
    Else loss and metric are those of `default_loss`, and the optimizer is Adam.

    Raises:
        ValueError: no loss fits outputs and labels by itself, and none is given; or the loss takes probabilities where
            the model ends in logits, or the other way round.
    """
    _choose(model, data, optimizer, loss, metrics)
    _check_from_logits(model)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        reduce_gradients_first(model.optimizer)


def _choose(model: keras.Model, data: tf.data.Dataset, optimizer: Any, loss: Any, metrics: Any) -> None:
    loss_weights = weighted_metrics = None
    if model.compiled and optimizer is None and loss is None and metrics is None:
        return
    if model.compiled:
        optimizer = optimizer or model.optimizer
        if loss is None and metrics is None and model._compile_metrics is not None:
            metrics = model._compile_metrics._user_metrics
            weighted_metrics = model._compile_metrics._user_weighted_metrics
        if loss is None and model._compile_loss is not None:
            loss_weights = model._compile_loss._user_loss_weights
        loss = loss or model.loss
    if isinstance(optimizer, keras.optimizers.Optimizer) and not optimizer.built:
        if optimizer._distribution_strategy is not tf.distribute.get_strategy():
            optimizer = fresh_optimizer(optimizer)  # its variables belong to the strategy
    if loss is None:
        loss, metric = default_loss(model, data)
        metrics = [metric] if metrics is None else metrics
    # "auto" would try XLA, which neither a CPU nor a strategy takes here.
    model.compile(
        optimizer=optimizer or "adam",
        loss=loss,
        loss_weights=loss_weights,
        metrics=metrics,
        weighted_metrics=weighted_metrics,
        jit_compile=False,
    )


def _check_from_logits(model: keras.Model) -> None:
    """Raise an `InputError` where the one loss takes logits and the model gives probabilities, or the reverse."""
    loss, ends_in = model.loss, last_activation(model)
    if isinstance(loss, str) or callable(loss) and not isinstance(loss, keras.losses.Loss):
        try:
            loss = keras.losses.get(loss)
        except (ValueError, TypeError):  # a function of the user's
            return
    if isinstance(loss, types.FunctionType):  # Keras' functions take probabilities unless told otherwise
        taken = inspect.signature(loss).parameters.get("from_logits")
        from_logits = None if taken is None else taken.default
    else:
        from_logits = getattr(loss, "from_logits", None)
    name = getattr(loss, "__name__", type(loss).__name__)
    if from_logits is False and ends_in == "linear":
        raise InputError(
            f"the loss {name} takes probabilities, and the model ends in logits: give it from_logits=True, or leave "
            "`loss` out"
        )
    if from_logits and ends_in in ("softmax", "sigmoid"):
        raise InputError(
            f"the loss {name} takes logits (from_logits=True), and the model ends in {ends_in}: leave out one"
        )


def check_binary(model: keras.Model, loss: float) -> None:
    """Raise a `ValueError` where a binary cross-entropy is negative: its labels cannot all be 0 or 1."""
    if loss < 0 and isinstance(model.loss, keras.losses.BinaryCrossentropy):
        raise ValueError(
            f"the loss is {loss:.4g}, so labels are not all 0 or 1: a model of one logit decides between two classes; "
            "give it one logit a class (classes=...), or to predict a number give loss='mse'"
        )


def default_loss(model: keras.Model, data: tf.data.Dataset) -> tuple[keras.losses.Loss, keras.metrics.Metric]:
    """Return the loss and the metric that fit a model's outputs and the labels it is given.

    The outputs are (n, classes), or for each step (n, steps, classes); in place of steps there may be any axes.

    - One output, labels (n,) or (n, 1): binary cross-entropy where they are integers or booleans, where the model ends
      in sigmoid, and where they are floats that are all 0 or 1 in the first 16 batches. Other floats are numbers to
      predict: mean squared error.
    - Several outputs, one label (n,) or (n, 1): sparse categorical cross-entropy of class numbers.
    - Several outputs, as many labels, (n, classes): categorical cross-entropy where each row adds up to 1 (one-hot
      labels, shares of classes) or the model ends in softmax; binary cross-entropy of each class where they are
      integers or booleans, all 0 or 1, or the model ends in sigmoid. Other floats are numbers to predict: mean squared
      error.

    Outputs are taken for logits, but for those of a model that ends in softmax or sigmoid. The metric is the accuracy
    that goes with the loss, for numbers the mean absolute error.

    Args:
        model: built.
        data: batches (inputs, labels...); the first 16 are read where shape and type of the labels do not decide.

    Raises:
        ValueError: no loss fits these shapes and values by itself, or the model does not say what its outputs are.
    """
    labels = labels_spec(data)
    outputs = getattr(model, "output_shape", None)
    if outputs is None:
        raise InputError("give `loss`: a subclassed model does not say what its outputs are")
    if not isinstance(outputs, tuple) or isinstance(outputs[0], tuple) or not isinstance(labels, tf.TensorSpec):
        raise InputError("give `loss`: there is no default for a model of several outputs or for several labels")
    ends_in, shape, floats = last_activation(model), labels.shape, labels.dtype.is_floating
    logits, several, seen = ends_in not in ("softmax", "sigmoid"), outputs[-1] > 1, _Values(data)
    width = shape[-1] if shape.rank else None
    rows = several and width == outputs[-1] and _agree(shape, outputs)
    single = _agree(shape, outputs[:-1]) or (width == 1 and _agree(shape, (*outputs[:-1], 1)))
    if single and not several:
        if ends_in == "sigmoid" or not floats or seen.zeros_and_ones():
            return _binary(logits)
        return _regression()
    if single and (not floats or seen.class_numbers(outputs[-1])):
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits), accuracy
    if rows:
        if ends_in == "softmax" or (ends_in != "sigmoid" and seen.shares()):
            accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
            return keras.losses.CategoricalCrossentropy(from_logits=logits), accuracy
        if ends_in == "sigmoid" or not floats or seen.zeros_and_ones():
            return _binary(logits)
        return _regression()
    raise ValueError(
        f"no loss fits outputs of shape {outputs} and {labels.dtype.name} labels of shape {shape} by itself: "
        "give `loss`"
    )


def _agree(shape: tf.TensorShape, outputs: tuple[int | None, ...]) -> bool:
    """Whether two shapes can be equal; `None` stands for any number."""
    return shape.rank is not None and shape.is_compatible_with(outputs)


def _binary(logits: bool) -> tuple[keras.losses.Loss, keras.metrics.Metric]:
    threshold = 0.0 if logits else 0.5  # logit 0 is probability one half
    accuracy = keras.metrics.BinaryAccuracy(name="accuracy", threshold=threshold)
    return keras.losses.BinaryCrossentropy(from_logits=logits), accuracy


def _regression() -> tuple[keras.losses.Loss, keras.metrics.Metric]:
    return keras.losses.MeanSquaredError(), keras.metrics.MeanAbsoluteError(name="mae")


class _Values:
    """What the labels of the first batches hold; read once, and only when asked."""

    def __init__(self, data: tf.data.Dataset) -> None:
        self._data = data

    @functools.cached_property
    def _labels(self) -> list[np.ndarray]:
        return [np.asarray(batch[1], np.float64) for batch in first_epoch(self._data).take(_LOOKED_AT)]

    def zeros_and_ones(self) -> bool:
        """Whether all are 0 or 1."""
        return all(np.isin(labels, (0, 1)).all() for labels in self._labels)

    def shares(self) -> bool:
        """Whether all rows are shares of the classes, which add up to one."""
        return bool(self._labels) and all(
            (labels >= 0).all() and np.allclose(labels.sum(axis=-1), 1, atol=1e-3) for labels in self._labels
        )

    def class_numbers(self, classes: int) -> bool:
        """Whether all are whole numbers of classes."""
        return all(np.isin(labels, np.arange(classes)).all() for labels in self._labels)


def weighted(model: keras.Model, class_weight: dict[int, float] | None, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Give each example the weight of its class, as `model.fit(class_weight=...)` does; nothing without weights.

    Raises:
        ValueError: labels that are no single class each, a class that does not exist, or examples that have weights
            already.
    """
    if not class_weight:
        return dataset
    if len(dataset.element_spec) > 2:
        raise ValueError("class_weight needs batches (inputs, labels), got batches with sample weights of their own")
    labels = labels_spec(dataset)
    if not isinstance(labels, tf.TensorSpec) or isinstance(model.loss, keras.losses.MeanSquaredError):
        raise ValueError("class_weight needs one class an example, got several labels or numbers to predict")
    number = max(model.output_shape[-1], 2)
    if unknown := [c for c in class_weight if not 0 <= c < number]:
        raise ValueError(f"class_weight names class {unknown[0]}, and there are the classes 0 to {number - 1}")
    table = tf.constant([float(class_weight.get(c, 1.0)) for c in range(number)])

    def weigh(x: Any, y: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        if y.shape.rank != 1 and y.shape[-1] != 1:
            raise ValueError(f"class_weight needs one class an example, got labels of shape {y.shape}")
        return x, y, tf.gather(table, tf.reshape(tf.cast(y, tf.int32), [-1]))

    return dataset.map(weigh, num_parallel_calls=tf.data.AUTOTUNE)


@keras.saving.register_keras_serializable(package="tfconv")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits and labels, class numbers or shares of the classes, with label smoothing.

    loss = -sum_c q_c log softmax(logits)_c, q_c = (1 - label_smoothing) y_c + label_smoothing / classes

    Where the label is a class number, y_c is 1 for that class. `keras.losses.CategoricalCrossentropy` smooths too, but
    takes labels as rows only; a model trained on mixed images (`tfconv.data.augment.mixed`) is given both.

    Args:
        label_smoothing: Label smoothing epsilon in [0, 1): the weight of the uniform distribution in the target.
        **kwargs: Of `keras.losses.Loss`: name, reduction, dtype.

    Call: labels int (n,) or (n, 1), or rows (n, classes) that add up to 1; logits (n, classes).

    Raises:
        ValueError: `label_smoothing` out of range.

    Reference: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7.
    """

    def __init__(self, label_smoothing: float = 0.1, **kwargs: Any) -> None:
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be from 0 to below 1. Received: {label_smoothing}")
        super().__init__(**{"name": "smoothed_crossentropy", **kwargs})
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, (n,)."""
        if are_rows(y_true, y_pred):
            hard = ops.categorical_crossentropy(ops.cast(y_true, y_pred.dtype), y_pred, from_logits=True)
        else:
            labels = ops.cast(ops.reshape(y_true, (-1,)), "int32")
            hard = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        if self.label_smoothing == 0:
            return hard
        even = ops.logsumexp(y_pred, axis=-1) - ops.mean(y_pred, axis=-1)
        return (1.0 - self.label_smoothing) * hard + self.label_smoothing * even

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def are_rows(y_true: Any, y_pred: Any) -> bool:
    """Whether labels are rows of shares of the classes, not class numbers."""
    return len(y_true.shape) == 2 and y_true.shape[-1] == y_pred.shape[-1] and y_pred.shape[-1] > 1


def soft_label_objective(
    outputs: int, *, task: Task | str = CLASSIFICATION, label_smoothing: float = 0.0
) -> tuple[keras.losses.Loss, list[keras.metrics.Metric]]:
    """Return loss and metrics to train on `tfconv.data.augment.mixed` batches and to validate on ordinary ones.

    Args:
        outputs: logits of the model; 1 for two classes.
        task: "classification", or "multi-label": an image may have any number of labels.
        label_smoothing: label smoothing epsilon, see `SmoothedCrossentropy`; with one logit or several labels targets
            move towards one half, as in `keras.losses.BinaryCrossentropy`.
    """
    binary = not tasks.get(task).exclusive or outputs == 1
    accuracy = SoftLabelAccuracy(binary=binary)
    if binary:
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing), [accuracy]
    return SmoothedCrossentropy(label_smoothing), [accuracy]


@keras.saving.register_keras_serializable(package="tfconv")
class SoftLabelAccuracy(keras.metrics.MeanMetricWrapper):
    """Accuracy for soft labels: how often the highest logit is that of the class with the greatest share.

    Args:
        binary: whether each logit is a decision of its own: one above 0 is correct where the label is above one half,
            and the mean is over examples and logits.
        name: of the metric.
        dtype: of its arithmetic.

    Call: labels class numbers (n,) or (n, 1), or rows (n, classes); logits (n, classes).
    """

    def __init__(self, binary: bool = False, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(_binary_matches if binary else _class_matches, name=name, dtype=dtype)
        self.binary = binary

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"binary": self.binary, "name": self.name, "dtype": self.dtype}


def _binary_matches(y_true: Any, y_pred: Any) -> Any:
    labels = ops.reshape(ops.cast(y_true, "float32"), ops.shape(y_pred))
    return ops.mean(ops.cast(ops.equal(labels > 0.5, y_pred > 0), "float32"), axis=-1)


def _class_matches(y_true: Any, y_pred: Any) -> Any:
    labels = ops.argmax(y_true, axis=-1) if are_rows(y_true, y_pred) else ops.reshape(y_true, (-1,))
    return ops.cast(ops.equal(ops.cast(labels, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32")), "float32")
