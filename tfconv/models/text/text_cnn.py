"""Text CNNs with one convolution layer, of one or of several window widths."""

from collections.abc import Sequence
from typing import Any

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv_max_pooling import ConvMaxPooling1D, EmbeddingConvMaxPooling1D
from tfconv.models.text.embedding import embedded_tokens, token_input

__all__ = ["MultiWidthTextCNN", "TextCNN", "kim_cnn", "text_cnn_imdb"]


def text_cnn_imdb(**overrides: Any) -> "TextCNN":
    """Return the `TextCNN` of the IMDB workflow.

    A vocabulary of 5000, the first 200 tokens of a review, 32 filters of kernel size 3.

    Args:
        **overrides: `TextCNN` arguments that replace these.
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


def kim_cnn(**overrides: Any) -> "MultiWidthTextCNN":
    """Return the `MultiWidthTextCNN` of Kim (2014), section 3.1.

    100 filters of each of the kernel sizes 3, 4 and 5; embedding dimension 300, initialised from U[-0.25, 0.25];
    dropout 0.5 before the logits, whose weight vectors have a norm of at most 3. The paper trains with Adadelta and
    batch size 50.

    Args:
        **overrides: `MultiWidthTextCNN` arguments that replace these; `vocabulary_size` must be given.

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
class TextCNN(keras.Model):
    """Text CNN with one window width: embedding, convolution, global max pooling, one hidden layer and logits.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of tokens used of each text, from its start; None: all.
        embedding_dim: Embedding dimension, the length of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_dropout: Fraction of the word vectors' values dropped in training.
        filters: Number of filters of the convolution.
        kernel_size: Tokens in a window.
        padding: "same" or "valid", see `ConvMaxPooling1D`.
        activation: Activation of the convolution and the hidden layer: a non-decreasing one of Keras.
        hidden_units: Units of the hidden layer; None: no such layer.
        dropout: Fraction of units dropped before the logits.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

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


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class MultiWidthTextCNN(keras.Model):
    """Text CNN with several window widths: embedding, parallel convolutions, global max pooling and logits.

    Without `embedding_dropout`, embedding, convolutions and pooling are one layer, "embedding", which trains several
    times faster: see `EmbeddingConvMaxPooling1D`.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of tokens used of each text, from its start; None: all.
        embedding_dim: Embedding dimension, the length of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_initializer: Initializer of the word vectors: a Keras initializer's name or serialized form.
        embedding_dropout: Fraction of the word vectors' values dropped in training.
        kernel_sizes: Tokens in a window of each convolution.
        filters: Number of filters of each convolution.
        padding: "same" or "valid", see `ConvMaxPooling1D`.
        activation: Activation of the convolutions and the hidden layer: a non-decreasing one of Keras.
        hidden_units: Units of the hidden layer before the logits; None: no such layer.
        dropout: Fraction of units dropped before the logits.
        max_norm: Largest norm of each class's weight vector in the logits layer; None: no limit.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Raises:
        ValueError: `kernel_sizes` is empty or has duplicates.

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
        else:  # without dropout on single positions, the kernels are applied once per distinct word
            ids, x = token_input(length, policy)
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
