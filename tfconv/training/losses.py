"""Losses that Keras lacks."""

from typing import Any

import keras
from keras import ops

__all__ = ["SmoothedCrossentropy"]


@keras.saving.register_keras_serializable(package="tfconv")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits and labels, class numbers or shares of the classes, with label smoothing.

    loss = -sum_c q_c log softmax(logits)_c, q_c = (1 - label_smoothing) y_c + label_smoothing / classes

    Where the label is a class number, y_c is 1 for that class. `keras.losses.CategoricalCrossentropy` smooths too, but
    wants each label as a row; a model trained on mixed pictures (`tfconv.data.augment.mixed`) meets both.

    Args:
        label_smoothing: Share of the target that all classes divide evenly, in [0, 1).
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
