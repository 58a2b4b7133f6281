"""AlexNet for ImageNet, and a small AlexNet for CIFAR-10."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.blocks import InputShape, check_normalization, hidden_layers, image_input, pooled_convolution

__all__ = ["AlexNet", "MiniAlexNet"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MiniAlexNet(keras.Model):
    """A small AlexNet for images of 32 x 32 pixels, with 2,023,370 parameters.

    Five 3 x 3 convolutions, three of them followed by max pooling of size 3 (which leaves 10, 3 and 1 pixels of 32),
    two hidden layers and the logits. The published network has no normalisation; with `normalization="batch"` each
    convolution has one, after its pooling. Kernels are initialised Glorot uniform, Keras' default, as published.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the five convolutions.
        hidden_units: Units of each hidden layer.
        normalization: "batch", or None as published.
        activation: Name of a Keras activation, a non-decreasing one since it is applied after the pooling.
        dropout: Fraction of units dropped after each hidden layer.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; at least 27 x 27 pixels.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: `widths` of another length than five; an unknown normalization; an `input_shape` that is too small
            (`InputError`).

    Reference: Deep Learning Indaba 2018, practical 2 (convolutional networks); after Krizhevsky, Sutskever and Hinton,
        "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        widths: Sequence[int] = (48, 128, 192, 192, 128),
        hidden_units: Sequence[int] = (1024, 1024),
        normalization: str | None = None,
        activation: str = "relu",
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        check_normalization(normalization)
        if len(widths) != 5:
            raise ValueError(f"widths must be five numbers, one a convolution. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = x = image_input(input_shape, smallest=27, known=True)
        for i, width in enumerate(widths, start=1):
            settings: dict[str, Any] = {
                "normalization": normalization,
                "activation": activation,
                "kernel_initializer": "glorot_uniform",
                "dtype": policy,
                "name": f"convolution_{i}",
            }
            if i in (3, 4):
                x = ConvNormAct2D(width, 3, **settings)(x)
            else:
                x = pooled_convolution(x, width, 3, (3, 3), **settings)
        x = hidden_layers(
            x, hidden_units, activation=activation, dropout=dropout, dtype=policy, kernel_initializer="glorot_uniform"
        )
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class AlexNet(keras.Model):
    """AlexNet for ImageNet in its one-column form, with 61,100,840 parameters.

    Five convolutions, three of them followed by max pooling, two hidden layers and the logits; no local response
    normalisation, and padding as in torchvision. Kernels are initialised He normal. (The published normal distribution
    of standard deviation 0.01 trains slowly at this depth.)

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the five convolutions.
        hidden_units: Units of each hidden layer.
        dropout: Fraction of units dropped before each hidden layer.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; at least 63 x 63 pixels.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: `widths` of another length than five; an `input_shape` that is too small (`InputError`).

    Reference: Krizhevsky, "One Weird Trick for Parallelizing Convolutional Neural Networks", 2014.
    """

    def __init__(
        self,
        input_shape: InputShape = (224, 224, 3),
        classes: int = 1000,
        *,
        widths: Sequence[int] = (64, 192, 384, 256, 256),
        hidden_units: Sequence[int] = (4096, 4096),
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if len(widths) != 5:
            raise ValueError(f"widths must be five numbers, one a convolution. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = x = image_input(input_shape, smallest=63, known=True)
        for i, (width, size, strides) in enumerate(
            zip(widths, (11, 5, 3, 3, 3), (4, 1, 1, 1, 1), strict=True), start=1
        ):
            settings: dict[str, Any] = {
                "strides": strides,
                "padding": 2 if i == 1 else "same",
                "normalization": None,
                "kernel_initializer": "he_normal",
                "dtype": policy,
                "name": f"convolution_{i}",
            }
            if i in (3, 4):
                x = ConvNormAct2D(width, size, **settings)(x)
            else:
                x = pooled_convolution(x, width, size, (3, 2), **settings)
        x = keras.layers.Flatten(dtype=policy, name="flatten")(x)
        for i, units in enumerate(hidden_units, start=1):
            x = keras.layers.Dropout(dropout, dtype=policy, name=f"dropout_{i}")(x)
            x = keras.layers.Dense(
                units, activation="relu", kernel_initializer="he_normal", dtype=policy, name=f"hidden_{i}"
            )(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)
