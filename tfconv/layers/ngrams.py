"""A dense layer on n-grams, from their ids, and the sum of its logits and those of a network."""

from typing import Any

import keras
from keras import ops

from tfconv.layers.configured import configured

__all__ = ["LogitBlend", "NGramDense"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class NGramDense(keras.layers.Layer):
    """Dense layer on the presence of n-grams, each with a weight of its own, from the ids of those that a text has.

    y[b] = bias + c_b * sum over t with i = ids[b, t] != 0 of scale[i] kernel[i]

    with c_b = 1 / sqrt(sum over t of scale[ids[b, t]]^2) if `normalize`, else 1. Equal to a dense layer on the matrix
    (batch, buckets) of TF-IDF weights (of presence, not counts) where `scale` holds the inverse document frequencies.
    `scale` is not trained; it is 1 until it is assigned. The kernel's gradient holds only the rows that the batch has,
    so that a step with `tfconv.training.LazyAdam` does not depend on the number of buckets.

    Args:
        buckets: Number of ids, with id 0 for padding.
        units: Number of outputs.
        normalize: Whether a text's weights are divided by their Euclidean norm.
        kernel_initializer: Initializer of the kernel, (buckets, units).
        kernel_regularizer: Keras regularizer, or None.
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, steps), integers, distinct in each row; 0 is padding.
    Output shape: (batch, units). The sum is computed in the precision of the kernel.

    Raises:
        ValueError: `buckets` or `units` below 1.

    Reference: Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", 2012, for
        the presence of n-grams, with their log-count ratios as `scale`.
    """

    def __init__(
        self,
        buckets: int,
        units: int,
        *,
        normalize: bool = True,
        kernel_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if buckets < 1 or units < 1:
            raise ValueError(f"buckets and units must be at least 1. Received: buckets={buckets}, units={units}")
        self.buckets = buckets
        self.units = units
        self.normalize = normalize
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.autocast = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the kernel, the bias and the scale."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.buckets, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            autocast=False,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros", autocast=False)
        self.scale = self.add_weight(
            name="scale", shape=(self.buckets,), initializer="ones", trainable=False, autocast=False
        )

    def call(self, ids: Any) -> Any:
        """Return (batch, units)."""
        rows = ops.take(self.kernel, ids, axis=0)  # (batch, steps, units)
        scale = ops.take(self.scale, ids, axis=0) * ops.cast(ops.not_equal(ids, 0), self.variable_dtype)
        if self.normalize:
            squares = ops.sum(ops.square(scale), axis=1, keepdims=True)
            scale *= ops.rsqrt(ops.where(squares > 0, squares, ops.ones_like(squares)))
        total = ops.squeeze(ops.matmul(ops.expand_dims(scale, 1), rows), 1)
        return ops.cast(total + self.bias, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, units)."""
        return (input_shape[0], self.units)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class LogitBlend(keras.layers.Layer):
    """Weighted sum of the logits of several classifiers, of which the last is trained alone.

    y[b] = sum over i of factors[i] x[b, i] in inference; y[b] = x[b, -1] in training

    So the last classifier learns by a loss of its own, as if it were alone, while the others are solved or were trained
    before. `factors` is not trained: it is chosen on held-out examples (`tfconv.training.choose_blend`) and is 1 until
    it is assigned.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`: name, dtype, trainable.

    Input shape: (batch, classifiers, classes).
    Output shape: (batch, classes).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Return None: logits are not steps."""
        return None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the factors."""
        self.factors = self.add_weight(name="factors", shape=(input_shape[1],), initializer="ones", trainable=False)

    def call(self, logits: Any, training: bool | None = None) -> Any:
        """Return (batch, classes)."""
        if training:
            return logits[:, -1]
        return ops.squeeze(ops.matmul(ops.reshape(self.factors, (1, 1, -1)), logits), 1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, classes)."""
        return (input_shape[0], input_shape[2])


def ngram_layer(model: Any) -> NGramDense:
    """The `NGramDense` of a model, or that layer itself.

    Raises:
        ValueError: there is none.
    """
    for layer in [model, *getattr(model, "layers", ())]:
        if isinstance(layer, NGramDense):
            return layer
    raise ValueError(f"{model.name} has no NGramDense layer")
