"""Small CIFAR-10 networks for learning: those of fast.ai's 2018 course, lesson 7, and one with max pooling."""

from collections.abc import Sequence

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.models.image.blocks import InputShape, hidden_layers, image_input, pooled_convolution

__all__ = ["ConvBatchNormNet", "ConvNet", "LessonResNet", "SimpleNet", "ThreeConvNet"]


def bn_layer(
    x: keras.KerasTensor, filters: int, *, strides: int, dtype: keras.DTypePolicy, name: str, kernel_size: int = 3
) -> keras.KerasTensor:
    """Return the output of the course's BnLayer: a convolution without bias, ReLU, then batch normalisation."""
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
class SimpleNet(keras.Model):
    """Dense layers without any convolution, a baseline for convolutional networks.

    Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        hidden_units: Units of each hidden layer.
        activation: Name of a Keras activation.
        dropout: Fraction of units dropped after each hidden layer.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        InputError: an `input_shape` that is not (height, width, channels).

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
        pixels = image_input(input_shape, known=True)
        x = hidden_layers(pixels, hidden_units, activation=activation, dropout=dropout, dtype=policy)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ConvNet(keras.Model):
    """Convolutions of 3 x 3 with stride 2 and no padding, global max pooling and logits.

    Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the convolutions.
        activation: Name of a Keras activation.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        InputError: an `input_shape` that is too small: n convolutions need 2^(n + 1) - 1 pixels in height and width.

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
        pixels = x = image_input(input_shape, smallest=2 ** (len(widths) + 1) - 1)
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
    """Three stages of 3 x 3 convolution, 2 x 2 max pooling, batch normalisation and leaky ReLU; dense logits.

    Pooling comes before normalisation, which then processes a quarter of the pixels. The logits are a dense layer on
    all pixels. Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the convolutions.
        activation: Name of a Keras activation; "leaky_relu" has slope 0.2 below 0.
        dropout: Fraction of values dropped before the logits.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel; at least 2^n x 2^n pixels for n
        widths.
    Output shape: (batch, classes), float32 logits.

    Raises:
        InputError: an `input_shape` that is not (height, width, channels), or one too small.

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
        pixels = x = image_input(input_shape, smallest=2 ** len(widths), known=True)
        for i, width in enumerate(widths, start=1):
            x = pooled_convolution(
                x,
                width,
                3,
                (2, 2),
                normalization="batch",
                activation=activation,
                dtype=policy,
                name=f"convolution_{i}",
            )
        x = keras.layers.Flatten(dtype=policy, name="flatten")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ConvBatchNormNet(keras.Model):
    """Convolutions of stride 2, each normalised after its ReLU, global max pooling and logits.

    The first convolution is 5 x 5, of stride 1 and linear; the others are 3 x 3. With `deep` each convolution of stride
    2 is followed by one of stride 1. Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the first convolution, which is linear, and of the others.
        deep: Whether each convolution of stride 2 is followed by one of stride 1.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: no widths; a wrong `input_shape` (`InputError`).

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
            raise ValueError(f"widths must have at least one number. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = image_input(input_shape)
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
    """Small residual network: stages of one layer of stride 2 and two residual layers.

    A layer is a 3 x 3 convolution, ReLU and batch normalisation; a residual layer is y = x + layer(x). A stem comes
    first, global max pooling, dropout and the logits last. Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        widths: Filters of the stem and of each stage.
        stem_kernel_size: Kernel size of the stem; odd. (The course's notebook has 7 in its last network and 5 in those
            before.)
        dropout: Fraction of units dropped before the logits.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: no widths; an even stem_kernel_size; a wrong `input_shape` (`InputError`).

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
            raise ValueError(f"widths must have at least one number, the stem's. Received: widths={widths}")
        if stem_kernel_size % 2 == 0:
            raise ValueError(f"stem_kernel_size must be odd. Received: stem_kernel_size={stem_kernel_size}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = image_input(input_shape)
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
