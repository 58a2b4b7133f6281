"""Bag-of-words text classifiers, which ignore the order of words."""

import keras

from tfconv.layers.configured import configured
from tfconv.layers.pooling import MaskedGlobalAveragePooling1D
from tfconv.layers.tokens import BagOfWordsDense, DistinctTokens
from tfconv.models.text.embedding import embedded_tokens, token_input

__all__ = ["BagOfWordsLinear", "BagOfWordsMLP"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BagOfWordsLinear(keras.Model):
    """Linear classifier on word counts or on the presence of words.

    logits = bias + sum over the distinct words w of n_w kernel[w], n_w being the count of w in the text, or 1 in mode
    "binary"

    The `kernel` of the layer "logits", (vocabulary_size, classes), holds the weight of each word for each class.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of tokens used of each text, from its start; None: all.
        mode: "count", or "binary" for the presence of words.
        dtype: Keras dtype policy; None: the global one. The sum and the logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: an unknown mode.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        classes: int = 1,
        length: int | None = None,
        mode: str = "count",
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if mode not in ("count", "binary"):
            raise ValueError(f"mode must be 'count' or 'binary'. Received: mode={mode!r}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        ids, x = token_input(length, policy)
        if mode == "binary":
            x = DistinctTokens(dtype=policy, name="distinct_tokens")(x)
        logits = BagOfWordsDense(vocabulary_size, classes, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BagOfWordsMLP(keras.Model):
    """Mean of a text's word vectors, one hidden layer and logits.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of tokens used of each text, from its start; None: all.
        embedding_dim: Embedding dimension, the length of a word vector.
        embedding_trainable: Whether word vectors are trained.
        hidden_units: Units of the hidden layer.
        activation: Activation of the hidden layer.
        dropout: Fraction of units dropped before the logits.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Reference: Iyyer et al., "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", 2015, with
        one hidden layer.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        classes: int = 1,
        length: int | None = None,
        embedding_dim: int = 50,
        embedding_trainable: bool = True,
        hidden_units: int = 100,
        activation: str = "relu",
        dropout: float = 0.0,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        policy = keras.dtype_policies.get(dtype)
        ids, x = embedded_tokens(
            vocabulary_size, embedding_dim, length=length, trainable=embedding_trainable, dtype=policy
        )
        x = MaskedGlobalAveragePooling1D(dtype=policy, name="mean")(x)
        x = keras.layers.Dense(hidden_units, activation=activation, dtype=policy, name="hidden")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)
