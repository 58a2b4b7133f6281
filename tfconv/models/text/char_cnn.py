"""Convolutions over the characters of a text."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct1D
from tfconv.layers.pooling import MaskedGlobalMaxPooling1D, MaskedMaxPooling1D
from tfconv.layers.residual import anew
from tfconv.layers.tokens import FixedLength, OneHotTokens

__all__ = ["CharCNN", "zhang_char_cnn"]


def zhang_char_cnn(**overrides: Any) -> "CharCNN":
    """Return the smaller `CharCNN` of Zhang et al. (2015), tables 1 and 2.

    70 characters (ids 3 to 72) as one-hot vectors, the first 1014 of a text, six convolutions of 256 filters, two
    hidden layers of 1024, dropout 0.5 after each; weights drawn from N(0, 0.05). The paper reads a text from its end to
    its start; here it is read as it stands. The paper trains with momentum 0.9 on batches of 128, step 0.01, halved
    every 3 epochs 10 times.

    Args:
        **overrides: `CharCNN` arguments to set otherwise.

    Reference: Zhang, Zhao and LeCun, "Character-level Convolutional Networks for Text Classification", 2015, section 2.
    """
    settings: dict[str, Any] = {
        "vocabulary_size": 73,
        "length": 1014,
        "embedding_dim": None,
        "filters": 256,
        "kernel_sizes": (7, 7, 3, 3, 3, 3),
        "pool_sizes": (3, 3, 1, 1, 1, 3),
        "normalization": None,
        "flatten": True,
        "hidden_units": (1024, 1024),
        "dropout": 0.5,
        "kernel_initializer": {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.05}},
    }
    return CharCNN(**{**settings, **overrides})


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class CharCNN(keras.Model):
    """Character vectors, convolutions with max pooling between them, maximum over time, hidden layers, logits.

    The default size is meant for a CPU: 123 characters seen by each window of the last convolution, at 1/27 of the
    text's resolution. `flatten=True` is the published top: convolutions without zeros around the text, whose every
    position has weights of its own in the first hidden layer, which needs texts of one length.

    Args:
        vocabulary_size: Number of token ids: 0 padding, 1 start, 2 unknown, then the characters.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` characters of a text count; None: all of them, not with `flatten`.
        embedding_dim: Width of a character's vector; None: one-hot vectors, zero for ids 0, 1 and 2.
        embedding_trainable: Whether character vectors are trained.
        filters: Channels of each convolution.
        kernel_sizes: Steps in a window, one number a convolution.
        pool_sizes: Steps that are pooled into one after each convolution; 1: none.
        normalization: Before each activation: "batch", "layer" or None.
        activation: Of convolutions and hidden layers.
        flatten: Whether all positions go to the hidden layers, instead of each channel's maximum.
        hidden_units: Units of each hidden layer.
        dropout: Share of units dropped after each hidden layer.
        kernel_initializer: Of all kernels: a Keras initializer's name or serialized form.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, steps), int32 ids of characters.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Raises:
        ValueError: `kernel_sizes` and `pool_sizes` of different lengths; `flatten` without `length`.

    Reference: Zhang, Zhao and LeCun, "Character-level Convolutional Networks for Text Classification", 2015.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        classes: int = 1,
        length: int | None = None,
        embedding_dim: int | None = 16,
        embedding_trainable: bool = True,
        filters: int = 64,
        kernel_sizes: Sequence[int] = (7, 7, 3, 3),
        pool_sizes: Sequence[int] = (3, 3, 3, 1),
        normalization: str | None = "batch",
        activation: str = "relu",
        flatten: bool = False,
        hidden_units: Sequence[int] = (128,),
        dropout: float = 0.5,
        kernel_initializer: str | dict[str, Any] = "glorot_uniform",
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if not kernel_sizes or len(kernel_sizes) != len(pool_sizes):
            raise ValueError(
                "kernel_sizes and pool_sizes must have one number for each convolution. "
                f"Received: kernel_sizes={kernel_sizes}, pool_sizes={pool_sizes}"
            )
        if flatten and length is None:
            raise ValueError("flatten=True needs texts of one length. Received: length=None")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        initializer = keras.initializers.get(kernel_initializer)
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = ids if length is None else FixedLength(length, pad=flatten, dtype=policy, name="first_tokens")(ids)
        if embedding_dim is None:
            x = OneHotTokens(vocabulary_size, mask_zero=not flatten, dtype=policy, name="one_hot")(x)
        else:
            x = keras.layers.Embedding(
                vocabulary_size,
                embedding_dim,
                mask_zero=not flatten,
                trainable=embedding_trainable,
                dtype=policy,
                name="embedding",
            )(x)
        for i, (kernel_size, pool_size) in enumerate(zip(kernel_sizes, pool_sizes, strict=True), 1):
            x = ConvNormAct1D(
                filters,
                kernel_size,
                padding="valid" if flatten else "same",
                normalization=normalization,
                activation=activation,
                kernel_initializer=anew(initializer),
                dtype=policy,
                name=f"convolution_{i}",
            )(x)
            if pool_size > 1:
                x = MaskedMaxPooling1D(pool_size, dtype=policy, name=f"pooling_{i}")(x)
        if flatten:
            x = keras.layers.Flatten(dtype=policy, name="positions")(x)
        else:
            x = MaskedGlobalMaxPooling1D(dtype=policy, name="maximum")(x)
        for i, units in enumerate(hidden_units, 1):
            x = keras.layers.Dense(
                units, activation=activation, kernel_initializer=anew(initializer), dtype=policy, name=f"hidden_{i}"
            )(x)
            x = keras.layers.Dropout(dropout, dtype=policy, name=f"dropout_{i}")(x)
        logits = keras.layers.Dense(classes, kernel_initializer=anew(initializer), dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)
