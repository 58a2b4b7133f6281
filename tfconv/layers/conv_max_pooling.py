"""Convolution and global max pooling over a text as one layer, also with the embedding."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured

__all__ = ["ConvMaxPooling1D", "EmbeddingConvMaxPooling1D"]

# Keras' activations that give the same before and after a maximum.
NON_DECREASING = frozenset(
    "linear relu relu6 leaky_relu elu selu celu softplus squareplus sparse_plus softsign sigmoid hard_sigmoid "
    "sparse_sigmoid log_sigmoid tanh hard_tanh tanh_shrink soft_shrink hard_shrink exponential".split()
)


def non_decreasing_activation(activation: str | Callable | None) -> Callable:
    """Return a Keras activation as a function.

    Raises:
        ValueError: it is not one of Keras' non-decreasing activations, which alone may be applied after a maximum.
    """
    function = keras.activations.get(activation)
    name = getattr(function, "__name__", "")
    if name not in NON_DECREASING or function is not keras.activations.get(name):
        raise ValueError(
            "activation must be one of Keras' non-decreasing activations, since it is applied after the maximum "
            f"({', '.join(sorted(NON_DECREASING))}). Received: activation={activation!r}"
        )
    return function


def counted_windows(mask: Any, width: int, padding: str) -> Any:
    """Return which of the `steps` windows take part in the maximum, bool (batch, steps) like the mask.

    Window t is centred on step t with "same" (left of the middle for an even width), and starts there with "valid".
    """
    if padding == "same":
        return mask
    steps = ops.shape(mask)[1]
    real = ops.cast(mask, "int32")
    ahead = ops.pad(real, ((0, 0), (0, width - 1)))
    whole = sum(ahead[:, k : k + steps] for k in range(width)) == width
    first = ops.logical_and(mask, ops.cumsum(real, axis=1) == 1)
    return ops.logical_or(whole, ops.logical_and(first, ops.logical_not(ops.any(whole, axis=1, keepdims=True))))


def padded_windows(x: Any, mask: Any, width: int, padding: str) -> tuple[Any, Any]:
    """Return x with zeros at masked steps and as padding, and which windows take part (None: all)."""
    if mask is not None:
        x = ops.where(ops.expand_dims(mask, 2), x, ops.zeros((), x.dtype))
    before = (width - 1) // 2 if padding == "same" else 0
    after = width - 1 - before
    if padding == "valid" and mask is None:
        steps = ops.shape(x)[1]
        after = max(width - steps, 0) if isinstance(steps, int) else ops.maximum(width - steps, 0)
    counted = None if mask is None else counted_windows(mask, width, padding)
    return ops.pad(x, ((0, 0), (before, after), (0, 0))), counted


def largest_response(x: Any, kernel: Any, counted: Any) -> Any:
    """Return max over t of (x * kernel)[t], (batch, filters), over the windows that take part; 0 if none does.

    Args:
        x: (batch, steps, channels), already padded.
        kernel: (width, channels, filters), of x's dtype.
        counted: Bool (batch, steps - width + 1); None: all.
    """
    if keras.backend.backend() == "tensorflow":
        from tfconv.layers import conv_max_pooling_tensorflow

        return conv_max_pooling_tensorflow.largest_response(x, kernel, counted)
    scores = ops.conv(x, kernel, strides=1, padding="valid", data_format="channels_last")
    if counted is not None:
        scores = ops.where(ops.expand_dims(counted, 2), scores, -float("inf"))
    best = ops.max(scores, axis=1)
    return ops.where(best == -float("inf"), ops.zeros((), best.dtype), best)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ConvMaxPooling1D(keras.layers.Layer):
    """Convolution over the steps of a text, activation and global max pooling, as one layer.

    z[b, f] = activation(bias[f] + max_t sum_{k, c} kernel[k, c, f] x[b, t + k, c])

    Equal to `Conv1D` and `GlobalMaxPooling1D`, since the activation is non-decreasing. On TensorFlow the gradient is
    computed for the window of each maximum only, which is exact and makes the backward pass several times faster. (Of
    equal maxima the first gets the gradient; `GlobalMaxPooling1D` splits it.)

    Padding does not change the result. Masked steps are zero vectors. With `padding="same"`, windows centred on a
    masked step are left out; with "valid", windows that touch a masked step are, but a text shorter than the kernel has
    one window, which starts at its first step and is padded with zeros. A text without any step gives activation(bias).

    Args:
        filters: Number of filters, and of outputs.
        kernel_size: Steps in a window.
        padding: "same" (as many windows as steps, zeros at both ends) or "valid" (whole windows only).
        activation: A non-decreasing activation of Keras, by name or function; None: linear.
        use_bias: Whether to add a bias.
        kernel_initializer: Initializer of the kernel, (kernel_size, channels, filters).
        bias_initializer: Initializer of the bias, (filters,).
        kernel_regularizer: Keras regularizer, or None.
        bias_regularizer: Keras regularizer, or None.
        kernel_constraint: Keras constraint, or None.
        bias_constraint: Keras constraint, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels); steps may be unknown or fewer than `kernel_size`.
    Output shape: (batch, filters).

    Raises:
        ValueError: `filters` or `kernel_size` below 1; an unknown padding; an activation that may decrease.

    Reference: Collobert et al., "Natural Language Processing (Almost) from Scratch", 2011, section 3.3.2 (max over
        time); Kim, "Convolutional Neural Networks for Sentence Classification", 2014, equations 2 to 4.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        padding: str = "same",
        activation: str | Callable | None = "relu",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if filters < 1:
            raise ValueError(f"filters must be at least 1. Received: filters={filters}")
        if kernel_size < 1:
            raise ValueError(f"kernel_size must be at least 1. Received: kernel_size={kernel_size}")
        if padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid'. Received: padding={padding!r}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.padding = padding
        self.activation = non_decreasing_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel and the bias."""
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(f"The last dimension of the input must be known. Received: input_shape={input_shape}")
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, channels, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return (batch, filters); `mask` is bool (batch, steps), False at padded steps."""
        x, counted = padded_windows(inputs, mask, self.kernel_size, self.padding)
        best = largest_response(x, ops.convert_to_tensor(self.kernel), counted)
        if self.bias is not None:
            best = best + ops.convert_to_tensor(self.bias)
        return self.activation(best)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, filters)."""
        return (input_shape[0], self.filters)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: no steps are left to mask."""
        return None


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class EmbeddingConvMaxPooling1D(keras.layers.Layer):
    """Embedding, parallel convolutions of several window widths, activation and global max pooling, as one layer.

    z[b, (w, f)] = activation(bias[w, f] + max_t sum_{k < w} embeddings[ids[b, t + k]] . kernel_w[k, :, f])

    Equal to `Embedding`, then `ConvMaxPooling1D` for each width, then `Concatenate`. A convolution over word vectors is
    linear in each of them. On TensorFlow the kernels are therefore applied once per distinct word of the batch, in one
    matrix product, and a window is the sum of its words' rows. The first 400 words of 64 reviews have five times fewer
    distinct words, and the layer needs that much less arithmetic than the convolution. The gradient, through the
    windows of the maxima (of equal ones the first), is two matrix products over the distinct words. For regularisation
    that changes word vectors by position, such as dropout, use the separate layers.

    Padding and masked steps are treated as in `ConvMaxPooling1D` and do not change the result.

    Args:
        input_dim: Number of token ids.
        output_dim: Embedding dimension.
        filters: Number of filters of each convolution.
        kernel_sizes: Steps in a window of each convolution.
        padding: "same" or "valid", see `ConvMaxPooling1D`.
        activation: A non-decreasing activation of Keras, by name or function; None: linear.
        use_bias: Whether to add a bias.
        mask_zero: Whether id 0 is padding and masked.
        embeddings_trainable: Whether word vectors are trained.
        embeddings_initializer: Initializer of the word vectors, (input_dim, output_dim).
        kernel_initializer: Initializer of the kernels, each (kernel_size, output_dim, filters).
        bias_initializer: Initializer of the biases, each (filters,).
        embeddings_regularizer: Keras regularizer, or None.
        kernel_regularizer: Keras regularizer, or None.
        bias_regularizer: Keras regularizer, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers; steps may be unknown or fewer than a kernel size.
    Output shape: (batch, len(kernel_sizes) * filters), grouped by kernel size.

    Raises:
        ValueError: a size below 1; `kernel_sizes` is empty or has duplicates; an unknown padding; an activation that
            may decrease.

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
            raise ValueError(
                f"kernel_sizes must be distinct numbers of at least 1. Received: kernel_sizes={kernel_sizes}"
            )
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
        self.supports_jit = False  # the number of distinct words is only known at run time

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
        for width in self.kernel_sizes:  # in the order of separate layers, so that weights can be exchanged with them
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

            real = ids != 0 if self.mask_zero else ops.ones_like(ids, "bool")
            counted = [counted_windows(real, width, self.padding) for width in self.kernel_sizes]
            best = largest_word_responses(ids, real, counted, self.embeddings.value, kernels, self.padding)
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
