"""Residual blocks of convolutions, for texts and for images."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct, ConvNormAct1D, ConvNormAct2D
from tfconv.layers.initializers import cloned

__all__ = ["ResidualBlock1D", "ResidualBlock2D"]


@configured
class ResidualBlock(keras.layers.Layer):
    """What `ResidualBlock1D` and `ResidualBlock2D` share: arguments, branch and sum."""

    _convolution: type[ConvNormAct]

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        normalization: str | None = "batch",
        activation: str | Callable | None = "relu",
        order: str = "conv-norm-act",
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if order not in ("conv-norm-act", "norm-act-conv"):
            raise ValueError(f"order must be 'conv-norm-act' or 'norm-act-conv'. Received: order={order!r}")
        if normalization not in ("batch", "layer", None):
            raise ValueError(f"normalization must be 'batch', 'layer' or None. Received: {normalization!r}")
        if min(filters, kernel_size, strides) < 1:
            raise ValueError(
                f"filters, kernel_size and strides must be at least 1. Received: {filters}, {kernel_size}, {strides}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.normalization = normalization
        self.activation = keras.activations.get(activation)
        self.order = order
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.first: Any = None
        self.second: Any = None
        self.projection: Any = None

    def _part(self, name: str, filters: int, kernel_size: int, strides: int = 1, *, last: bool = False) -> Any:
        """Return a convolution of the branch; with "conv-norm-act" the `last` has no activation before the sum."""
        post = self.order == "conv-norm-act"
        return self._convolution(
            filters,
            kernel_size,
            strides=strides,
            padding=self._part_padding(kernel_size),
            normalization=self.normalization,
            activation=None if post and last else self.activation,
            order=self.order,
            kernel_initializer=cloned(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name=name,
        )

    def _part_padding(self, kernel_size: int) -> Any:
        """Return the padding that centres window t on step `strides` t, as in the shortcut."""
        return "same"

    def _make_branch(self) -> None:
        """Create the branch's convolutions."""
        self.first = self._part("first", self.filters, self.kernel_size, self.strides)
        self.second = self._part("second", self.filters, self.kernel_size, last=True)

    @property
    def branch(self) -> list[Any]:
        """The convolutions that the shortcut skips, first to last; available once the block is built."""
        return [self.first, self.second]

    def _projects(self, input_shape: tuple[int | None, ...]) -> bool:
        """Whether the shortcut has to be a convolution."""
        return self.strides > 1 or input_shape[-1] != self.filters

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create and build the convolutions, the shortcut's only where shapes differ."""
        self._make_branch()
        shape = input_shape
        for part in self.branch:
            part.build(shape)
            shape = part.compute_output_shape(shape)
        if self._projects(input_shape):
            self.projection = self._convolution(
                self.filters,
                1,
                strides=self.strides,
                normalization=self.normalization if self.order == "conv-norm-act" else None,
                activation=None,
                order=self.order,
                kernel_initializer=cloned(self.kernel_initializer),
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name="projection",
            )
            self.projection.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the block's output; `mask` is bool (batch, steps), False at padded steps of a text."""
        x, x_mask = inputs, mask
        for part in self.branch:
            y = part(x, training=training, mask=x_mask)
            x, x_mask = y, part.compute_mask(x, x_mask)
        x = x + self._shortcut(inputs, training, mask)
        return self.activation(x) if self.order == "conv-norm-act" else x

    def _shortcut(self, inputs: Any, training: bool | None, mask: Any) -> Any:
        """Return what is added to the convolutions' output."""
        return inputs if self.projection is None else self.projection(inputs, training=training, mask=mask)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape, its sizes divided by `strides` and rounded up, with `filters` channels."""
        batch, *sizes, _ = input_shape
        return (batch, *(None if size is None else -(-size // self.strides) for size in sizes), self.filters)


@keras.saving.register_keras_serializable(package="tfconv")
class ResidualBlock1D(ResidualBlock):
    """Residual block over the steps of a text: two `ConvNormAct1D` and a shortcut.

    With order "conv-norm-act": y = activation(norm(conv(activation(norm(conv(x))))) + shortcut(x))
    With order "norm-act-conv" (pre-activation): y = conv(activation(norm(conv(activation(norm(x)))))) + shortcut(x)

    The shortcut is the identity where shapes agree, else a strided convolution of kernel size 1, which in the first
    order is normalised like the others. Padded steps are treated as in `ConvNormAct1D`.

    Args:
        filters: Filters of both convolutions.
        kernel_size: Kernel size of both convolutions.
        strides: Stride of the first convolution.
        normalization: "batch", "layer" or None.
        activation: Keras activation; None: linear.
        order: "conv-norm-act" or "norm-act-conv".
        kernel_initializer: Initializer of all kernels.
        kernel_regularizer: Keras regularizer of all kernels, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels); steps may be unknown.
    Output shape: (batch, ceil(steps / strides), filters).

    Raises:
        ValueError: an unknown order or normalization; numbers below 1.

    Reference: He et al., "Deep Residual Learning for Image Recognition", 2016, figure 2, equation 2 (the projection);
        He et al., "Identity Mappings in Deep Residual Networks", 2016, figure 4 (pre-activation).
    """

    _convolution = ConvNormAct1D

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which steps of the output are real, bool (batch, ceil(steps / strides))."""
        return None if mask is None else mask[:, :: self.strides]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResidualBlock2D(ResidualBlock):
    """Residual block over an image: two `ConvNormAct2D`, or the three of a bottleneck, and a shortcut.

    With order "conv-norm-act": y = activation(norm(conv(... activation(norm(conv(x))))) + shortcut(x))
    With order "norm-act-conv" (pre-activation): y = conv(activation(norm(... conv(activation(norm(x)))))) + shortcut(x)

    The shortcut is the identity where shapes agree. Elsewhere "projection" is a strided convolution of kernel size 1,
    which in the first order is normalised like the others; "padding" takes every `strides`-th pixel and pads the
    channels with zeros, without parameters. Windows are centred on the pixels that the shortcut takes, unlike with
    Keras' "same" padding, which shifts strided windows on an even number of pixels.

    Args:
        filters: Channels of the output.
        kernel_size: Kernel size in rows and columns; odd.
        strides: Stride of the first convolution of `kernel_size`.
        bottleneck: Whether to have three convolutions: 1 x 1 with a quarter of the filters, `kernel_size` with as many,
            and 1 x 1 with `filters`.
        shortcut: "projection" or "padding".
        normalization: "batch", "layer" or None.
        activation: Keras activation; None: linear.
        order: "conv-norm-act" or "norm-act-conv".
        kernel_initializer: Initializer of all kernels.
        kernel_regularizer: Keras regularizer of all kernels, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, ceil(height / strides), ceil(width / strides), filters).

    Raises:
        ValueError: an unknown order, normalization or shortcut; numbers below 1; an even kernel_size; `filters` not
            divisible by 4 in a bottleneck, or fewer than the input's channels with a padding shortcut.

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
        """Create the branch's two convolutions, or the three of a bottleneck."""
        if not self.bottleneck:
            super()._make_branch()
            return
        self.first = self._part("first", self.filters // 4, 1)
        self.second = self._part("second", self.filters // 4, self.kernel_size, self.strides)
        self.third = self._part("third", self.filters, 1, last=True)

    @property
    def branch(self) -> list[Any]:
        """The convolutions that the shortcut skips, first to last; available once the block is built."""
        return [*super().branch, self.third] if self.bottleneck else super().branch

    def _part_padding(self, kernel_size: int) -> int:
        """Return the number of zeros on every side that centres a window."""
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
