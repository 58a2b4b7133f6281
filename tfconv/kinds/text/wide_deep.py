"""The wide and deep model of a data set of texts: the size of its deep part, and the blend of both."""

import dataclasses
from typing import TYPE_CHECKING, Any

from tfconv.kinds.options import balanced_weights, chosen_precision, make_optimizer

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf

    from tfconv.data import TextData
    from tfconv.training import NGramSolution

__all__ = ["EPOCHS", "Size", "affordable_sizes", "blended", "ngram_ids"]

EPOCHS = 5
_LOOKED_AT = 2000  # texts
_USUAL = (2**-0.25, 2**-2.25)  # factors where too few held-out texts are wrong to choose by: about those of MR and SMS
_FEWEST_WRONG = 20
_SECONDS = 20.0  # for the deep part, on two cores; of a time limit, seven tenths of its minutes
_SECONDS_A_TEXT, _SECONDS_A_TOKEN = 5e-5, 2e-6  # of an epoch of the first size, measured on MR and IMDB
_FOLDED = 2000  # texts below which the solver holds out each of five folds in turn
_TRIED = 5000  # texts at most that a deep part is trained on to choose sizes and blend


@dataclasses.dataclass(frozen=True)
class Size:
    """Of a deep part: filters of each region size, region sizes in words, fraction dropped."""

    filters: int
    kernel_sizes: tuple[int, ...]
    dropout: float

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.kernel_sizes))
        return f"{self.filters} filters of {sizes} words, dropout {self.dropout:g}"

    @property
    def work(self) -> float:
        """Rows that are summed for each word, as a multiple of those of the first size."""
        return self.filters * sum(self.kernel_sizes) / 600


# In the order in which they are tried; only the first without a time limit.
_SIZES = (
    Size(100, (1, 2, 3), 0.5),
    Size(300, (1, 2, 3), 0.5),
    Size(300, (1, 2, 3), 0.7),
    Size(300, (2, 3, 4), 0.5),
    Size(1000, (1, 2, 3), 0.5),
)


def affordable_sizes(config: Any, data: "TextData") -> list[Size]:
    """The sizes that there is time to try and to train, by an estimate and not by the clock: equal in each process."""
    texts = data.examples["train"].texts
    sample = texts[:: -(-len(texts) // _LOOKED_AT)]
    tokens = sum(len(text.split()) for text in sample) / len(sample)
    a_text = (config.epochs or EPOCHS) * (_SECONDS_A_TEXT + _SECONDS_A_TOKEN * tokens)
    left = _SECONDS if config.time_limit is None else 0.7 * 60 * config.time_limit
    found = list[Size]()
    for size in _SIZES if config.time_limit is not None else _SIZES[:1]:
        folds = 5 if len(texts) < _FOLDED else 1
        left -= a_text * size.work * folds * min(0.8 * len(texts), _TRIED)
        if left < a_text * max(one.work for one in (*found, size)) * len(texts):
            break
        found.append(size)
    return found


def ngram_ids(data: "TextData") -> "tf.RaggedTensor":
    """The ids of the training texts' n-grams, from 1 on."""
    import tensorflow as tf

    ids, first = data.ids("train"), data.preprocess.first_ngram
    return ids if first == 1 else tf.ragged.boolean_mask(ids, ids >= first) - (first - 1)


def blended(config: Any, data: "TextData", linear: "keras.Model", solution: "NGramSolution") -> "keras.Model":
    """The model with the linear one as its wide part, and the size and the factors that are best on held-out texts.

    For each part of the texts that the solver held out, a deep part is trained on the others, as the final one will be
    on all. So no labels are lost to the choice. Where the solver was wrong on few of them nothing could be chosen.
    """
    import numpy as np
    import tensorflow as tf

    from tfconv import training

    ids = data.ids("train")
    words = tf.ragged.boolean_mask(ids, ids < data.preprocess.first_ngram)
    sizes = affordable_sizes(config, data) or [_SIZES[0]]
    best, factors = sizes[0], _USUAL
    answers = solution.examples * (1 if data.task.exclusive else data.outputs)
    if solution.folds and (1 - solution.held_out) * answers >= _FEWEST_WRONG:
        held_out = np.concatenate(solution.folds)
        labels = data.examples["train"].labels[held_out]
        print(f"choosing the blend of both on {len(held_out):,} held-out texts", flush=True)
        lowest = np.inf
        for size in sizes:
            deep = [
                _deep_logits(config, data, size, words, others, rows)
                for others, rows in zip(_others(solution, config.seed), solution.folds, strict=True)
            ]
            found = training.choose_blend(solution.logits, np.concatenate(deep), labels, task=data.task)
            if len(sizes) > 1:
                print(f"  {size}: held-out loss {found.loss:.4f}", flush=True)
            if found.loss < lowest:
                best, factors, lowest = size, found.factors, found.loss
    print(f"blend: {factors[0]:.2f} x n-grams + {factors[1]:.2f} x convolution of {best}", flush=True)
    model = _new(config, data, best)
    for weight, known in zip(model.get_layer("ngrams").weights, linear.get_layer("logits").weights, strict=True):
        weight.assign(known)
    model.get_layer("blend").factors.assign(np.array(factors, np.float32))
    return model


def _others(solution: "NGramSolution", seed: int) -> "list[npt.NDArray[np.int64]]":
    """For each part that was held out, the texts to train on: the others, or some of them."""
    import numpy as np

    rng, found = np.random.default_rng(seed), []
    for rows in solution.folds:
        others = rng.permutation(np.setdiff1d(solution.tried, rows))
        found.append(np.sort(others[:_TRIED]))
    return found


def _new(config: Any, data: "TextData", size: Size) -> "keras.Model":
    """The model of a size, neither solved nor trained."""
    from tfconv import models

    words = data.preprocess.first_ngram
    return models.WideDeepTextCNN(
        words,
        data.preprocess.size - words + 1,
        classes=data.outputs,
        filters=size.filters,
        kernel_sizes=size.kernel_sizes,
        dropout=size.dropout,
        dtype=chosen_precision(config),
    )


def _deep_logits(
    config: Any,
    data: "TextData",
    size: Size,
    words: "tf.RaggedTensor",
    train: "npt.NDArray[np.int64]",
    asked: "npt.NDArray[np.int64]",
) -> "npt.NDArray[np.float32]":
    """What a deep part that is trained on some texts says of others: (len(asked), outputs)."""
    import keras
    import tensorflow as tf

    from tfconv import evaluation, training

    labels = data.examples["train"].labels
    model = _new(config, data, size)
    training.fit(
        model,
        data.preparation.batches(tf.gather(words, train), labels[train], training=True),
        epochs=config.epochs,
        optimizer=make_optimizer(config, data),
        class_weight=balanced_weights(data) if config.balanced == "weights" else None,
        verbose=0,
    )
    deep = keras.Model(model.input, model.get_layer("logits").output)
    batches = data.preparation.batches(tf.gather(words, asked), labels[asked], training=False)
    return evaluation.labels_and_logits(deep, batches)[1]
