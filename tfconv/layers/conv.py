"""Convolution, normalisation and activation as one layer, for texts and for images."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured
from tfconv.layers.normalization import BatchNorm

__all__ = ["ConvNormAct1D", "ConvNormAct2D"]


@configured
class ConvNormAct(keras.layers.Layer):
    """What `ConvNormAct1D` and `ConvNormAct2D` share: arguments, order of the parts and normalisation."""

    _convolution: type[keras.layers.Layer]
    _paddings: tuple[str, ...]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        *,
        strides: int | tuple[int, ...] = 1,
        padding: Any = "same",
        dilation_rate: int | tuple[int, ...] = 1,
        groups: int = 1,
        normalization: str | None = "batch",
        activation: str | Callable | None = "relu",
        order: str = "conv-norm-act",
        use_bias: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_padding(padding)
        if normalization not in ("batch", "layer", None):
            raise ValueError(f"normalization must be 'batch', 'layer' or None. Received: {normalization!r}")
        if sorted(order.split("-")) != ["act", "conv", "norm"]:
            raise ValueError(f"order must be conv, norm and act, once each, joined by '-'. Received: order={order!r}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.dilation_rate = dilation_rate
        self.groups = groups
        self.normalization = normalization
        self.activation = keras.activations.get(activation)
        self.order = order
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

        normalized_next = normalization is not None and "conv-norm" in order
        self.conv = self._convolution(
            filters,
            kernel_size,
            strides=strides,
            padding=self._inner_padding(),
            dilation_rate=dilation_rate,
            groups=groups,
            use_bias=not normalized_next if use_bias is None else use_bias,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
            data_format="channels_last",
            dtype=self.dtype_policy,
            name="conv",
        )
        self.norm: Any = None
        if normalization == "batch":
            self.norm = BatchNorm(dtype=self.dtype_policy, name="norm")
        elif normalization == "layer":
            self.norm = keras.layers.LayerNormalization(axis=-1, dtype=self.dtype_policy, name="norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the convolution and the normalisation, each for its number of input channels."""
        self.conv.build(self._padded_shape(input_shape))
        if self.norm is not None:
            parts = self.order.split("-")
            after = parts.index("norm") > parts.index("conv")
            self.norm.build(self.compute_output_shape(input_shape) if after else input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return the activations; `mask` is bool (batch, steps), False at padded steps."""
        x = inputs
        for part in self.order.split("-"):
            if part == "conv":
                x, mask = self._convolve(x, mask)
            elif part == "act":
                x = self.activation(x)
            elif self.normalization == "batch":
                x = self.norm(x, training=training, mask=mask)
            elif self.normalization == "layer":
                x = self.norm(x)
        return x

    def _check_padding(self, padding: Any) -> None:
        """Raise a ValueError unless this layer has this padding."""
        if padding not in self._paddings:
            raise ValueError(f"padding must be one of {self._paddings}. Received: padding={padding!r}")

    def _convolve(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Return the convolution's output and its mask."""
        return self.conv(x), mask

    def _inner_padding(self) -> str:
        """Return the `padding` argument of the inner convolution."""
        return self.padding

    def _padded_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the inner convolution's input."""
        return input_shape

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the convolution's output."""
        return self.conv.compute_output_shape(self._padded_shape(input_shape))


@keras.saving.register_keras_serializable(package="tfconv")
class ConvNormAct1D(ConvNormAct):
    """Convolution over the steps of a text, normalisation and activation, in any order.

    With the default order: y = activation(norm(conv(x)))

    Masked steps are zero vectors in the convolution, whatever their values, and are left out of the batch's mean and
    variance. The output has the mask of every `strides`-th step. With "same" padding window t is centred on step
    `strides` t, so that the result does not depend on the number of padded steps. (Keras shifts strided windows by the
    remainder of the length.) Batch normalisation is `BatchNorm`, momentum 0.9.

    Args:
        filters: Channels of the output.
        kernel_size: Steps in a window.
        strides: Steps from one window to the next; 1 if `dilation_rate` is above 1.
        padding: "same", "valid" (windows that touch a masked step are masked) or "causal" (no step depends on a later
            one).
        dilation_rate: Distance of neighbouring steps in a window.
        groups: Number of groups that the channels are split into.
        normalization: "batch", "layer" (over the channels of each step) or None.
        activation: Keras activation; None: linear.
        order: Order of "conv", "norm" and "act", joined by "-"; "norm-act-conv" is pre-activation (He et al. 2016).
        use_bias: Whether the convolution has a bias; None: only if no normalisation follows it directly.
        kernel_initializer: Initializer of the kernel, (kernel_size, channels / groups, filters).
        kernel_regularizer: Keras regularizer, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels); steps may be unknown.
    Output shape: (batch, new steps, filters), new steps as `tfconv.geometry.output_size` gives them.

    Raises:
        ValueError: an unknown padding, normalization or order; numbers below 1.

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015; He et al., "Identity Mappings in Deep Residual
        Networks", 2016 (the order).
    """

    _convolution = keras.layers.Conv1D
    _paddings = ("same", "valid", "causal")

    def _inner_padding(self) -> str:
        """Return "same" where Keras pads symmetrically, which saves a copy of the input."""
        return "same" if self.padding == "same" and self.strides in (1, (1,), [1]) else "valid"

    def _span(self) -> int:
        """Return the number of steps from a window's first to its last, both counted."""
        return (self.conv.kernel_size[0] - 1) * self.conv.dilation_rate[0] + 1

    def _zeros_around(self) -> tuple[int, int]:
        """Return the numbers of zero steps to add before and after the text."""
        around = 0 if self.padding == "valid" or self.conv.padding == "same" else self._span() - 1
        before = around if self.padding == "causal" else around // 2
        return before, around - before

    def _padded_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape with the zeros around it."""
        batch, steps, channels = input_shape
        return (batch, None if steps is None else steps + sum(self._zeros_around()), channels)

    def _convolve(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Return the convolution's output over the real steps, and its mask."""
        if mask is not None:
            x = x * ops.expand_dims(ops.cast(mask, x.dtype), 2)
        if sum(self._zeros_around()):
            x = ops.pad(x, ((0, 0), self._zeros_around(), (0, 0)))
        return self.conv(x), self.compute_mask(x, mask)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which windows are centred on a real step ("valid": hold real steps only), bool (batch, new steps).

        The centre of a "causal" window is its last step.
        """
        if mask is None:
            return None
        last = self._span() - 1
        if self.padding == "valid" and last:
            mask = ops.logical_and(mask[:, :-last], mask[:, last:])
        return mask[:, :: self.conv.strides[0]]


@keras.saving.register_keras_serializable(package="tfconv")
class ConvNormAct2D(ConvNormAct):
    """Convolution over an image, normalisation and activation, in any order.

    With the default order: y = activation(norm(conv(x))). Batch normalisation is `BatchNorm`, momentum 0.9.

    Args:
        filters: Channels of the output.
        kernel_size: Rows and columns of a window, one number or two.
        strides: Pixels from one window to the next, one number or two; 1 if `dilation_rate` is above 1.
        padding: "same" (as in Keras: with strides above 1, windows shift with the remainder of the size), "valid", or
            the number of zeros on every side, as in PyTorch.
        dilation_rate: Distance of neighbouring pixels in a window, one number or two.
        groups: Number of groups that the channels are split into.
        normalization: "batch", "layer" (over the channels of each pixel) or None.
        activation: Keras activation; None: linear.
        order: Order of "conv", "norm" and "act", joined by "-"; "norm-act-conv" is pre-activation (He et al. 2016).
        use_bias: Whether the convolution has a bias; None: only if no normalisation follows it directly.
        kernel_initializer: Initializer of the kernel, (rows, columns, channels / groups, filters).
        kernel_regularizer: Keras regularizer, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, new height, new width, filters), as `tfconv.geometry.output_size` gives them.

    Raises:
        ValueError: an unknown padding, normalization or order; numbers below 1 (padding: below 0).

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015; He et al., "Identity Mappings in Deep Residual
        Networks", 2016 (the order).
    """

    _convolution = keras.layers.Conv2D
    _paddings = ("same", "valid")

    def _check_padding(self, padding: Any) -> None:
        """Raise a ValueError unless `padding` is "same", "valid" or a number of pixels."""
        if isinstance(padding, bool) or not isinstance(padding, int):
            super()._check_padding(padding)
        elif padding < 0:
            raise ValueError(f"padding must be at least 0. Received: padding={padding}")

    def _inner_padding(self) -> str:
        """Return "same" also for an equal number of zeros, which saves a copy of the input."""
        if isinstance(self.padding, str):
            return self.padding
        sizes, strides, dilations = (
            (value,) * 2 if isinstance(value, int) else tuple(value)
            for value in (self.kernel_size, self.strides, self.dilation_rate)
        )
        spans = [(size - 1) * dilation for size, dilation in zip(sizes, dilations, strict=True)]
        return "same" if set(strides) == {1} and set(spans) == {2 * self.padding} else "valid"

    def _zeros_around(self) -> int:
        """Return the number of zero pixels to add on every side."""
        return self.padding if isinstance(self.padding, int) and self.conv.padding == "valid" else 0

    def _padded_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape with the zeros around it."""
        batch, *sides, channels = input_shape
        around = 2 * self._zeros_around()
        return (batch, *(None if side is None else side + around for side in sides), channels)

    def _convolve(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Return the convolution's output; images have no mask."""
        around = self._zeros_around()
        if around:
            x = ops.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
        return self.conv(x), mask
