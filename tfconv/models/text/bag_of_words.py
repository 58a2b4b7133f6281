"""Classifiers that look at which words a text holds, not at their order."""

import keras

from tfconv.layers.configured import configured
from tfconv.layers.pooling import MaskedGlobalAveragePooling1D
from tfconv.layers.tokens import BagOfWordsDense, DistinctTokens, FixedLength
from tfconv.models.text.embedding import embedded_tokens

__all__ = ["BagOfWordsLinear", "BagOfWordsMLP"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BagOfWordsLinear(keras.Model):
    """A linear classifier on word counts, or on the presence of words.

    logits = bias + sum over the words w of n_w kernel[w], n_w being how often w stands in the text, or 1 for "binary"

    The layer "logits" has the weight of each word in each class: `kernel`, (vocabulary_size, classes).

    Args:
        vocabulary_size: Number of token ids; id 0 is padding.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` tokens of a text count; None: all of them.
        mode: "count" or "binary".
        dtype: Precision, a Keras dtype policy; default the global one. The sum and logits are float32 under every
            policy.
        name: Of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits.

    Raises:
        ValueError: another mode.
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
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = ids if length is None else FixedLength(length, pad=False, dtype=policy, name="first_tokens")(ids)
        if mode == "binary":
            x = DistinctTokens(dtype=policy, name="distinct_tokens")(x)
        logits = BagOfWordsDense(vocabulary_size, classes, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class BagOfWordsMLP(keras.Model):
    """The mean of the word vectors of a text, one hidden layer, logits.

    Args:
        vocabulary_size: Number of token ids; id 0 is padding.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` tokens of a text count; None: all of them.
        embedding_dim: Width of a word vector.
        embedding_trainable: Whether word vectors are trained.
        hidden_units: Units of the hidden layer.
        activation: Of the hidden layer.
        dropout: Share of units dropped before the logits.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

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
