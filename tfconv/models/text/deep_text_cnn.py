"""Deep text CNNs with large receptive fields: dilated convolutions, and a pyramid of residual blocks."""

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
    """Text CNN with dilated convolutions: embedding, convolutions, global max pooling and logits.

    With the default sizes the receptive field of the last convolution is 31 words.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of tokens used of each text, from its start; None: all.
        embedding_dim: Embedding dimension, the length of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_dropout: Fraction of the word vectors' values dropped in training.
        filters: Filters of each convolution.
        kernel_size: Kernel size of each convolution.
        dilations: Dilation rate of each convolution.
        padding: "same", or "causal" (no step depends on a later one).
        normalization: Normalisation after each convolution: "batch", "layer" or None.
        activation: Name of a Keras activation.
        convolution_dropout: Fraction of each convolution's channels dropped in training.
        dropout: Fraction of units dropped before the logits.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 token ids.
    Output shape: (batch, classes), float32 logits, which do not depend on the number of padded steps.

    Raises:
        ValueError: no dilations; an unknown padding or normalization.

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
    """Text CNN with a pyramid of residual blocks: embedding, convolution, blocks, global max pooling and logits.

    Max pooling (size 3, stride 2) before each block but the first halves the number of steps, so that all shortcuts are
    identities and all blocks together cost less than twice the first. Blocks are pre-activated: normalisation and
    activation come before each convolution.

    Args:
        vocabulary_size: Number of token ids, with id 0 for padding.
        classes: Number of logits: 1 for two classes, else one per class.
        length: Number of tokens used of each text, from its start; None: all.
        embedding_dim: Embedding dimension, the length of a word vector.
        embedding_trainable: Whether word vectors are trained.
        embedding_dropout: Fraction of the word vectors' values dropped in training.
        filters: Filters of each convolution.
        kernel_size: Kernel size of each convolution.
        blocks: Number of residual blocks, each of two convolutions.
        normalization: Normalisation before each activation: "batch", "layer" or None.
        activation: Name of a Keras activation.
        dropout: Fraction of units dropped before the logits.
        dtype: Keras dtype policy; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

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
