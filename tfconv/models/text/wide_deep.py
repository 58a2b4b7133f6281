"""A linear model on n-grams and a convolution over one-hot words, as one text classifier."""

from collections.abc import Sequence

import keras

from tfconv.layers.configured import configured
from tfconv.layers.ngrams import LogitBlend, NGramDense
from tfconv.layers.normalization import ResponseNormalization
from tfconv.layers.one_hot_conv import OneHotConv1D
from tfconv.layers.tokens import IdRange

__all__ = ["WideDeepTextCNN"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class WideDeepTextCNN(keras.Model):
    """Linear classifier on n-grams and a convolution over one-hot words, whose logits are added.

    logits = factors[0] wide(n-grams) + factors[1] deep(words)

    An n-gram is evidence after one sight, a filter sees what unlike phrases have in common: where one is wrong the
    other often is not. The wide part, the layer "ngrams", is solved (`tfconv.training.solve_ngrams`) and not trained.
    The deep part has, for each region size, a convolution over one-hot words with max pooling and response
    normalization, then dropout and the layer "logits"; it is trained as if it were alone. The factors, of the layer
    "blend", are chosen on held-out texts (`tfconv.training.choose_blend`).

    Args:
        vocabulary_size: Number of ids of words, special ones included.
        buckets: Number of ids of n-grams, with one for padding, as in `tfconv.data.NGrams`.
        classes: Number of logits: 1 for two classes, else one per class.
        filters: Filters of each region size.
        kernel_sizes: Region sizes in words.
        dropout: Fraction of the pooled values dropped in training.
        dtype: Keras dtype policy of the convolutions; None: the global one. Logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 ids: those of a text's words in order, then those of its n-grams, higher by
        `vocabulary_size` - 1, as `tfconv.data.TextPreprocess` gives them with a vocabulary and n-grams; 0 is padding.
    Output shape: (batch, classes), float32 logits; in training those of the deep part.

    Reference: Johnson and Zhang, "Effective Use of Word Order for Text Categorization with Convolutional Neural
        Networks", 2015, "seq2-bown-CNN"; Cheng et al., "Wide & Deep Learning for Recommender Systems", 2016.
    """

    def __init__(
        self,
        vocabulary_size: int,
        buckets: int,
        *,
        classes: int = 1,
        filters: int = 100,
        kernel_sizes: Sequence[int] = (1, 2, 3),
        dropout: float = 0.5,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        ids = keras.Input((None,), dtype="int32", name="ids")
        ngrams = IdRange(vocabulary_size, vocabulary_size + buckets - 1, dtype=dtype, name="ngram_ids")(ids)
        wide = NGramDense(buckets, classes, dtype="float32", trainable=False, name="ngrams")(ngrams)
        words = IdRange(1, vocabulary_size, dtype=dtype, name="word_ids")(ids)
        pooled = []
        for size in kernel_sizes:
            region = OneHotConv1D(vocabulary_size, filters, size, dtype=dtype, name=f"regions_of_{size}")(words)
            pooled.append(ResponseNormalization(dtype=dtype, name=f"normalized_{size}")(region))
        x = keras.layers.Concatenate(dtype=dtype, name="pooled")(pooled) if len(pooled) > 1 else pooled[0]
        x = keras.layers.Dropout(dropout, dtype=dtype, name="dropout")(x)
        deep = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
        logits = LogitBlend(dtype="float32", name="blend")(keras.ops.stack([wide, deep], axis=1))
        super().__init__(ids, logits, name=name)
