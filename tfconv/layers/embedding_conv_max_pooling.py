"""Embedding, convolutions of several widths and their maxima over time, as one layer that works word by word."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tfconv.layers.conv_max_pooling import (
    counted_windows,
    largest_response,
    non_decreasing_activation,
    padded_windows,
)

__all__ = ["EmbeddingConvMaxPooling1D"]


@keras.saving.register_keras_serializable(package="tfconv")
class EmbeddingConvMaxPooling1D(keras.layers.Layer):
    """Embedding, and for each window width a convolution, its activation and its maximum over all steps.

    z[b, (w, f)] = activation(bias[w, f] + max_t sum_{k < w} embeddings[ids[b, t + k]] . kernel_w[k, :, f])

    Equal to `Embedding`, then `ConvMaxPooling1D` for each width, then `Concatenate`. A convolution over word vectors is
    linear in each of them, so on TensorFlow every distinct word of the batch meets the kernels once, in one matrix
    product, and a window is a sum of the rows of its words. Words repeat: the first 400 words of 64 reviews hold five
    times fewer distinct ones, and the layer needs that much less arithmetic than the convolution. The gradient goes
    through the windows that gave the maxima (of equal ones the first), again as two matrix products over
    distinct words. Regularisation that changes word vectors by their place in the text (dropout on them) does not fit
    in here: use the separate layers for that.

    Padding and masked steps are as in `ConvMaxPooling1D`: they never change the result.

    Args:
        input_dim: Number of different ids.
        output_dim: Width of a word vector.
        filters: Number of kernels of each width.
        kernel_sizes: Steps in a window, one number a width.
        padding: "same" or "valid", see `ConvMaxPooling1D`.
        activation: One of Keras' non-decreasing activations, by name or function; None is linear.
        use_bias: Whether to add a bias.
        mask_zero: Whether id 0 is padding: a zero vector whose windows take no part.
        embeddings_trainable: Whether word vectors are trained.
        embeddings_initializer: Of the word vectors, (input_dim, output_dim).
        kernel_initializer: Of the kernels, each (kernel_size, output_dim, filters).
        bias_initializer: Of the biases, each (filters,).
        embeddings_regularizer: None or a Keras regularizer.
        kernel_regularizer: None or a Keras regularizer.
        bias_regularizer: None or a Keras regularizer.
        **kwargs: Of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), whole numbers; steps may be unknown or fewer than a kernel's.
    Output shape: (batch, len(kernel_sizes) * filters), the widths one after the other.

    Raises:
        ValueError: a size below 1; no kernel sizes, or one twice; another padding; an activation that may decrease.

    Reference: Kim, "Convolutional Neural Networks for Sentence Classification", 2014, equations 1 to 4.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        filters: int,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        *,
        padding: str = "same",
        activation: str | Callable | None = "relu",
        use_bias: bool = True,
        mask_zero: bool = True,
        embeddings_trainable: bool = True,
        embeddings_initializer: Any = "uniform",
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        embeddings_regularizer: Any = None,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, size in (("input_dim", input_dim), ("output_dim", output_dim), ("filters", filters)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1. Received: {name}={size}")
        if not kernel_sizes or min(kernel_sizes) < 1 or len(set(kernel_sizes)) != len(kernel_sizes):
            raise ValueError(f"kernel_sizes must be different numbers from 1 on. Received: kernel_sizes={kernel_sizes}")
        if padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid'. Received: padding={padding!r}")
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.filters = filters
        self.kernel_sizes = tuple(kernel_sizes)
        self.padding = padding
        self.activation = non_decreasing_activation(activation)
        self.use_bias = use_bias
        self.mask_zero = mask_zero
        self.embeddings_trainable = embeddings_trainable
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.embeddings_regularizer = keras.regularizers.get(embeddings_regularizer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        self.supports_jit = False  # the number of distinct words is known only at run time

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the word vectors, and for each width a kernel and a bias."""
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            trainable=self.embeddings_trainable,
            autocast=False,  # only the rows in use are cast
        )
        self.kernels, self.biases = [], []
        for width in self.kernel_sizes:  # in the order of separate layers, so that weights can be handed over
            kernel = self.add_weight(
                name=f"kernel_{width}",
                shape=(width, self.output_dim, self.filters),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
            )
            self.kernels.append(kernel)
            if self.use_bias:
                bias = self.add_weight(
                    name=f"bias_{width}",
                    shape=(self.filters,),
                    initializer=self.bias_initializer,
                    regularizer=self.bias_regularizer,
                )
                self.biases.append(bias)

    def call(self, inputs: Any) -> Any:
        """Return (batch, len(kernel_sizes) * filters)."""
        ids = ops.cast(inputs, "int32")
        kernels = [ops.convert_to_tensor(kernel) for kernel in self.kernels]
        if keras.backend.backend() == "tensorflow":
            from tfconv.layers.conv_max_pooling_tensorflow import largest_word_responses

            kept = ids != 0 if self.mask_zero else ops.ones_like(ids, "bool")
            counted = [counted_windows(kept, width, self.padding) for width in self.kernel_sizes]
            best = largest_word_responses(ids, kept, counted, self.embeddings.value, kernels, self.padding)
        else:
            mask = ids != 0 if self.mask_zero else None
            x = ops.cast(ops.take(self.embeddings, ids, axis=0), self.compute_dtype)
            windows = [padded_windows(x, mask, width, self.padding) for width in self.kernel_sizes]
            best = ops.concatenate(
                [largest_response(x, kernel, counted) for kernel, (x, counted) in zip(kernels, windows, strict=True)],
                axis=1,
            )
        if self.use_bias:
            best = best + ops.concatenate([ops.convert_to_tensor(bias) for bias in self.biases])
        return self.activation(best)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, len(kernel_sizes) * filters)."""
        return (input_shape[0], len(self.kernel_sizes) * self.filters)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: no steps are left to mask."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "filters": self.filters,
            "kernel_sizes": list(self.kernel_sizes),
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "mask_zero": self.mask_zero,
            "embeddings_trainable": self.embeddings_trainable,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(self.embeddings_regularizer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }
