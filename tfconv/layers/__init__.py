"""Layers of text and image classifiers: ordinary `keras.layers.Layer`s on channels-last tensors.

Layers over the steps of a text take Keras masks: what stands at a padded step never reaches a real one.
"""

from tfconv.layers.conv import ConvNormAct1D, ConvNormAct2D
from tfconv.layers.conv_max_pooling import ConvMaxPooling1D
from tfconv.layers.dilated import DilatedConv1DStack
from tfconv.layers.embedding_conv_max_pooling import EmbeddingConvMaxPooling1D
from tfconv.layers.normalization import ResponseNormalization
from tfconv.layers.pooling import (
    KMaxPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedMaxPooling1D,
)
from tfconv.layers.residual import ResidualBlock1D
from tfconv.layers.text import BagOfWordsDense, DistinctTokens, FixedLength, OneHotTokens

__all__ = [
    "BagOfWordsDense",
    "ConvMaxPooling1D",
    "ConvNormAct1D",
    "ConvNormAct2D",
    "DilatedConv1DStack",
    "DistinctTokens",
    "EmbeddingConvMaxPooling1D",
    "FixedLength",
    "KMaxPooling1D",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedMaxPooling1D",
    "OneHotTokens",
    "ResidualBlock1D",
    "ResponseNormalization",
]
