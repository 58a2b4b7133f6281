"""Layers for text and image classifiers: ordinary `keras.layers.Layer`s on channels-last tensors.

Layers over the steps of a text respect Keras masks: the values at masked steps never change those at real steps.
"""

from tfconv.layers.conv import ConvNormAct1D, ConvNormAct2D
from tfconv.layers.conv_max_pooling import ConvMaxPooling1D, EmbeddingConvMaxPooling1D
from tfconv.layers.dilated import DilatedConv1DStack
from tfconv.layers.initializers import Dirac
from tfconv.layers.ngrams import LogitBlend, NGramDense
from tfconv.layers.normalization import BatchNorm, GhostBatchNorm, ResponseNormalization
from tfconv.layers.one_hot_conv import OneHotConv1D
from tfconv.layers.pooling import (
    ConcatPooling2D,
    KMaxPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedMaxPooling1D,
)
from tfconv.layers.residual import ResidualBlock1D, ResidualBlock2D
from tfconv.layers.tokens import BagOfWordsDense, DistinctTokens, FixedLength, IdRange, OneHotTokens
from tfconv.layers.whitening import WhiteningConv2D

__all__ = [
    "BagOfWordsDense",
    "BatchNorm",
    "ConcatPooling2D",
    "ConvMaxPooling1D",
    "ConvNormAct1D",
    "ConvNormAct2D",
    "DilatedConv1DStack",
    "Dirac",
    "DistinctTokens",
    "EmbeddingConvMaxPooling1D",
    "FixedLength",
    "GhostBatchNorm",
    "IdRange",
    "KMaxPooling1D",
    "LogitBlend",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedMaxPooling1D",
    "NGramDense",
    "OneHotConv1D",
    "OneHotTokens",
    "ResidualBlock1D",
    "ResidualBlock2D",
    "ResponseNormalization",
    "WhiteningConv2D",
]
