"""Two 1-D convolutions with a shortcut around them."""

from collections.abc import Callable
from typing import Any

import keras

from tfconv.layers.conv import ConvNormAct1D

__all__ = ["ResidualBlock1D"]


def anew(initializer: Any) -> Any:
    """Return an initializer of the same kind with numbers of its own: one object gives equal kernels every time."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer


@keras.saving.register_keras_serializable(package="tfconv")
class ResidualBlock1D(keras.layers.Layer):
    """Two `ConvNormAct1D` and a shortcut around both.

    With order "conv-norm-act": y = activation(norm(conv(activation(norm(conv(x))))) + shortcut(x))
    With order "norm-act-conv" (pre-activation): y = conv(activation(norm(conv(activation(norm(x)))))) + shortcut(x)

    The shortcut is the identity where the shapes agree, else a strided convolution of kernel 1, normalised as the
    convolutions are in the first order. Padded steps are treated as in `ConvNormAct1D`.

    Args:
        filters: Channels of both convolutions and of the output.
        kernel_size: Steps in a window of both.
        strides: Steps from one window to the next in the first convolution.
        normalization: "batch", "layer" or None.
        activation: A Keras activation; None is linear.
        order: "conv-norm-act" or "norm-act-conv".
        kernel_initializer: Of all kernels.
        kernel_regularizer: None or a Keras regularizer, on all kernels.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels); steps may be unknown.
    Output shape: (batch, ceil(steps / strides), filters).

    Raises:
        ValueError: another order or normalization; numbers below 1.

    Reference: He et al., "Deep Residual Learning for Image Recognition", 2016, figure 2, equation 2 (the projection);
        He et al., "Identity Mappings in Deep Residual Networks", 2016, figure 4 (pre-activation).
    """

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
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.normalization = normalization
        self.activation = keras.activations.get(activation)
        self.order = order
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        post = order == "conv-norm-act"
        self.first = self._part("first", kernel_size, strides, normalization, self.activation)
        self.second = self._part("second", kernel_size, 1, normalization, None if post else self.activation)
        self.projection: Any = None

    def _part(self, name: str, kernel_size: int, strides: int, normalization: str | None, activation: Any) -> Any:
        """Return one of the block's convolutions."""
        return ConvNormAct1D(
            self.filters,
            kernel_size,
            strides=strides,
            normalization=normalization,
            activation=activation,
            order=self.order,
            kernel_initializer=anew(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build the convolutions; the shortcut's only where shapes differ."""
        self.first.build(input_shape)
        self.second.build(self.first.compute_output_shape(input_shape))
        if self.strides > 1 or input_shape[-1] != self.filters:
            normalization = self.normalization if self.order == "conv-norm-act" else None
            self.projection = self._part("projection", 1, self.strides, normalization, None)
            self.projection.build(input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return (batch, ceil(steps / strides), filters); `mask` is bool (batch, steps), False at padded steps."""
        x = self.first(inputs, training=training, mask=mask)
        x = self.second(x, training=training, mask=self.first.compute_mask(inputs, mask))
        shortcut = inputs if self.projection is None else self.projection(inputs, training=training, mask=mask)
        x = x + shortcut
        return self.activation(x) if self.order == "conv-norm-act" else x

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which steps of the output are real, bool (batch, ceil(steps / strides))."""
        return self.first.compute_mask(inputs, mask)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, ceil(steps / strides), filters)."""
        return self.first.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "normalization": self.normalization,
            "activation": keras.activations.serialize(self.activation),
            "order": self.order,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
