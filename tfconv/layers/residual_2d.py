"""Convolutions over an image with a shortcut around them."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tfconv.layers.conv_2d import ConvNormAct2D
from tfconv.layers.residual import ResidualBlock

__all__ = ["ResidualBlock2D"]


@keras.saving.register_keras_serializable(package="tfconv")
class ResidualBlock2D(ResidualBlock):
    """Two `ConvNormAct2D`, or three with a narrow middle, and a shortcut around them.

    With order "conv-norm-act": y = activation(norm(conv(... activation(norm(conv(x))))) + shortcut(x))
    With order "norm-act-conv" (pre-activation): y = conv(activation(norm(... conv(activation(norm(x)))))) + shortcut(x)

    The shortcut is the identity where the shapes agree. Elsewhere "projection" is a strided convolution of kernel 1,
    normalised as the others are in the first order; "padding" takes every `strides`-th pixel and puts zeros in the
    channels that are new, without parameters. Windows are centred on the pixels that the shortcut takes, which Keras'
    "same" padding is not where it strides over an even number of pixels.

    Args:
        filters: Channels of the output.
        kernel_size: Rows and columns of a window; odd.
        strides: Pixels from one window to the next, in the first convolution of `kernel_size`.
        bottleneck: Whether the convolutions are 1 x 1 to a quarter of `filters`, `kernel_size`, 1 x 1 to `filters`.
        shortcut: "projection" or "padding".
        normalization: "batch", "layer" or None.
        activation: A Keras activation; None is linear.
        order: "conv-norm-act" or "norm-act-conv".
        kernel_initializer: Of all kernels.
        kernel_regularizer: None or a Keras regularizer, on all kernels.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, ceil(height / strides), ceil(width / strides), filters).

    Raises:
        ValueError: another order, normalization or shortcut; numbers below 1; an even kernel_size; `filters` that a
            bottleneck cannot divide by 4, or fewer than a padding shortcut brings.

    Reference: He et al., "Deep Residual Learning for Image Recognition", 2016, figure 5, section 3.3 (options A and B
        of the shortcut); He et al., "Identity Mappings in Deep Residual Networks", 2016, figure 4 (pre-activation).
    """

    _convolution = ConvNormAct2D

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        bottleneck: bool = False,
        shortcut: str = "projection",
        normalization: str | None = "batch",
        activation: str | Callable | None = "relu",
        order: str = "conv-norm-act",
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides=strides,
            normalization=normalization,
            activation=activation,
            order=order,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            **kwargs,
        )
        if shortcut not in ("projection", "padding"):
            raise ValueError(f"shortcut must be 'projection' or 'padding'. Received: shortcut={shortcut!r}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, to be centred. Received: kernel_size={kernel_size}")
        if bottleneck and filters % 4:
            raise ValueError(f"filters must be divisible by 4 for a bottleneck. Received: filters={filters}")
        self.bottleneck = bottleneck
        self.shortcut = shortcut
        self.third: Any = None

    def _make_branch(self) -> None:
        """Make two convolutions, or the three of a bottleneck."""
        if not self.bottleneck:
            super()._make_branch()
            return
        self.first = self._part("first", self.filters // 4, 1)
        self.second = self._part("second", self.filters // 4, self.kernel_size, self.strides)
        self.third = self._part("third", self.filters, 1, last=True)

    @property
    def branch(self) -> list[Any]:
        """The convolutions that the shortcut goes around, first to last; of a block that is built."""
        return [*super().branch, self.third] if self.bottleneck else super().branch

    def _part_padding(self, kernel_size: int) -> int:
        """Return the zeros around, which centre a window."""
        return kernel_size // 2

    def _projects(self, input_shape: tuple[Any, ...]) -> bool:
        """Whether the shortcut has to be a convolution."""
        if self.shortcut == "projection":
            return super()._projects(input_shape)
        if input_shape[-1] > self.filters:
            raise ValueError(
                "filters must be at least the input's channels for a shortcut that pads. "
                f"Received: {self.filters} < {input_shape[-1]}"
            )
        return False

    def _shortcut(self, inputs: Any, training: bool | None, mask: Any) -> Any:
        """Return what is added to the convolutions' output."""
        if self.shortcut == "projection":
            return super()._shortcut(inputs, training, mask)
        added = self.filters - inputs.shape[-1]
        # A pooling of single pixels: a strided slice has a gradient that takes a tenth of ResNet-20's step on a CPU.
        x = inputs if self.strides == 1 else ops.max_pool(inputs, 1, self.strides, data_format="channels_last")
        return ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, added))) if added else x

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "bottleneck": self.bottleneck, "shortcut": self.shortcut}
