"""The networks with batch normalisation that fast.ai's 2018 course builds up on CIFAR-10, from plain to residual."""

from collections.abc import Sequence

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.parts import InputShape, dense_layers, picture_input, pooled_convolution

__all__ = ["ConvBatchNormNet", "ConvNet", "LessonResNet", "SimpleNet", "ThreeConvNet"]


def bn_layer(
    x: keras.KerasTensor, filters: int, *, strides: int, dtype: keras.DTypePolicy, name: str, kernel_size: int = 3
) -> keras.KerasTensor:
    """Return the course's BnLayer: convolution without bias, ReLU, and the normalisation after it."""
    return ConvNormAct2D(
        filters,
        kernel_size,
        strides=strides,
        padding=kernel_size // 2,
        order="conv-act-norm",
        use_bias=False,
        kernel_initializer="he_normal",
        dtype=dtype,
        name=name,
    )(x)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ConvBatchNormNet(keras.Model):
    """A 5 x 5 convolution, then 3 x 3 ones that halve the picture, each normalised after its ReLU; maximum; logits.

    With `deep`, each of them is followed by one that keeps the size. Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        widths: Channels of the first convolution, which is linear, and of the others.
        deep: Whether each layer of stride 2 is followed by one of stride 1.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: no widths; another input shape (`InputError`).

    Reference: fast.ai, "Deep Learning Part 1", 2018, lesson 7, cifar10.ipynb: ConvBnNet and ConvBnNet2.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        widths: Sequence[int] = (10, 20, 40, 80, 160),
        deep: bool = False,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if not widths:
            raise ValueError(f"widths must name at least one convolution. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = picture_input(input_shape)
        x = ConvNormAct2D(widths[0], 5, normalization=None, activation=None, dtype=policy, name="stem")(pixels)
        for i, width in enumerate(widths[1:], start=1):
            x = bn_layer(x, width, strides=2, dtype=policy, name=f"convolution_{i}")
            if deep:
                x = bn_layer(x, width, strides=1, dtype=policy, name=f"convolution_{i}b")
        x = keras.layers.GlobalMaxPooling2D(dtype=policy, name="pooling")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class LessonResNet(keras.Model):
    """A normalised stem, then stages of one layer that halves the picture and two residual ones; maximum; logits.

    Every layer is a 3 x 3 convolution, ReLU, normalisation; a residual layer is y = x + layer(x). Kernels start He
    normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        widths: Channels of the stem and of each stage.
        stem_kernel_size: Rows and columns of the stem's windows; odd. (The course's notebook has 7 in its last network
            and 5 in those before.)
        dropout: Share of units dropped before the logits.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: no widths; an even stem_kernel_size; another input shape (`InputError`).

    Reference: fast.ai, "Deep Learning Part 1", 2018, lesson 7, cifar10.ipynb: Resnet2; after He et al., "Deep Residual
        Learning for Image Recognition", 2016.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        stem_kernel_size: int = 5,
        dropout: float = 0.2,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if not widths:
            raise ValueError(f"widths must name at least the stem's. Received: widths={widths}")
        if stem_kernel_size % 2 == 0:
            raise ValueError(f"stem_kernel_size must be odd. Received: stem_kernel_size={stem_kernel_size}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = picture_input(input_shape)
        x = bn_layer(pixels, widths[0], strides=1, kernel_size=stem_kernel_size, dtype=policy, name="stem")
        for i, width in enumerate(widths[1:], start=1):
            x = bn_layer(x, width, strides=2, dtype=policy, name=f"convolution_{i}")
            for part in "ab":
                y = bn_layer(x, width, strides=1, dtype=policy, name=f"residual_{i}{part}")
                x = keras.layers.Add(dtype=policy, name=f"shortcut_{i}{part}")([x, y])
        x = keras.layers.GlobalMaxPooling2D(dtype=policy, name="pooling")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
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


@keras.saving.register_keras_serializable(package="tfconv")
@configured
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


@keras.saving.register_keras_serializable(package="tfconv")
@configured
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
