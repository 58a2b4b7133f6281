"""Average and maximum over a picture, side by side."""

from typing import Any

import keras
from keras import ops

__all__ = ["ConcatPooling2D"]


@keras.saving.register_keras_serializable(package="tfconv")
class ConcatPooling2D(keras.layers.Layer):
    """Mean and maximum of each channel over all pixels.

    y[b] = [mean over h, w of x[b, h, w], max over h, w of x[b, h, w]]

    The mean says how much of something is in a picture, the maximum whether it is anywhere.

    Args:
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, 2 channels): the means first.

    Reference: Howard and Gugger, "fastai: A Layered API for Deep Learning", 2020 (AdaptiveConcatPool2d).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def call(self, inputs: Any) -> Any:
        """Return (batch, 2 channels)."""
        return ops.concatenate([ops.mean(inputs, axis=(1, 2)), ops.max(inputs, axis=(1, 2))], axis=-1)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[int | None, ...]:
        """Return (batch, 2 channels)."""
        return (input_shape[0], 2 * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config()
