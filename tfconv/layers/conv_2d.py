"""Convolution over an image, normalisation and activation as one layer."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.conv import ConvNormAct

__all__ = ["ConvNormAct2D"]


@keras.saving.register_keras_serializable(package="tfconv")
class ConvNormAct2D(ConvNormAct):
    """Convolution over an image, normalisation and activation, in a settable order.

    With the default order: y = activation(norm(conv(x))). Batch normalisation is `BatchNorm`, momentum 0.9.

    Args:
        filters: Channels of the output.
        kernel_size: Rows and columns of a window, one number or two.
        strides: Pixels from one window to the next, one number or two; 1 where `dilation_rate` is above 1.
        padding: "same" (Keras' own, which for strides above 1 depends on the size's remainder), "valid", or a number:
            so many zeros on every side, as PyTorch counts them, which keeps window t centred on pixel strides t.
        dilation_rate: Pixels from one of a window's pixels to the next, one number or two.
        groups: Groups that channels are split into.
        normalization: "batch", "layer" (over the channels of each pixel) or None.
        activation: A Keras activation; None is linear.
        order: "conv", "norm" and "act", joined by "-": "norm-act-conv" is pre-activation (He et al. 2016).
        use_bias: Whether the convolution has a bias; None: unless the normalisation follows it and has one.
        kernel_initializer: Of the kernel, (rows, columns, channels / groups, filters).
        kernel_regularizer: None or a Keras regularizer.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, new height, new width, filters), as `tfconv.geometry.output_size` gives them.

    Raises:
        ValueError: another padding, normalization or order; numbers below 1 (padding: below 0).

    Reference: Ioffe and Szegedy, "Batch Normalization", 2015; He et al., "Identity Mappings in Deep Residual
        Networks", 2016 (the order).
    """

    _convolution = keras.layers.Conv2D
    _paddings = ("same", "valid")

    def _check_padding(self, padding: Any) -> None:
        """Raise a ValueError for a padding that is neither a name nor a number of pixels."""
        if isinstance(padding, bool) or not isinstance(padding, int):
            super()._check_padding(padding)
        elif padding < 0:
            raise ValueError(f"padding must be at least 0. Received: padding={padding}")

    def _inner_padding(self) -> str:
        """Return "same" also for a number of zeros that says the same, which saves a copy."""
        if isinstance(self.padding, str):
            return self.padding
        sizes, strides, dilations = (
            (value,) * 2 if isinstance(value, int) else tuple(value)
            for value in (self.kernel_size, self.strides, self.dilation_rate)
        )
        spans = [(size - 1) * dilation for size, dilation in zip(sizes, dilations, strict=True)]
        return "same" if set(strides) == {1} and set(spans) == {2 * self.padding} else "valid"

    def _zeros_around(self) -> int:
        """Return the pixels of zeros to put on every side."""
        return self.padding if isinstance(self.padding, int) and self.conv.padding == "valid" else 0

    def _padded_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape with the zeros around it."""
        batch, *sides, channels = input_shape
        around = 2 * self._zeros_around()
        return (batch, *(None if side is None else side + around for side in sides), channels)

    def _convolve(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Return the convolution; pictures have no mask."""
        around = self._zeros_around()
        if around:
            x = ops.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
        return self.conv(x), mask
