"""Convolution over one-hot words with max pooling, as sums of a kernel's rows."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured
from tfconv.layers.conv_max_pooling import non_decreasing_activation
from tfconv.layers.tokens import SPECIAL_TOKENS

__all__ = ["OneHotConv1D"]


class _RowsAfterZeros(keras.initializers.Initializer):
    """An initializer's values, with zeros in the first row."""

    def __init__(self, initializer: keras.initializers.Initializer) -> None:
        self.initializer = initializer

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        values = self.initializer((shape[0] - 1, *shape[1:]), dtype=dtype)
        return ops.concatenate([ops.zeros((1, *shape[1:]), dtype=values.dtype), values])


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class OneHotConv1D(keras.layers.Layer):
    """Convolution over one-hot words, activation and max pooling, as one layer on token ids.

    z[b, f] = activation(bias[f] + max over t of sum_{k < kernel_size} W_k[ids[b, t + k], f])

    Equal to `OneHotTokens`, `Conv1D` with `kernel_size` - 1 steps of padding at both ends, and a maximum over the
    windows that touch a token, without the one-hot vectors: a window is a sum of rows of the kernel. A region of words
    has filters of its own, with no word embedding in between, so one sight of a phrase is enough to learn from.
    Ids below `first` (padding, start, unknown) are zero vectors; a text without tokens gives activation(bias).

    On TensorFlow the gradient is computed at the windows of the maxima only, and is a `tf.IndexedSlices` of the rows
    that these touch, which is exact: with `tfconv.training.FusedAdagrad` or `LazyAdam` a step does not depend on the
    vocabulary's size.

    Args:
        input_dim: Number of token ids, those below `first` included.
        filters: Number of filters.
        kernel_size: Tokens in a window, the "region size".
        blocks: Parts of equal length that a text is divided into; each has maxima of its own.
        first: The smallest id with a one-hot vector.
        activation: A non-decreasing activation of Keras, by name or function; None: linear.
        kernel_initializer: Initializer of the kernel; None: N(0, 0.01^2), as in the paper. The kernel's first row, of
            zero vectors, is zeros and is not trained; row 1 + (i - first) kernel_size + k is W_k of id i.
        kernel_regularizer: Keras regularizer, or None. It visits the whole kernel in every step.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers; 0 is padding, at the end.
    Output shape: (batch, blocks * filters), grouped by block.

    Raises:
        ValueError: a size below 1; `first` is not between 1 and `input_dim` - 1; an activation that may decrease.

    Reference: Johnson and Zhang, "Effective Use of Word Order for Text Categorization with Convolutional Neural
        Networks", 2015, "seq-CNN", section 2.
    """

    def __init__(
        self,
        input_dim: int,
        filters: int,
        kernel_size: int = 3,
        *,
        blocks: int = 1,
        first: int = SPECIAL_TOKENS,
        activation: Any = "relu",
        kernel_initializer: Any = None,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, size in (("filters", filters), ("kernel_size", kernel_size), ("blocks", blocks)):
            if size < 1:
                raise ValueError(f"{name} must be at least 1. Received: {name}={size}")
        if not 1 <= first < input_dim:
            raise ValueError(
                f"first must be between 1 and input_dim - 1. Received: first={first}, input_dim={input_dim}"
            )
        self.input_dim = input_dim
        self.filters = filters
        self.kernel_size = kernel_size
        self.blocks = blocks
        self.first = first
        self.activation = non_decreasing_activation(activation)
        self.kernel_initializer = (
            keras.initializers.RandomNormal(stddev=0.01)
            if kernel_initializer is None
            else keras.initializers.get(kernel_initializer)
        )
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=2)
        self.supports_jit = False  # the number of touched rows is only known at run time

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel and the bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(1 + (self.input_dim - self.first) * self.kernel_size, self.filters),
            initializer=_RowsAfterZeros(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            autocast=False,  # only the rows in use are cast
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, ids: Any, training: bool | None = None) -> Any:
        """Return (batch, blocks * filters)."""
        ids = ops.cast(ids, "int32")
        if keras.backend.backend() == "tensorflow":
            from tfconv.layers.tokens_tensorflow import without_empty_columns

            ids = without_empty_columns(ids)
        rows, counted = self._windows(ids)
        if keras.backend.backend() == "tensorflow":
            from tfconv.layers.conv_max_pooling_tensorflow import largest_sums

            best = largest_sums(self.kernel.value, rows, counted, self.compute_dtype, training=bool(training))
        else:
            kernel = ops.convert_to_tensor(self.kernel)
            kernel = ops.concatenate([ops.stop_gradient(kernel[:1]), kernel[1:]], axis=0)  # row 0 stays as it is
            scores = sum(ops.take(kernel, rows[:, :, k], axis=0) for k in range(self.kernel_size))
            lowest = ops.cast(-float("inf"), scores.dtype)
            found = [ops.max(ops.where(part[:, :, None], scores, lowest), axis=1) for part in counted]
            best = ops.concatenate(found, axis=1)
            best = ops.cast(ops.where(best == lowest, ops.zeros((), best.dtype), best), self.compute_dtype)
        return self.activation(best + ops.tile(ops.convert_to_tensor(self.bias), self.blocks))

    def _windows(self, ids: Any) -> tuple[Any, list[Any]]:
        """Return the kernel's rows (batch, windows, kernel_size), and of each block which windows (bool) it has."""
        width = self.kernel_size
        steps = ops.shape(ids)[1]
        padded = ops.pad(ids, ((0, 0), (width - 1, width - 1)))
        windows = steps + width - 1
        row = ops.where(padded >= self.first, (padded - self.first) * width + 1, -width)
        rows = ops.stack([ops.maximum(row[:, k : k + windows] + k, 0) for k in range(width)], axis=2)
        length = ops.sum(ops.cast(ids != 0, "int32"), axis=1, keepdims=True)
        last = ops.where(length > 0, length + width - 1, 0)  # windows of each text
        place = ops.expand_dims(ops.arange(windows, dtype="int32"), 0)
        bounds = [last * block // self.blocks for block in range(self.blocks + 1)]
        counted = [
            ops.logical_and(place >= low, place < high) for low, high in zip(bounds[:-1], bounds[1:], strict=True)
        ]
        return rows, counted

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, blocks * filters)."""
        return (input_shape[0], self.blocks * self.filters)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: no steps are left to mask."""
        return None
