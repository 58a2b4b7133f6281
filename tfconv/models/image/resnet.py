"""Residual networks of He et al. (2016) for CIFAR-10 and for ImageNet."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.layers.normalization import BatchNorm
from tfconv.layers.residual import ResidualBlock2D
from tfconv.models.image.blocks import InputShape, image_input

__all__ = ["ResNet", "ResNetCIFAR", "resnet18", "resnet20", "resnet32", "resnet34", "resnet50", "resnet56"]


def resnet20(**overrides: Any) -> "ResNetCIFAR":
    """Return the `ResNetCIFAR` of 20 layers, 0.27 M parameters: He et al. 2016, table 6 (8.75 % error)."""
    return ResNetCIFAR(**{"depth": 20, **overrides})


def resnet32(**overrides: Any) -> "ResNetCIFAR":
    """Return the `ResNetCIFAR` of 32 layers, 0.46 M parameters: He et al. 2016, table 6 (7.51 % error)."""
    return ResNetCIFAR(**{"depth": 32, **overrides})


def resnet56(**overrides: Any) -> "ResNetCIFAR":
    """Return the `ResNetCIFAR` of 56 layers, 0.85 M parameters: He et al. 2016, table 6 (6.97 % error)."""
    return ResNetCIFAR(**{"depth": 56, **overrides})


def resnet18(**overrides: Any) -> "ResNet":
    """Return the `ResNet` of 18 layers, 11,689,512 parameters: He et al. 2016, table 1."""
    return ResNet(**{"blocks": (2, 2, 2, 2), **overrides})


def resnet34(**overrides: Any) -> "ResNet":
    """Return the `ResNet` of 34 layers, 21,797,672 parameters: He et al. 2016, table 1."""
    return ResNet(**{"blocks": (3, 4, 6, 3), **overrides})


def resnet50(**overrides: Any) -> "ResNet":
    """Return the `ResNet` of 50 layers with bottleneck blocks, 25,557,032 parameters: He et al. 2016, table 1."""
    settings = {"blocks": (3, 4, 6, 3), "widths": (256, 512, 1024, 2048), "bottleneck": True}
    return ResNet(**{**settings, **overrides})


def stages(
    x: keras.KerasTensor, blocks: Sequence[int], widths: Sequence[int], *, dtype: keras.DTypePolicy, **settings: Any
) -> keras.KerasTensor:
    """Return the output of stages of residual blocks; each stage after the first halves height and width."""
    for i, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
        for j in range(1, count + 1):
            x = ResidualBlock2D(
                width,
                strides=2 if i > 1 and j == 1 else 1,
                kernel_initializer="he_normal",
                dtype=dtype,
                name=f"block_{i}_{j}",
                **settings,
            )(x)
    return x


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResNetCIFAR(keras.Model):
    """Residual network for CIFAR-10.

    A 3 x 3 convolution, three stages of residual blocks of two convolutions, global average pooling and the logits.
    Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        depth: Number of layers with weights, 6 n + 2 for n blocks per stage: 20, 32, 44, 56, 110.
        widths: Filters of the three stages.
        shortcut: Shortcut of a stage's first block: "padding" (no parameters, as published) or "projection".
        order: "conv-norm-act", or "norm-act-conv" for pre-activation.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: a depth that is not 6 n + 2; other than three widths; an unknown shortcut or order; a wrong
            `input_shape` (`InputError`).

    Reference: He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2; He et al., "Identity
        Mappings in Deep Residual Networks", 2016.
    """

    def __init__(
        self,
        input_shape: InputShape = (32, 32, 3),
        classes: int = 10,
        *,
        depth: int = 20,
        widths: Sequence[int] = (16, 32, 64),
        shortcut: str = "padding",
        order: str = "conv-norm-act",
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"depth must be 6 n + 2: 8, 14, 20, 26, 32, ... Received: depth={depth}")
        if len(widths) != 3:
            raise ValueError(f"widths must be three numbers, one a stage. Received: widths={widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = image_input(input_shape)
        post = order == "conv-norm-act"
        x = ConvNormAct2D(
            widths[0],
            3,
            normalization="batch" if post else None,
            activation="relu" if post else None,
            kernel_initializer="he_normal",
            use_bias=False,
            dtype=policy,
            name="stem",
        )(pixels)
        x = stages(x, [(depth - 2) // 6] * 3, widths, shortcut=shortcut, order=order, dtype=policy)
        if not post:  # a pre-activated block ends in a sum, without normalisation and activation
            x = BatchNorm(dtype=policy, name="last_norm")(x)
            x = keras.layers.Activation("relu", dtype=policy, name="last_activation")(x)
        x = keras.layers.GlobalAveragePooling2D(dtype=policy, name="pooling")(x)
        logits = keras.layers.Dense(classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResNet(keras.Model):
    """Residual network for ImageNet; ResNet-18 by default.

    A 7 x 7 convolution and a max pooling, each of stride 2, stages of residual blocks, global average pooling and the
    logits. Padding is symmetric, as published and in torchvision. A bottleneck block strides in its 3 x 3 convolution,
    as in torchvision. Kernels are initialised He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Number of logits: 1 for two classes, else one per class.
        blocks: Number of residual blocks in each stage.
        widths: Filters of each stage.
        stem_filters: Filters of the first convolution.
        bottleneck: Whether blocks have three convolutions (1 x 1, 3 x 3, 1 x 1) in place of two.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: `blocks` and `widths` of different lengths; a wrong `input_shape` (`InputError`).

    Reference: He et al., "Deep Residual Learning for Image Recognition", 2016, table 1.
    """

    def __init__(
        self,
        input_shape: InputShape = (224, 224, 3),
        classes: int = 1000,
        *,
        blocks: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = (64, 128, 256, 512),
        stem_filters: int = 64,
        bottleneck: bool = False,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if len(blocks) != len(widths):
            raise ValueError(f"blocks and widths must have one number per stage. Received: {blocks}, {widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = image_input(input_shape)
        x = ConvNormAct2D(
            stem_filters,
            7,
            strides=2,
            padding=3,
            activation=None,
            kernel_initializer="he_normal",
            dtype=policy,
            name="stem",
        )(pixels)
        # relu(max of x and the zeros around) is the maximum of relu(x), which is never below 0.
        x = keras.layers.ZeroPadding2D(1, dtype=policy, name="stem_padding")(x)
        x = keras.layers.MaxPooling2D(3, 2, dtype=policy, name="stem_pooling")(x)
        x = keras.layers.Activation("relu", dtype=policy, name="stem_activation")(x)
        x = stages(x, blocks, widths, bottleneck=bottleneck, dtype=policy)
        x = keras.layers.GlobalAveragePooling2D(dtype=policy, name="pooling")(x)
        logits = keras.layers.Dense(classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)
