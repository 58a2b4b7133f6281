"""AlexNet: for pictures of 224 pixels as in torchvision, and a small form for 32 pixels."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.parts import InputShape, check_normalization, dense_layers, picture_input, pooled_convolution

__all__ = ["AlexNet", "MiniAlexNet"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MiniAlexNet(keras.Model):
    """Five 3 x 3 convolutions, three of them pooled by 3, two hidden layers, logits: 2,023,370 parameters.

    As published without normalisation; with `normalization="batch"` each convolution has one, after its pooling. A
    picture of 32 pixels has 10, 3 and 1 after the three poolings. Kernels start Glorot uniform, Keras' default, as in
    the practical.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        widths: Channels of the five convolutions.
        hidden_units: Units of the hidden layers.
        normalization: "batch", or None as published.
        activation: A Keras activation's name; one that never decreases, since it follows the pooling.
        dropout: Share of units dropped after each hidden layer.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; 27 pixels at least.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: other than five widths; another normalization; too small an input shape (`InputError`).

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
        pixels = x = picture_input(input_shape, smallest=27, known=True)
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
                x = pooled_convolution(x, width, 3, pool_size=3, **settings)
        x = dense_layers(
            x, hidden_units, activation=activation, dropout=dropout, dtype=policy, kernel_initializer="glorot_uniform"
        )
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class AlexNet(keras.Model):
    """Five convolutions, three poolings, two hidden layers, logits for ImageNet: 61,100,840 parameters.

    The one-column form without response normalisation, padded as in torchvision. Kernels start He normal (published:
    normal with deviation 0.01, which this depth trains from slowly).

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        widths: Channels of the five convolutions.
        hidden_units: Units of the hidden layers.
        dropout: Share of units dropped before each hidden layer.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; 63 pixels at least.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: other than five widths; too small an input shape (`InputError`).

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
        pixels = x = picture_input(input_shape, smallest=63, known=True)
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
                x = pooled_convolution(x, width, size, pool_size=3, pool_strides=2, **settings)
        x = keras.layers.Flatten(dtype=policy, name="flatten")(x)
        for i, units in enumerate(hidden_units, start=1):
            x = keras.layers.Dropout(dropout, dtype=policy, name=f"dropout_{i}")(x)
            x = keras.layers.Dense(
                units, activation="relu", kernel_initializer="he_normal", dtype=policy, name=f"hidden_{i}"
            )(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)
