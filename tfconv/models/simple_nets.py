"""Small networks to start from: one hidden layer; strided convolutions; three pooled convolutions."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.conv_2d import ConvNormAct2D
from tfconv.models.pictures import InputShape, dense_layers, picture_input, pooled_convolution

__all__ = ["ConvNet", "SimpleNet", "ThreeConvNet"]


@keras.saving.register_keras_serializable(package="tfconv")
class SimpleNet(keras.Model):
    """Hidden layers on all pixels, no convolution: what a convolutional network has to beat.

    Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        hidden_units: Units of the hidden layers.
        activation: A Keras activation's name.
        dropout: Share of units dropped after each hidden layer.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        InputError: another input shape.

    Reference: fast.ai, "Deep Learning Part 1", 2018, lesson 7, cifar10.ipynb: SimpleNet, 40 hidden units.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        hidden_units: Sequence[int] = (40,),
        activation: str = "relu",
        dropout: float = 0.0,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = picture_input(input_shape, known=True)
        x = dense_layers(pixels, hidden_units, activation=activation, dropout=dropout, dtype=policy)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)

        # Config
        self.dtype_policy = policy
        self.classes = classes
        self.hidden_units = hidden_units
        self.activation = activation
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "input_shape": self.input_shape[1:],
            "classes": self.classes,
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "dropout": self.dropout,
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="tfconv")
class ConvNet(keras.Model):
    """Convolutions of 3 x 3 and stride 2 without padding, maximum over what is left, logits.

    Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        widths: Channels of the convolutions.
        activation: A Keras activation's name.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        InputError: an input shape too small for so many convolutions: 2^(n + 1) - 1 pixels are needed for n.

    Reference: fast.ai, "Deep Learning Part 1", 2018, lesson 7, cifar10.ipynb: ConvNet.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        widths: Sequence[int] = (20, 40, 80),
        activation: str = "relu",
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = x = picture_input(input_shape, smallest=2 ** (len(widths) + 1) - 1)
        for i, width in enumerate(widths, start=1):
            x = ConvNormAct2D(
                width,
                3,
                strides=2,
                padding="valid",
                normalization=None,
                activation=activation,
                kernel_initializer="he_normal",
                dtype=policy,
                name=f"convolution_{i}",
            )(x)
        x = keras.layers.GlobalMaxPooling2D(dtype=policy, name="pooling")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)

        # Config
        self.dtype_policy = policy
        self.classes = classes
        self.widths = widths
        self.activation = activation

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "input_shape": self.input_shape[1:],
            "classes": self.classes,
            "widths": self.widths,
            "activation": self.activation,
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }


@keras.saving.register_keras_serializable(package="tfconv")
class ThreeConvNet(keras.Model):
    """Three stages of 3 x 3 convolution, max pooling by 2, batch normalisation and leaky ReLU; logits of all places.

    Pooling comes before normalisation, which then works on a quarter of the pixels. Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        widths: Channels of the convolutions.
        activation: A Keras activation's name; "leaky_relu" has slope 0.2 below 0.
        dropout: Share of numbers dropped before the logits.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; 2^n pixels at least for n widths.
    Output shape: (batch, classes), float32 logits.

    Raises:
        InputError: another input shape, or one too small.

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015; Maas, Hannun and Ng, "Rectifier Nonlinearities Improve
        Neural Network Acoustic Models", 2013 (leaky ReLU).
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        widths: Sequence[int] = (30, 60, 120),
        activation: str = "leaky_relu",
        dropout: float = 0.0,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = x = picture_input(input_shape, smallest=2 ** len(widths), known=True)
        for i, width in enumerate(widths, start=1):
            x = pooled_convolution(
                x,
                width,
                3,
                pool_size=2,
                normalization="batch",
                activation=activation,
                dtype=policy,
                name=f"convolution_{i}",
            )
        x = keras.layers.Flatten(dtype=policy, name="flatten")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)

        # Config
        self.dtype_policy = policy
        self.classes = classes
        self.widths = widths
        self.activation = activation
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "input_shape": self.input_shape[1:],
            "classes": self.classes,
            "widths": self.widths,
            "activation": self.activation,
            "dropout": self.dropout,
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }
