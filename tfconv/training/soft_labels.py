"""Metric, and the loss that goes with it, for labels that are shares of classes, as mixup and cutmix make them."""

from typing import Any

import keras
from keras import ops

from tfconv.training.losses import SmoothedCrossentropy, are_rows

__all__ = ["SoftLabelAccuracy", "soft_label_objective"]


def soft_label_objective(
    outputs: int, *, multi_label: bool = False, label_smoothing: float = 0.0
) -> tuple[keras.losses.Loss, list[keras.metrics.Metric]]:
    """Loss and metrics for training on `tfconv.data.augment.mixed` batches and validating on ordinary ones.

    Args:
        outputs: logits of the model; 1 for two classes.
        multi_label: whether a picture may have any number of labels.
        label_smoothing: share of each target that all classes divide evenly; with one logit or several labels a share
            that goes to one half, as in `keras.losses.BinaryCrossentropy`.
    """
    binary = multi_label or outputs == 1
    accuracy = SoftLabelAccuracy(binary=binary)
    if binary:
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=label_smoothing), [accuracy]
    return SmoothedCrossentropy(label_smoothing), [accuracy]


@keras.saving.register_keras_serializable(package="tfconv")
class SoftLabelAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of the examples whose highest logit is that of the class with the highest share of the label.

    Args:
        binary: one logit decides between two classes, or each of several for itself: a logit above 0 is right where
            the label is above one half, and the mean is over examples and labels.
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
