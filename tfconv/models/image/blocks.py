"""Building blocks of the image models: input, convolution with max pooling, hidden layers."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.errors import InputError
from tfconv.layers.conv import ConvNormAct2D
from tfconv.layers.normalization import BatchNorm

__all__: list[str] = []

InputShape = Sequence[int | None]


def image_input(input_shape: InputShape, *, smallest: int = 1, known: bool = False) -> keras.KerasTensor:
    """Return an image model's input, (batch, height, width, channels).

    Args:
        input_shape: (height, width, channels).
        smallest: Smallest height and width that leave a pixel after all of the model's layers.
        known: Whether height and width must be given, since the model has weights for each position.

    Raises:
        InputError: an `input_shape` that is not (height, width, channels) or too small for the model.
    """
    shape = tuple(input_shape)
    sizes = [size for size in shape[:2] if size is not None or known]
    whole = all(isinstance(number, int) and number >= 1 for number in (*sizes, *shape[2:]))
    if len(shape) != 3 or not whole:
        rule = "three integers" if known else "three whole numbers, or None for an open height or width"
        raise InputError(f"input_shape must be (height, width, channels), {rule}. Received: input_shape={shape}")
    if any(size is not None and size < smallest for size in sizes):
        raise InputError(
            f"this model needs images of at least {smallest} x {smallest} pixels. Received: input_shape={shape}"
        )
    return keras.Input(shape, name="pixels")


def check_normalization(normalization: str | None) -> None:
    """Raise a ValueError unless `normalization` is "batch" or None."""
    if normalization not in ("batch", None):
        raise ValueError(f"normalization must be 'batch' or None. Received: normalization={normalization!r}")


def pooled_convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    pool: tuple[int, int],
    *,
    activation: str = "relu",
    normalization: str | None = None,
    **convolution: Any,
) -> keras.KerasTensor:
    """Return the output of a convolution, max pooling, normalisation and activation, in this order.

    A non-decreasing activation gives the same result before and after max pooling. After it, activation and
    normalisation process fewer values.

    Args:
        x: images or feature maps (n, height, width, channels).
        filters: of the convolution.
        kernel_size: of the convolution.
        pool: size and strides of the max pooling.
        activation: after the pooling.
        normalization: `"batch"` or none.
        **convolution: name and dtype, which the other layers share, and of `ConvNormAct2D` strides, padding and
            kernel_initializer; default: 1, "same" and "he_normal".
    """
    size, strides = pool
    name, dtype = convolution["name"], convolution["dtype"]
    x = ConvNormAct2D(
        filters,
        kernel_size,
        normalization=None,
        activation=None,
        use_bias=normalization is None,
        **{"padding": "same", "kernel_initializer": "he_normal", **convolution},
    )(x)
    x = keras.layers.MaxPooling2D(size, strides, dtype=dtype, name=f"pooling_{name}")(x)
    if normalization is not None:
        x = BatchNorm(dtype=dtype, name=f"norm_{name}")(x)
    return keras.layers.Activation(activation, dtype=dtype, name=f"activation_{name}")(x)


def hidden_layers(
    x: keras.KerasTensor,
    hidden_units: Sequence[int],
    *,
    activation: str,
    dropout: float,
    dtype: keras.DTypePolicy,
    kernel_initializer: str = "he_normal",
) -> keras.KerasTensor:
    """Return the output of a flattening and of dense layers, each with its activation and dropout."""
    x = keras.layers.Flatten(dtype=dtype, name="flatten")(x)
    for i, units in enumerate(hidden_units, start=1):
        x = keras.layers.Dense(
            units, activation=activation, kernel_initializer=kernel_initializer, dtype=dtype, name=f"hidden_{i}"
        )(x)
        x = keras.layers.Dropout(dropout, dtype=dtype, name=f"dropout_{i}")(x)
    return x
