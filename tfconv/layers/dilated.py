"""Stack of dilated convolutions over the steps of a text."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tfconv.geometry.arithmetic import Window, receptive_field
from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct1D
from tfconv.layers.initializers import cloned

__all__ = ["DilatedConv1DStack"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class DilatedConv1DStack(keras.layers.Layer):
    """Stack of dilated 1D convolutions, each with a shortcut around it.

    x_{i+1} = x_i + dropout(activation(norm(conv(x_i, dilation_rate = dilations[i]))))

    With dilations 1, 2, 4, ... the receptive field doubles with each layer, at full resolution. The first layer has no
    shortcut if the input's number of channels is not `filters`. Padded steps are treated as in `ConvNormAct1D`.

    Args:
        filters: Filters of each layer.
        kernel_size: Kernel size of each layer.
        dilations: Dilation rate of each layer.
        padding: "causal" (no step depends on a later one) or "same".
        normalization: "batch", "layer" or None.
        activation: Keras activation; None: linear.
        residual: Whether layers have shortcuts.
        dropout: Fraction of each layer's channels dropped in training.
        kernel_initializer: Initializer of all kernels.
        kernel_regularizer: Keras regularizer of all kernels, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels); steps may be unknown.
    Output shape: (batch, steps, filters).

    Raises:
        ValueError: `dilations` is empty; an unknown padding or normalization; numbers below 1.

    Reference: Bai, Kolter and Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
        Sequence Modeling", 2018, section 3 (causal); Strubell et al., "Fast and Accurate Entity Recognition with
        Iterated Dilated Convolutions", 2017 (same).
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        dilations: Sequence[int] = (1, 2, 4, 8),
        padding: str = "causal",
        normalization: str | None = None,
        activation: str | Callable | None = "relu",
        residual: bool = True,
        dropout: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not dilations:
            raise ValueError(f"dilations must have at least one number. Received: dilations={dilations}")
        if padding not in ("causal", "same"):
            raise ValueError(f"padding must be 'causal' or 'same'. Received: padding={padding!r}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilations = tuple(dilations)
        self.padding = padding
        self.normalization = normalization
        self.activation = keras.activations.get(activation)
        self.residual = residual
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.convolutions = [
            ConvNormAct1D(
                filters,
                kernel_size,
                padding=padding,
                dilation_rate=dilation,
                normalization=normalization,
                activation=self.activation,
                kernel_initializer=cloned(self.kernel_initializer),
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            for i, dilation in enumerate(self.dilations)
        ]
        self.drop = keras.layers.SpatialDropout1D(dropout, dtype=self.dtype_policy, name="dropout")
        self.supports_masking = True

    @property
    def receptive_field(self) -> int:
        """Steps of the input that one step of the output depends on."""
        return receptive_field(Window(self.kernel_size, dilation_rate=d) for d in self.dilations)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Build each convolution for its number of input channels."""
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Return (batch, steps, filters); `mask` is bool (batch, steps), False at padded steps."""
        x = inputs
        for convolution in self.convolutions:
            y = self.drop(convolution(x, training=training, mask=mask), training=training)
            x = x + y if self.residual and x.shape[-1] == self.filters else y
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, steps, filters)."""
        return (*input_shape[:2], self.filters)
