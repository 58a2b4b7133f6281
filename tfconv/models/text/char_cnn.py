"""Character-level CNN for texts."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct1D
from tfconv.layers.initializers import cloned
from tfconv.layers.pooling import MaskedGlobalMaxPooling1D, MaskedMaxPooling1D
from tfconv.layers.tokens import SPECIAL_TOKENS, OneHotTokens
from tfconv.models.text.embedding import token_input

__all__ = ["CharCNN", "zhang_char_cnn"]


def zhang_char_cnn(**overrides: Any) -> "CharCNN":
    """Return the smaller `CharCNN` of Zhang et al. (2015), tables 1 and 2.

    One-hot vectors of 70 characters (ids 3 to 72), the first 1014 characters of a text, six convolutions of 256
    filters, two hidden layers of 1024 units with dropout 0.5, weights drawn from N(0, 0.05). The paper reverses each
    text, which is not done here. It trains with momentum 0.9, batch size 128 and learning rate 0.01, halved 10 times,
    every 3 epochs.

    Args:
        **overrides: `CharCNN` arguments that replace these.

    Reference: Zhang, Zhao and LeCun, "Character-level Convolutional Networks for Text Classification", 2015, section 2.
    """
    settings: dict[str, Any] = {
        "vocabulary_size": SPECIAL_TOKENS + 70,
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
    """Character-level CNN: character vectors, convolutions with max pooling, global max pooling, hidden layers, logits.

    The default size is made for a CPU: the receptive field of the last convolution is 123 characters, its resolution
    1/27 of the text's. `flatten=True` gives the published head: convolutions are not padded, and the first hidden layer
    has weights for each position, so that all texts are padded to one length.

    Args:
        vocabulary_size: Number of token ids: 0 for padding, 1 for start, 2 for unknown, then the characters.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of characters used of each text, from its start; None: all, not possible with `flatten`.
        embedding_dim: Embedding dimension; None: one-hot vectors, with zeros for ids 0, 1 and 2.
        embedding_trainable: Whether character vectors are trained.
        filters: Filters of each convolution.
        kernel_sizes: Kernel size of each convolution.
        pool_sizes: Size of the max pooling after each convolution; 1: none.
        normalization: Normalisation before each activation: "batch", "layer" or None.
        activation: Activation of convolutions and hidden layers.
        flatten: Whether the hidden layers take all positions in place of each channel's maximum.
        hidden_units: Units of each hidden layer.
        dropout: Fraction of units dropped after each hidden layer.
        kernel_initializer: Initializer of all kernels: a Keras initializer's name or serialized form.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 character ids.
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
        ids, x = token_input(length, policy, pad=flatten)
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
                kernel_initializer=cloned(initializer),
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
                units, activation=activation, kernel_initializer=cloned(initializer), dtype=policy, name=f"hidden_{i}"
            )(x)
            x = keras.layers.Dropout(dropout, dtype=policy, name=f"dropout_{i}")(x)
        logits = keras.layers.Dense(classes, kernel_initializer=cloned(initializer), dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)
