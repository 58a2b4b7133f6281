"""Loss and metric for labels that are shares of classes, as mixup and cutmix make them."""

from typing import Any

import keras
from keras import ops

from tfconv.training.losses import SmoothedCrossentropy

__all__ = ["SoftCrossentropy", "SoftLabelAccuracy", "soft_label_objective"]


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
    return SoftCrossentropy(label_smoothing), [accuracy]


@keras.saving.register_keras_serializable(package="tfconv")
class SoftCrossentropy(SmoothedCrossentropy):
    """`SmoothedCrossentropy` that takes rows of shares of the classes as well as class numbers.

    loss = -sum_c q_c log softmax(logits)_c, q_c = (1 - label_smoothing) y_c + label_smoothing / classes

    Args:
        label_smoothing: Share of the target that all classes divide evenly, in [0, 1).
        **kwargs: Of `keras.losses.Loss`: name, reduction, dtype.

    Call: labels int (n,) or (n, 1), or float rows (n, classes) that add up to 1; logits (n, classes).
    """

    def __init__(self, label_smoothing: float = 0.0, **kwargs: Any) -> None:
        super().__init__(label_smoothing, **{"name": "soft_crossentropy", **kwargs})

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each example, (n,)."""
        if not _are_rows(y_true, y_pred):
            return super().call(y_true, y_pred)
        shares = (1.0 - self.label_smoothing) * ops.cast(y_true, y_pred.dtype)
        shares += self.label_smoothing / y_pred.shape[-1]
        return ops.categorical_crossentropy(shares, y_pred, from_logits=True)


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
    labels = ops.argmax(y_true, axis=-1) if _are_rows(y_true, y_pred) else ops.reshape(y_true, (-1,))
    return ops.cast(ops.equal(ops.cast(labels, "int32"), ops.cast(ops.argmax(y_pred, axis=-1), "int32")), "float32")


def _are_rows(y_true: Any, y_pred: Any) -> bool:
    return len(y_true.shape) == 2 and y_true.shape[-1] == y_pred.shape[-1] and y_pred.shape[-1] > 1
