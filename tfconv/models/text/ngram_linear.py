"""A linear text classifier on n-grams."""

import keras

from tfconv.layers.configured import configured
from tfconv.layers.ngrams import NGramDense

__all__ = ["NGramLinear"]


@keras.saving.register_keras_serializable(package="tfconv")
@configured
class NGramLinear(keras.Model):
    """Linear classifier on the presence of n-grams, whose ids `tfconv.data.NGrams` finds in raw texts.

    logits = bias + c * sum over the n-grams g of the text of scale[g] kernel[g]; see `tfconv.layers.NGramDense`

    The `kernel` of the layer "logits", (buckets, classes), holds the weight of each n-gram for each class.

    Args:
        buckets: Number of ids, with id 0 for padding, as in `tfconv.data.NGrams`.
        classes: Number of logits: 1 for two classes, else one per class.
        normalize: Whether a text's weights are divided by their Euclidean norm, so that long texts count as short ones.
        dtype: Keras dtype policy; None: the global one. The sum and the logits are float32 under every policy.
        name: Name of the model.

    Input shape: (batch, steps), int32 ids of n-grams, distinct in each row; 0 is padding.
    Output shape: (batch, classes), float32 logits.

    Reference: Wang and Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification", 2012.
    """

    def __init__(
        self,
        buckets: int,
        *,
        classes: int = 1,
        normalize: bool = True,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ) -> None:
        # Graph
        ids = keras.Input((None,), dtype="int32", name="ids")
        logits = NGramDense(buckets, classes, normalize=normalize, dtype="float32", name="logits")(ids)
        super().__init__(ids, logits, name=name)
