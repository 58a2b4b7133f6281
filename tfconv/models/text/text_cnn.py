"""Text CNN of one convolution layer and one window width."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv_max_pooling import ConvMaxPooling1D, EmbeddingConvMaxPooling1D
from tfconv.models.text.embedding import embedded_tokens, first_tokens

__all__ = ["MultiWidthTextCNN", "TextCNN", "kim_cnn", "text_cnn_imdb"]


def text_cnn_imdb(**overrides: Any) -> "TextCNN":
    """Return the `TextCNN` of the IMDB workflow: 5000 words, the first 200 of a review, 32 windows of 3 words.

    Args:
        **overrides: `TextCNN` arguments to set otherwise.
    """
    settings: dict[str, Any] = {
        "vocabulary_size": 5000,
        "classes": 1,
        "length": 200,
        "embedding_dim": 50,
        "embedding_dropout": 0.2,
        "filters": 32,
        "kernel_size": 3,
        "padding": "same",
        "hidden_units": 250,
        "dropout": 0.2,
    }
    return TextCNN(**{**settings, **overrides})


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class TextCNN(keras.Model):
    """Embedding, one convolution, maximum over time, one hidden layer, logits.

    Args:
        vocabulary_size: Number of token ids; id 0 is padding.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` tokens of a text count; None: all of them.
        embedding_dim: Width of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_dropout: Share of the word vectors' numbers dropped in training.
        filters: Number of windows that are learned.
        kernel_size: Tokens in a window.
        padding: "same" or "valid", see `ConvMaxPooling1D`.
        activation: Of the convolution and the hidden layer; one of Keras' non-decreasing ones.
        hidden_units: Units of the hidden layer; None: no such layer.
        dropout: Share of units dropped before the logits.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Reference: Kim, "Convolutional Neural Networks for Sentence Classification", 2014, with one window width.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        classes: int = 1,
        length: int | None = None,
        embedding_dim: int = 100,
        embedding_trainable: bool = True,
        embedding_dropout: float = 0.2,
        filters: int = 250,
        kernel_size: int = 3,
        padding: str = "same",
        activation: str = "relu",
        hidden_units: int | None = 250,
        dropout: float = 0.2,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        policy = keras.dtype_policies.get(dtype)
        ids, x = embedded_tokens(
            vocabulary_size, embedding_dim, length=length, trainable=embedding_trainable, dtype=policy
        )
        x = keras.layers.Dropout(embedding_dropout, dtype=policy, name="embedding_dropout")(x)
        x = ConvMaxPooling1D(
            filters, kernel_size, padding=padding, activation=activation, dtype=policy, name="convolution"
        )(x)
        if hidden_units is not None:
            x = keras.layers.Dense(hidden_units, activation=activation, dtype=policy, name="hidden")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)


def kim_cnn(**overrides: Any) -> "MultiWidthTextCNN":
    """Return the `MultiWidthTextCNN` of Kim (2014), section 3.1: windows of 3, 4 and 5 words, 100 filters each.

    Word vectors of 300, drawn from U[-0.25, 0.25] until pretrained ones are loaded; dropout 0.5 before the output,
    whose weight vectors keep a norm of at most 3. The paper trains with Adadelta on batches of 50.

    Args:
        **overrides: `MultiWidthTextCNN` arguments to set otherwise; `vocabulary_size` must be given.

    Reference: Kim, "Convolutional Neural Networks for Sentence Classification", 2014.
    """
    settings: dict[str, Any] = {
        "embedding_dim": 300,
        "embedding_initializer": {"class_name": "RandomUniform", "config": {"minval": -0.25, "maxval": 0.25}},
        "embedding_dropout": 0.0,
        "kernel_sizes": (3, 4, 5),
        "filters": 100,
        "padding": "same",
        "hidden_units": None,
        "dropout": 0.5,
        "max_norm": 3.0,
    }
    return MultiWidthTextCNN(**{**settings, **overrides})


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MultiWidthTextCNN(keras.Model):
    """Embedding, convolutions of several window widths side by side, the maximum of each over time, logits.

    Without `embedding_dropout` the three are one layer, "embedding", several times faster to train: see
    `EmbeddingConvMaxPooling1D`.

    Args:
        vocabulary_size: Number of token ids; id 0 is padding.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` tokens of a text count; None: all of them.
        embedding_dim: Width of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_initializer: Of the word vectors: a Keras initializer's name or serialized form.
        embedding_dropout: Share of the word vectors' numbers dropped in training.
        kernel_sizes: Tokens in a window, one number a convolution.
        filters: Number of windows that are learned, for each width.
        padding: "same" or "valid", see `ConvMaxPooling1D`.
        activation: Of the convolutions and the hidden layer; one of Keras' non-decreasing ones.
        hidden_units: Units of a layer between the maxima and the logits; None: no such layer.
        dropout: Share of units dropped before the logits.
        max_norm: Largest norm of a class' weight vector in the logits layer; None: no limit.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Raises:
        ValueError: no kernel sizes, or one of them twice.

    Reference: Kim, "Convolutional Neural Networks for Sentence Classification", 2014.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        classes: int = 1,
        length: int | None = None,
        embedding_dim: int = 300,
        embedding_trainable: bool = True,
        embedding_initializer: str | dict[str, Any] = "uniform",
        embedding_dropout: float = 0.0,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        padding: str = "same",
        activation: str = "relu",
        hidden_units: int | None = None,
        dropout: float = 0.5,
        max_norm: float | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if not kernel_sizes or len(set(kernel_sizes)) != len(kernel_sizes):
            raise ValueError(f"kernel_sizes must be one or more different numbers. Received: {kernel_sizes}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        if embedding_dropout:
            ids, x = embedded_tokens(
                vocabulary_size,
                embedding_dim,
                length=length,
                trainable=embedding_trainable,
                initializer=embedding_initializer,
                dtype=policy,
            )
            x = keras.layers.Dropout(embedding_dropout, dtype=policy, name="embedding_dropout")(x)
            maxima = [
                ConvMaxPooling1D(
                    filters, size, padding=padding, activation=activation, dtype=policy, name=f"convolution_{size}"
                )(x)
                for size in kernel_sizes
            ]
            x = keras.layers.Concatenate(dtype=policy, name="maxima")(maxima) if len(maxima) > 1 else maxima[0]
        else:  # without noise on single places, every distinct word meets the kernels only once
            ids, x = first_tokens(length, policy)
            x = EmbeddingConvMaxPooling1D(
                vocabulary_size,
                embedding_dim,
                filters,
                kernel_sizes,
                padding=padding,
                activation=activation,
                embeddings_trainable=embedding_trainable,
                embeddings_initializer=embedding_initializer,
                dtype=policy,
                name="embedding",
            )(x)
        if hidden_units is not None:
            x = keras.layers.Dense(hidden_units, activation=activation, dtype=policy, name="hidden")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        constraint = None if max_norm is None else keras.constraints.MaxNorm(max_norm)
        logits = keras.layers.Dense(classes, kernel_constraint=constraint, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)
