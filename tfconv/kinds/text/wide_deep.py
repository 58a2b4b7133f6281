"""The wide and deep model of a data set of texts: its parts, and how they are blended."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tfconv.kinds.options import balanced_weights, make_optimizer

if TYPE_CHECKING:
    import keras
    import numpy.typing as npt
    import tensorflow as tf

    from tfconv.data import TextData
    from tfconv.training import NGramSolution

__all__ = ["blend", "new_wide_deep", "parts"]

_ASKED = 256  # texts at a time
_USUAL = (
    2**-0.25,
    2**-2.25,
)  # factors where too few held-out texts are wrong to choose by: about those of MR, SMS, SST-2
_FEWEST_WRONG = 20


def new_wide_deep(config: Any, data: "TextData") -> "keras.Model":
    """The model for a data set with a vocabulary and n-grams, neither solved nor trained."""
    from tfconv import models
    from tfconv.kinds.options import chosen_precision

    words = data.preprocess.first_ngram
    ngrams = data.preprocess.size - words + 1
    return models.WideDeepTextCNN(words, ngrams, classes=data.outputs, dtype=chosen_precision(config))


def parts(data: "TextData") -> "tuple[tf.RaggedTensor, tf.RaggedTensor]":
    """The ids of the training texts' words, and those of their n-grams, from 1 on."""
    import tensorflow as tf

    ids, first = data.ids("train"), data.preprocess.first_ngram
    if first == 1:
        return ids[:, :0], ids
    is_word = ids < first
    ngrams = tf.ragged.boolean_mask(ids, tf.logical_not(is_word))
    return tf.ragged.boolean_mask(ids, is_word), ngrams - (first - 1)


def blend(
    config: Any, data: "TextData", model: "keras.Model", solution: "NGramSolution", words: "tf.RaggedTensor"
) -> None:
    """Choose the factors of both parts on texts that neither has seen, and assign them.

    For each part of the texts that the solver held out, a deep part is trained on the others, as the final one will be
    on all. So no labels are lost to the choice. Where the solver was wrong on few of them nothing could be chosen.
    """
    from tfconv import training

    factors, answers = _USUAL, solution.examples * (1 if data.task.exclusive else data.outputs)
    if solution.folds and (1 - solution.held_out) * answers >= _FEWEST_WRONG:
        held_out = np.concatenate(solution.folds)
        print(f"choosing the blend of both parts on {len(held_out):,} held-out texts", flush=True)
        deep = [_deep_logits(config, data, words, np.setdiff1d(solution.tried, rows), rows) for rows in solution.folds]
        labels = data.examples["train"].labels[held_out]
        factors = training.choose_blend(solution.logits, np.concatenate(deep), labels, task=data.task)
    print(f"blend: {factors[0]:.2f} x n-grams + {factors[1]:.2f} x convolution", flush=True)
    model.get_layer("blend").factors.assign(np.array(factors, np.float32))


def _deep_logits(
    config: Any,
    data: "TextData",
    words: "tf.RaggedTensor",
    train: "npt.NDArray[np.int64]",
    asked: "npt.NDArray[np.int64]",
) -> "npt.NDArray[np.float32]":
    """What a deep part that is trained on some texts says of others: (len(asked), outputs)."""
    import keras
    import tensorflow as tf

    from tfconv import training

    labels = data.examples["train"].labels
    model = new_wide_deep(config, data)
    batches = data.preparation.batches(tf.gather(words, train), labels[train], training=True)
    training.fit(
        model,
        batches,
        epochs=config.epochs,
        optimizer=make_optimizer(config, data),
        class_weight=balanced_weights(data) if config.balanced == "weights" else None,
        verbose=0,
    )
    deep = keras.Model(model.input, model.get_layer("logits").output)
    ids_of_any_width = [tf.TensorSpec([None, None], tf.int32)]
    answer = tf.function(lambda ids: deep(ids, training=False), input_signature=ids_of_any_width)
    found = []
    for start in range(0, len(asked), _ASKED):
        rows = tf.gather(words, asked[start : start + _ASKED]).to_tensor(0)
        found.append(answer(tf.pad(rows, [[0, 0], [0, tf.maximum(1 - tf.shape(rows)[1], 0)]])).numpy())
    return np.concatenate(found)
