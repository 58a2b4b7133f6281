"""Text CNN of one convolution layer and one window width."""

from typing import Any

import keras

from tfconv.layers.conv_max_pooling import ConvMaxPooling1D
from tfconv.models.word_vectors import embedded_tokens

__all__ = ["TextCNN", "text_cnn_imdb"]


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

        # Config
        self.dtype_policy = policy
        self.vocabulary_size = vocabulary_size
        self.classes = classes
        self.length = length
        self.embedding_dim = embedding_dim
        self.embedding_trainable = embedding_trainable
        self.embedding_dropout = embedding_dropout
        self.filters = filters
        self.kernel_size = kernel_size
        self.padding = padding
        self.activation = activation
        self.hidden_units = hidden_units
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "vocabulary_size": self.vocabulary_size,
            "classes": self.classes,
            "length": self.length,
            "embedding_dim": self.embedding_dim,
            "embedding_trainable": self.embedding_trainable,
            "embedding_dropout": self.embedding_dropout,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "padding": self.padding,
            "activation": self.activation,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }
