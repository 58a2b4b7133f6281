"""Normalisation that Keras does not have."""

from typing import Any

import keras
from keras import ops

__all__ = ["ResponseNormalization"]


@keras.saving.register_keras_serializable(package="tfconv")
class ResponseNormalization(keras.layers.Layer):
    """Shrink each vector to a length below 1, long vectors more than short ones.

    y = x / sqrt(1 + ||x||^2), the norm being taken over the last axis

    Args:
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (..., channels).
    Output shape: the same.

    Reference: Johnson and Zhang, "Effective Use of Word Order for Text Categorization with Convolutional Neural
        Networks", 2015, section 3.1 (response normalisation).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Return the normalised vectors."""
        # The squares of float16 numbers above 256 are infinite.
        x = ops.cast(inputs, "float32") if self.compute_dtype == "float16" else inputs
        y = x * ops.rsqrt(1.0 + ops.sum(ops.square(x), axis=-1, keepdims=True))
        return ops.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape
