"""What the image models share: their input, a convolution that is pooled before its activation, dense layers on top."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.errors import InputError
from tfconv.layers.conv import ConvNormAct2D
from tfconv.layers.normalization import BatchNorm

__all__: list[str] = []

InputShape = Sequence[int | None]


def picture_input(input_shape: InputShape, *, smallest: int = 1, known: bool = False) -> keras.KerasTensor:
    """Return an image model's input, (batch, height, width, channels).

    Args:
        input_shape: (height, width, channels).
        smallest: Height and width below which the model's layers have nothing left to look at.
        known: Whether height and width must be numbers, since the model has weights for each place.

    Raises:
        InputError: an input shape that is none, or too small for the model.
    """
    shape = tuple(input_shape)
    sizes = [size for size in shape[:2] if size is not None or known]
    whole = all(isinstance(number, int) and number >= 1 for number in (*sizes, *shape[2:]))
    if len(shape) != 3 or not whole:
        rule = "three whole numbers" if known else "three whole numbers, or None for an open height or width"
        raise InputError(f"input_shape must be (height, width, channels), {rule}. Received: input_shape={shape}")
    if any(size is not None and size < smallest for size in sizes):
        raise InputError(
            f"this model needs pictures of at least {smallest} x {smallest} pixels. Received: input_shape={shape}"
        )
    return keras.Input(shape, name="pixels")


def pooled_convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int,
    *,
    pool_size: int,
    name: str,
    dtype: keras.DTypePolicy,
    pool_strides: int | None = None,
    activation: str = "relu",
    normalization: str | None = None,
    kernel_initializer: Any = "he_normal",
    strides: int = 1,
    padding: str | int = "same",
) -> keras.KerasTensor:
    """Return convolution, max pooling, normalisation, activation.

    A non-decreasing activation gives the same before and after a maximum; after it, it costs a fraction, and so does
    the normalisation.
    """
    x = ConvNormAct2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        normalization=None,
        activation=None,
        use_bias=normalization is None,
        kernel_initializer=kernel_initializer,
        dtype=dtype,
        name=name,
    )(x)
    x = keras.layers.MaxPooling2D(pool_size, pool_strides, dtype=dtype, name=f"pooling_{name}")(x)
    if normalization is not None:
        x = BatchNorm(dtype=dtype, name=f"norm_{name}")(x)
    return keras.layers.Activation(activation, dtype=dtype, name=f"activation_{name}")(x)


def check_normalization(normalization: str | None) -> None:
    """Raise a ValueError for another normalisation than a model's convolutions can have."""
    if normalization not in ("batch", None):
        raise ValueError(f"normalization must be 'batch' or None. Received: normalization={normalization!r}")


def dense_layers(
    x: keras.KerasTensor,
    hidden_units: Sequence[int],
    *,
    activation: str,
    dropout: float,
    dtype: keras.DTypePolicy,
    kernel_initializer: str = "he_normal",
) -> keras.KerasTensor:
    """Return hidden layers on all pixels of all channels, each with its activation and dropout."""
    x = keras.layers.Flatten(dtype=dtype, name="flatten")(x)
    for i, units in enumerate(hidden_units, start=1):
        x = keras.layers.Dense(
            units, activation=activation, kernel_initializer=kernel_initializer, dtype=dtype, name=f"hidden_{i}"
        )(x)
        x = keras.layers.Dropout(dropout, dtype=dtype, name=f"dropout_{i}")(x)
    return x
