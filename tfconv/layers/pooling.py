"""Pooling over the real steps of a text, and over the pixels of an image."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured

__all__ = [
    "ConcatPooling2D",
    "KMaxPooling1D",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedMaxPooling1D",
]


def lowest(dtype: str) -> float:
    """Return a finite number no larger than any activation of this dtype, for the masked steps."""
    return -65504.0 if dtype == "float16" else -3.0e38


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MaskedGlobalAveragePooling1D(keras.layers.Layer):
    """Global average or sum pooling over the real steps of a text; 0 for a text without any.

    y[b, c] = sum_t mask[b, t] x[b, t, c] / sum_t mask[b, t], without the division for `mode="sum"`

    The sum is computed in float32 also under a 16-bit policy, which would lose its last digits over a long text.
    `keras.layers.GlobalAveragePooling1D` respects masks too, but gives NaN for a text of padding only.

    Args:
        mode: "mean" or "sum".
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels).
    Output shape: (batch, channels).

    Raises:
        ValueError: an unknown mode.
    """

    def __init__(self, *, mode: str = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in ("mean", "sum"):
            raise ValueError(f"mode must be 'mean' or 'sum'. Received: mode={mode!r}")
        self.mode = mode
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return (batch, channels); `mask` is bool (batch, steps), False at padded steps."""
        x = ops.cast(inputs, "float32") if self.compute_dtype in ("float16", "bfloat16") else inputs
        if mask is None:
            pooled = ops.mean(x, axis=1) if self.mode == "mean" else ops.sum(x, axis=1)
            return ops.cast(pooled, self.compute_dtype)
        weights = ops.expand_dims(ops.cast(mask, x.dtype), 2)
        pooled = ops.sum(x * weights, axis=1)
        if self.mode == "mean":
            pooled = pooled / ops.maximum(ops.sum(weights, axis=1), 1.0)
        return ops.cast(pooled, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, channels)."""
        return (input_shape[0], input_shape[2])

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: no steps are left to mask."""
        return None


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MaskedGlobalMaxPooling1D(keras.layers.Layer):
    """Global max pooling over the real steps of a text; 0 for a text without any.

    y[b, c] = max over t with mask[b, t] of x[b, t, c]

    `keras.layers.GlobalMaxPooling1D` includes the masked steps.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels).
    Output shape: (batch, channels).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return (batch, channels); `mask` is bool (batch, steps), False at padded steps."""
        if mask is None:
            return ops.max(inputs, axis=1)
        zero = ops.zeros((), inputs.dtype)
        largest = ops.max(ops.where(ops.expand_dims(mask, 2), inputs, zero + lowest(self.compute_dtype)), axis=1)
        return ops.where(ops.expand_dims(ops.any(mask, axis=1), 1), largest, zero)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, channels)."""
        return (input_shape[0], input_shape[2])

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: no steps are left to mask."""
        return None


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MaskedMaxPooling1D(keras.layers.Layer):
    """Max pooling over windows of the real steps of a text.

    y[b, t, c] = max over real steps s, strides t <= s < strides t + pool_size, of x[b, s, c]

    A window starts at every `strides`-th step and ends with the text at the latest, so that a text of n steps has
    ceil(n / strides) windows, regardless of its padding. Windows without a real step are masked, with value 0. Equal to
    `keras.layers.MaxPooling1D(pool_size, strides, "valid")` where whole windows cover the text.

    Args:
        pool_size: Steps in a window.
        strides: Steps from one window to the next; None: `pool_size`.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels).
    Output shape: (batch, ceil(steps / strides), channels).

    Raises:
        ValueError: `pool_size` or `strides` below 1.
    """

    def __init__(self, pool_size: int, *, strides: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if pool_size < 1 or (strides is not None and strides < 1):
            raise ValueError(
                f"pool_size and strides must be at least 1. Received: pool_size={pool_size}, strides={strides}"
            )
        self.pool_size = pool_size
        self.strides = strides
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return (batch, ceil(steps / strides), channels); `mask` is bool (batch, steps), False at padded steps."""
        low, zero = lowest(self.compute_dtype), ops.zeros((), inputs.dtype)
        x = inputs if mask is None else ops.where(ops.expand_dims(mask, 2), inputs, zero + low)
        x = ops.pad(x, ((0, 0), (0, self.pool_size - 1), (0, 0)), constant_values=low)
        pooled = ops.max_pool(x, self.pool_size, self.strides or self.pool_size, data_format="channels_last")
        if mask is None:
            return pooled
        return ops.where(ops.expand_dims(self.compute_mask(inputs, mask), 2), pooled, zero)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which windows contain a real step, bool (batch, ceil(steps / strides))."""
        if mask is None:
            return None
        real = ops.expand_dims(ops.pad(ops.cast(mask, "float32"), ((0, 0), (0, self.pool_size - 1))), 2)
        strides = self.strides or self.pool_size
        return ops.max_pool(real, self.pool_size, strides, data_format="channels_last")[:, :, 0] > 0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, ceil(steps / strides), channels)."""
        batch, steps, channels = input_shape
        return (batch, None if steps is None else -(-steps // (self.strides or self.pool_size)), channels)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class KMaxPooling1D(keras.layers.Layer):
    """The k largest values of each channel, in their order in the text.

    y[b, :, c] = the subsequence of x[b, :, c] of its k largest values

    A text of fewer than k real steps gives all of them, followed by zeros, which are masked if the input has a mask.
    The gradient is exact: only the values that were kept have one.

    Args:
        k: Number of values to keep per channel.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps, channels).
    Output shape: (batch, k, channels).

    Raises:
        ValueError: k below 1.

    Reference: Kalchbrenner, Grefenstette and Blunsom, "A Convolutional Neural Network for Modelling Sentences", 2014,
        section 3.2.
    """

    def __init__(self, k: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if k < 1:
            raise ValueError(f"k must be at least 1. Received: k={k}")
        self.k = k
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Return (batch, k, channels); `mask` is bool (batch, steps), False at padded steps."""
        zero = ops.zeros((), inputs.dtype)
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], "bool")
        mask = ops.pad(mask, ((0, 0), (0, self.k)), constant_values=False)[:, None, :]
        x = ops.transpose(ops.pad(inputs, ((0, 0), (0, self.k), (0, 0))), (0, 2, 1))
        x, score = ops.where(mask, x, zero), ops.where(mask, x, zero + lowest(self.compute_dtype))
        steps = ops.top_k(score, self.k)[1]
        # Masked steps, taken where real ones are too few, go behind the real steps.
        length = ops.cast(ops.shape(x)[2], steps.dtype)
        taken = ops.take_along_axis(ops.broadcast_to(mask, ops.shape(x)), steps, axis=2)
        order = ops.argsort(ops.where(taken, steps, steps + length), axis=2)
        kept = ops.take_along_axis(x, ops.take_along_axis(steps, order, axis=2), axis=2)
        return ops.transpose(kept, (0, 2, 1))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Return which of the k steps are real, bool (batch, k); None without a mask."""
        if mask is None:
            return None
        return ops.less(ops.arange(self.k)[None, :], ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, k, channels)."""
        return (input_shape[0], self.k, input_shape[2])


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ConcatPooling2D(keras.layers.Layer):
    """Global average pooling and global max pooling of an image, concatenated.

    y[b] = [mean over h, w of x[b, h, w], max over h, w of x[b, h, w]]

    Args:
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, height, width, channels).
    Output shape: (batch, 2 channels), the means first.

    Reference: Howard and Gugger, "fastai: A Layered API for Deep Learning", 2020 (AdaptiveConcatPool2d).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def call(self, inputs: Any) -> Any:
        """Return (batch, 2 channels)."""
        return ops.concatenate([ops.mean(inputs, axis=(1, 2)), ops.max(inputs, axis=(1, 2))], axis=-1)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[int | None, ...]:
        """Return (batch, 2 channels)."""
        return (input_shape[0], 2 * input_shape[-1])
