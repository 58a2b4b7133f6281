"""Loss and metrics that fit a model's logits and the labels it is given, so that few need to name them."""

from typing import Any

import keras
import tensorflow as tf

from tfconv.models.outputs import gives_probabilities
from tfconv.training.model_state import fresh_optimizer
from tfconv.training.reduction import reduce_gradients_first

__all__: list[str] = []


def compile_for(
    model: keras.Model, labels: tf.TensorSpec, optimizer: Any = None, loss: Any = None, metrics: Any = None
) -> None:
    """Compile `model` with what is given, and fill in the rest from the shapes of logits and labels.

    One logit: binary cross-entropy. Several logits: sparse cross-entropy for class numbers of shape (n,), and one
    binary cross-entropy a class for labels of shape (n, classes); a model that ends in softmax or sigmoid gets the same
    for probabilities. The metric is the accuracy that goes with it. A
    model that is compiled already keeps what it has where nothing is given here; its loss weights go with its loss.

    Raises:
        ValueError: the labels' shape goes with none of the three, and no loss is given.
    """
    loss_weights = weighted_metrics = None
    if model.compiled and optimizer is None and loss is None and metrics is None:
        _of_whole_batch(model)
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
        loss, accuracy = _default_loss(model, labels)
        metrics = [accuracy] if metrics is None else metrics
    # "auto" would try XLA, which neither a CPU nor a strategy takes here.
    model.compile(
        optimizer=optimizer or "adam",
        loss=loss,
        loss_weights=loss_weights,
        metrics=metrics,
        weighted_metrics=weighted_metrics,
        jit_compile=False,
    )
    _of_whole_batch(model)


def _of_whole_batch(model: keras.Model) -> None:
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        reduce_gradients_first(model.optimizer)


def check_binary(model: keras.Model, loss: float) -> None:
    """Raise a `ValueError` where a binary cross-entropy is negative: its labels cannot all be 0 or 1."""
    if loss < 0 and isinstance(model.loss, keras.losses.BinaryCrossentropy):
        raise ValueError(
            f"the loss is {loss:.4g}, so labels are not all 0 or 1: a model of one logit decides between two classes; "
            "give it one logit a class (classes=...)"
        )


def _default_loss(model: keras.Model, labels: tf.TensorSpec) -> tuple[keras.losses.Loss, keras.metrics.Metric]:
    classes = model.output_shape[-1]
    logits = not gives_probabilities(model)
    rank, width = labels.shape.rank, labels.shape[-1] if labels.shape.rank else None
    if classes == 1 and (rank == 1 or width == 1):
        return keras.losses.BinaryCrossentropy(from_logits=logits), _accuracy(0.0 if logits else 0.5)
    if classes > 1 and rank == 2 and width == classes:
        return keras.losses.BinaryCrossentropy(from_logits=logits), _accuracy(0.0 if logits else 0.5)
    if classes > 1 and (rank == 1 or width == 1):
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits), accuracy
    raise ValueError(
        f"no loss goes by itself with logits of shape {model.output_shape} and labels of shape {labels.shape}: "
        "give `loss`"
    )


def _accuracy(threshold: float) -> keras.metrics.Metric:
    return keras.metrics.BinaryAccuracy(name="accuracy", threshold=threshold)  # logit 0 is probability one half


def weighted(model: keras.Model, class_weight: dict[int, float] | None, dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Give each example the weight of its class, as `model.fit(class_weight=...)` does; as it is where that is `None`.

    Raises:
        ValueError: labels of several classes a text (a weight would fit none), a class that does not exist, or
            examples that have weights already.
    """
    if not class_weight:
        return dataset
    if len(dataset.element_spec) > 2:
        raise ValueError("class_weight needs batches (inputs, labels), got batches with sample weights of their own")
    number = max(model.output_shape[-1], 2)
    if unknown := [c for c in class_weight if not 0 <= c < number]:
        raise ValueError(f"class_weight names class {unknown[0]}, and there are the classes 0 to {number - 1}")
    table = tf.constant([float(class_weight.get(c, 1.0)) for c in range(number)])

    def weigh(x: Any, y: tf.Tensor) -> tuple[Any, tf.Tensor, tf.Tensor]:
        if y.shape.rank != 1 and y.shape[-1] != 1:
            raise ValueError(f"class_weight needs one class an example, got labels of shape {y.shape}")
        return x, y, tf.gather(table, tf.reshape(tf.cast(y, tf.int32), [-1]))

    return dataset.map(weigh, num_parallel_calls=tf.data.AUTOTUNE)
