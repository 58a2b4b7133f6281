"""Layers on token ids: fixed length, ranges of ids, distinct tokens, one-hot vectors and bag of words."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured

__all__ = ["BagOfWordsDense", "DistinctTokens", "FixedLength", "IdRange", "OneHotTokens"]

# Ids 0, 1 and 2 of every vocabulary: padding, the start of a text, an unknown token.
SPECIAL_TOKENS = 3


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class FixedLength(keras.layers.Layer):
    """Cut each row of ids after `length`; with `pad`, pad shorter rows with id 0.

    Args:
        length: Number of ids to keep.
        pad: Whether to pad shorter rows to `length`.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), of any dtype; steps may be unknown.
    Output shape: (batch, length) with `pad`, else (batch, min(steps, length)). The dtype is the input's.

    Raises:
        ValueError: length below 1.
    """

    def __init__(self, length: int, *, pad: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if length < 1:
            raise ValueError(f"length must be at least 1. Received: length={length}")
        self.length = length
        self.pad = pad

    def call(self, ids: Any) -> Any:
        """Return the ids, cut and padded."""
        if self.pad:
            ids = ops.pad(ids, ((0, 0), (0, self.length)))
        return ids[:, : self.length]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, length), or (batch, min(steps, length)) without `pad`."""
        batch, steps = input_shape
        if self.pad:
            return (batch, self.length)
        return (batch, None if steps is None else min(steps, self.length))

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        """Return the output's shape and the input's dtype: ids stay integers under every dtype policy."""
        return keras.KerasTensor(self.compute_output_shape(ids.shape), dtype=ids.dtype)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class IdRange(keras.layers.Layer):
    """Keep the ids of a range, numbered from 1 on, and replace others by padding (id 0).

    y[b, t] = ids[b, t] - first + 1 where first <= ids[b, t] < end, else 0

    So one input of words and n-grams, as `tfconv.data.TextPreprocess` gives them, becomes two.

    Args:
        first: The smallest id that is kept.
        end: The id after the largest that is kept; None: no end.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers; 0 is padding.
    Output shape: the same.

    Raises:
        ValueError: `first` below 1, or `end` not above it.
    """

    def __init__(self, first: int, end: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if first < 1 or (end is not None and end <= first):
            raise ValueError(f"first must be at least 1, and end above first. Received: first={first}, end={end}")
        self.first = first
        self.end = end

    def call(self, ids: Any) -> Any:
        """Return the ids, renumbered."""
        kept = ids >= self.first
        if self.end is not None:
            kept = ops.logical_and(kept, ids < self.end)
        return ops.where(kept, ids - (self.first - 1), ops.zeros_like(ids))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        """Return the input's shape and dtype."""
        return keras.KerasTensor(ids.shape, dtype=ids.dtype)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class DistinctTokens(keras.layers.Layer):
    """Sort the ids of each row and replace duplicates by padding (id 0).

    A sum over the embeddings of the remaining ids counts each word once.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers; 0 is padding.
    Output shape: the same.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def call(self, ids: Any) -> Any:
        """Return the sorted ids, with 0 in place of an id that equals the one before it."""
        ordered = ops.sort(ids, axis=1)
        duplicate = ops.equal(ordered[:, 1:], ordered[:, :-1])
        duplicate = ops.pad(duplicate, ((0, 0), (1, 0)), constant_values=False)
        return ops.where(duplicate, ops.zeros_like(ordered), ordered)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        """Return the input's shape and dtype."""
        return keras.KerasTensor(ids.shape, dtype=ids.dtype)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class OneHotTokens(keras.layers.Layer):
    """One-hot vectors of token ids, with zero vectors for the ids below `first`.

    y[b, t, c] = 1 where ids[b, t] = first + c, else 0. By default the special tokens (padding, start and unknown) are
    zero vectors, as in Zhang et al. (2015), section 2.2.

    Args:
        vocabulary_size: Number of token ids, including those below `first`.
        first: The smallest id with a one-hot vector.
        mask_zero: Whether the steps of id 0 are masked.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers.
    Output shape: (batch, steps, vocabulary_size - first).

    Raises:
        ValueError: `first` is not between 1 and `vocabulary_size` - 1.

    Reference: Zhang, Zhao and LeCun, "Character-level Convolutional Networks for Text Classification", 2015.
    """

    def __init__(
        self, vocabulary_size: int, *, first: int = SPECIAL_TOKENS, mask_zero: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 1 <= first < vocabulary_size:
            raise ValueError(
                f"first must be between 1 and vocabulary_size - 1. Received: first={first}, "
                f"vocabulary_size={vocabulary_size}"
            )
        self.vocabulary_size = vocabulary_size
        self.first = first
        self.mask_zero = mask_zero

    def call(self, ids: Any) -> Any:
        """Return (batch, steps, vocabulary_size - first)."""
        return ops.one_hot(ids, self.vocabulary_size, dtype=self.compute_dtype)[:, :, self.first :]

    def compute_mask(self, ids: Any, mask: Any = None) -> Any:
        """Return a mask that is False at id 0, bool (batch, steps); None without `mask_zero`."""
        return ops.not_equal(ids, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, steps, vocabulary_size - first)."""
        return (*input_shape, self.vocabulary_size - self.first)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BagOfWordsDense(keras.layers.Layer):
    """Dense layer on a text's token counts, computed from its token ids.

    y[b] = bias + sum over t with ids[b, t] != 0 of kernel[ids[b, t]]

    Equal to counts(ids) kernel + bias, without the matrix of counts, (batch, vocabulary_size). After `DistinctTokens`
    it is a dense layer on the presence of each word.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        units: Number of outputs.
        kernel_initializer: Initializer of the kernel, (vocabulary_size, units). Zeros, since the sum is over hundreds
            of tokens and a linear model has no symmetry to break.
        kernel_regularizer: Keras regularizer, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers; 0 is padding.
    Output shape: (batch, units).

    Raises:
        ValueError: `vocabulary_size` or `units` below 1.
    """

    def __init__(
        self,
        vocabulary_size: int,
        units: int,
        *,
        kernel_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if vocabulary_size < 1 or units < 1:
            raise ValueError(
                "vocabulary_size and units must be at least 1. "
                f"Received: vocabulary_size={vocabulary_size}, units={units}"
            )
        self.vocabulary_size = vocabulary_size
        self.units = units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        # The sum is computed in the precision of the kernel.
        self.autocast = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel and the bias."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.vocabulary_size, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, ids: Any) -> Any:
        """Return (batch, units)."""
        if keras.backend.backend() == "tensorflow":
            from tfconv.layers.tokens_tensorflow import summed_rows

            total = summed_rows(self.kernel.value, ids)
        else:
            rows = ops.take(self.kernel, ids, axis=0)
            total = ops.sum(rows * ops.expand_dims(ops.cast(ops.not_equal(ids, 0), rows.dtype), 2), axis=1)
        return ops.cast(total + self.bias, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, units)."""
        return (input_shape[0], self.units)
