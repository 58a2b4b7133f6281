"""Residual networks as published: for CIFAR-10's pictures of 32 pixels, and for ImageNet's of 224."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct2D
from tfconv.layers.normalization import BatchNorm
from tfconv.layers.residual import ResidualBlock2D
from tfconv.models.image.parts import InputShape, picture_input

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
    """Return the `ResNet` of 50 layers in bottlenecks, 25,557,032 parameters: He et al. 2016, table 1."""
    settings = {"blocks": (3, 4, 6, 3), "widths": (256, 512, 1024, 2048), "bottleneck": True}
    return ResNet(**{**settings, **overrides})


def stages(
    x: keras.KerasTensor, blocks: Sequence[int], widths: Sequence[int], *, dtype: keras.DTypePolicy, **settings: Any
) -> keras.KerasTensor:
    """Return stages of residual blocks; each stage after the first starts by halving the picture."""
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
    """A 3 x 3 convolution, three stages of residual blocks of two convolutions, mean, logits.

    Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        depth: Layers with weights, 6 n + 2 for n blocks a stage: 20, 32, 44, 56, 110.
        widths: Channels of the three stages.
        shortcut: Where a stage begins: "padding" without parameters as published, or "projection".
        order: "conv-norm-act", or "norm-act-conv" for pre-activated blocks.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: a depth that is not 6 n + 2; other than three widths; another shortcut or order; another input shape
            (`InputError`).

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
        pixels = picture_input(input_shape)
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
        if not post:  # the last block's sum has had neither
            x = BatchNorm(dtype=policy, name="last_norm")(x)
            x = keras.layers.Activation("relu", dtype=policy, name="last_activation")(x)
        x = keras.layers.GlobalAveragePooling2D(dtype=policy, name="pooling")(x)
        logits = keras.layers.Dense(classes, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
        super().__init__(pixels, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResNet(keras.Model):
    """A 7 x 7 convolution and a pooling, each of stride 2, stages of residual blocks, mean, logits for ImageNet.

    Without arguments this is ResNet-18. Padding is symmetric, as published and in torchvision, and the 3 x 3
    convolution of a bottleneck has its stride, as in torchvision. Kernels start He normal.

    Args:
        input_shape: (height, width, channels).
        classes: Logits for each picture.
        blocks: Residual blocks of each stage.
        widths: Channels of each stage.
        stem_filters: Channels of the first convolution.
        bottleneck: Whether blocks are of three convolutions, the middle one narrow.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, height, width, channels), float32, normalised by channel.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: `blocks` and `widths` of different lengths; another input shape (`InputError`).

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
            raise ValueError(f"blocks and widths must name the same stages. Received: {blocks}, {widths}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        pixels = picture_input(input_shape)
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
