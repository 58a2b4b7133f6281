"""A text CNN that sees far at full resolution, by dilation."""

from collections.abc import Sequence

import keras

from tfconv.layers.configured import configured
from tfconv.layers.conv import ConvNormAct1D
from tfconv.layers.dilated import DilatedConv1DStack
from tfconv.layers.pooling import MaskedGlobalMaxPooling1D, MaskedMaxPooling1D
from tfconv.layers.residual import ResidualBlock1D
from tfconv.models.text.embedding import embedded_tokens

__all__ = ["DilatedTextCNN", "ResidualTextCNN"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class DilatedTextCNN(keras.Model):
    """Embedding, convolutions each wider apart than the one before, maximum over time, logits.

    With the default sizes each window of the last convolution sees 31 words.

    Args:
        vocabulary_size: Number of token ids; id 0 is padding.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` tokens of a text count; None: all of them.
        embedding_dim: Width of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_dropout: Share of the word vectors' numbers dropped in training.
        filters: Channels of every convolution.
        kernel_size: Steps in a window.
        dilations: Steps from one of a window's steps to the next, one number a convolution.
        padding: "same" or "causal" (windows end at their step).
        normalization: After each convolution: "batch", "layer" or None.
        activation: A Keras activation's name.
        convolution_dropout: Share of each convolution's channels dropped in training.
        dropout: Share of units dropped before the logits.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Raises:
        ValueError: no dilations; another padding or normalization.

    Reference: Strubell et al., "Fast and Accurate Entity Recognition with Iterated Dilated Convolutions", 2017; Bai,
        Kolter and Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
        Modeling", 2018 (the shortcuts and the dropout).
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
        filters: int = 100,
        kernel_size: int = 3,
        dilations: Sequence[int] = (1, 2, 4, 8),
        padding: str = "same",
        normalization: str | None = None,
        activation: str = "relu",
        convolution_dropout: float = 0.1,
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        policy = keras.dtype_policies.get(dtype)
        ids, x = embedded_tokens(
            vocabulary_size, embedding_dim, length=length, trainable=embedding_trainable, dtype=policy
        )
        x = keras.layers.Dropout(embedding_dropout, dtype=policy, name="embedding_dropout")(x)
        x = DilatedConv1DStack(
            filters,
            kernel_size,
            dilations=dilations,
            padding=padding,
            normalization=normalization,
            activation=activation,
            dropout=convolution_dropout,
            dtype=policy,
            name="convolutions",
        )(x)
        x = MaskedGlobalMaxPooling1D(dtype=policy, name="maximum")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class ResidualTextCNN(keras.Model):
    """Embedding, a region convolution, residual blocks that each see twice as far, maximum over time, logits.

    Each block after the first halves the text by max pooling (3 steps, stride 2), so that all shortcuts are
    identities and all blocks together cost less than twice the first. Blocks are pre-activated: every convolution
    follows its normalisation and activation.

    Args:
        vocabulary_size: Number of token ids; id 0 is padding.
        classes: Logits for each text; 1 for two classes.
        length: Only the first `length` tokens of a text count; None: all of them.
        embedding_dim: Width of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_dropout: Share of the word vectors' numbers dropped in training.
        filters: Channels of every convolution.
        kernel_size: Steps in a window of every convolution.
        blocks: Residual blocks, of two convolutions each.
        normalization: Before each activation: "batch", "layer" or None.
        activation: A Keras activation's name.
        dropout: Share of units dropped before the logits.
        dtype: Precision, a Keras dtype policy; default the global one. Logits are float32 under every policy.
        name: Of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Raises:
        ValueError: `blocks` below 1.

    Reference: Johnson and Zhang, "Deep Pyramid Convolutional Neural Networks for Text Categorization", 2017 (the
        pyramid); Conneau et al., "Very Deep Convolutional Networks for Text Classification", 2017 (normalisation).
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
        filters: int = 100,
        kernel_size: int = 3,
        blocks: int = 4,
        normalization: str | None = "batch",
        activation: str = "relu",
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        if blocks < 1:
            raise ValueError(f"blocks must be at least 1. Received: blocks={blocks}")
        # Graph
        policy = keras.dtype_policies.get(dtype)
        ids, x = embedded_tokens(
            vocabulary_size, embedding_dim, length=length, trainable=embedding_trainable, dtype=policy
        )
        x = keras.layers.Dropout(embedding_dropout, dtype=policy, name="embedding_dropout")(x)
        x = ConvNormAct1D(filters, kernel_size, normalization=None, activation=None, dtype=policy, name="region")(x)
        for i in range(1, blocks + 1):
            if i > 1:
                x = MaskedMaxPooling1D(3, strides=2, dtype=policy, name=f"pooling_{i}")(x)
            x = ResidualBlock1D(
                filters,
                kernel_size,
                normalization=normalization,
                activation=activation,
                order="norm-act-conv",
                dtype=policy,
                name=f"block_{i}",
            )(x)
        x = MaskedGlobalMaxPooling1D(dtype=policy, name="maximum")(x)
        x = keras.layers.Dropout(dropout, dtype=policy, name="dropout")(x)
        logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        super().__init__(ids, logits, name=name)
