"""Which n-grams a data set of texts is classified by, and the linear model on them."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError
from tfconv.kinds.options import balanced_weights
from tfconv.kinds.text.wide_deep import EPOCHS, affordable_sizes, blended, ngram_ids

if TYPE_CHECKING:
    import keras

    from tfconv.data import TextData
    from tfconv.training import NGramSolution

__all__ = [
    "LINEAR",
    "WIDE_DEEP",
    "Choice",
    "choice",
    "linear_baseline",
    "settings_of",
    "solved_model",
    "with_all_labels",
]

LINEAR, WIDE_DEEP = "ngram-linear", "wide-deep"
_LOOKED_AT = 2000  # texts
_FEW_WORDS = 2.0  # words a text up to which texts are strings: names, codes
_LONG_WORD = 15.0  # mean characters of a word from which blanks do not part words
_MOST_CHARACTERS = 12e6  # of all texts; above, n-grams of characters cost minutes and add nothing
_FEWEST = 100  # texts from which an n-gram must be in two
_FEWEST_DEEP = 2000  # texts from which a convolution is worth its time, where none is given
_MOST_WEIGHTS = 2**25
_SCORED = 256  # texts at a time where nothing is trained by steps
_BATCH_SIZE, _LEARNING_RATE = 100, 0.05  # of the deep part
_NO_BLANKS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_VALIDATION_FOLDERS = ("validation", "valid", "val", "dev")


@dataclasses.dataclass(frozen=True)
class Choice:
    """Lengths of the n-grams of words and of characters; `None`: none. And why, for a message."""

    words: tuple[int, int] | None
    characters: tuple[int, int] | None
    why: str

    def __str__(self) -> str:
        kinds = (("words", self.words), ("characters", self.characters))
        return " and ".join(f"{lengths[0]} to {lengths[1]} {name}" for name, lengths in kinds if lengths is not None)

    def preparation(self, data: "TextData", config: Any) -> dict[str, Any]:
        """What `TextData.prepare` is told."""
        from tfconv.data import NGrams

        return {
            "ngrams": NGrams(self.words, self.characters, buckets=2**31 - 1),
            "ngram_min_count": 1 if len(data.examples["train"]) < _FEWEST else 2,
            "most_ngrams": _MOST_WEIGHTS // data.outputs,
            "tokens": config.model == WIDE_DEEP,
            "vocabulary_size": config.vocabulary_size,
            "punctuation": True,
            "length": None,
            "start": False,
            "batch_size": config.batch_size,
            "bucket": True,
            "seed": config.seed,
        }


def choice(data: "TextData") -> Choice:
    """Choose by how many texts there are, how long they are, and how they are written.

    Raises:
        InputError: there is no training text.
    """
    if not len(data.examples.get("train", ())):
        raise InputError(f"{data.name} has no training texts")
    texts = data.examples["train"].texts
    sample = texts[:: -(-len(texts) // _LOOKED_AT)]
    characters, words = sum(map(len, sample)), sum(len(text.split()) for text in sample)
    if sum(len(_NO_BLANKS.findall(text)) for text in sample) > 0.3 * characters:
        return Choice(None, (1, 4), "written without blanks between words")
    if words <= _FEW_WORDS * len(sample):
        return Choice(None, (1, 5), f"strings of {words / len(sample):.1f} words on average")
    if characters > _LONG_WORD * words:
        return Choice(None, (1, 4), f"{characters / words:.0f} characters from blank to blank on average")
    size = f"{len(texts):,} texts of {words / len(sample):.0f} words on average"
    if characters / len(sample) * len(texts) > _MOST_CHARACTERS:
        return Choice((1, 4), None, f"{size}, enough without characters")
    return Choice((1, 3), (2, 5), size)


def settings_of(config: Any, data: "TextData") -> Any:
    """The settings with one of the two models: the deep part is added where it is worth its time."""
    model, chosen = config.model, choice(data)
    if model == "auto":
        enough = len(data.examples["train"]) >= (_FEWEST_DEEP if config.time_limit is None else _FEWEST)
        worth = chosen.words is not None and enough and affordable_sizes(config, data)
        model = WIDE_DEEP if worth else LINEAR
    if model == LINEAR:
        return dataclasses.replace(config, model=LINEAR, epochs=0, batch_size=_SCORED, patience=None)
    return dataclasses.replace(
        config,
        model=WIDE_DEEP,
        epochs=config.epochs or EPOCHS,
        batch_size=config.batch_size or _BATCH_SIZE,
        optimizer="adagrad",
        learning_rate=_LEARNING_RATE,
        patience=None,
    )


def with_all_labels(config: Any, data: "TextData") -> "TextData":
    """Train also on validation texts that were drawn by us, where there are test texts to score on.

    The settings of the linear model, and the blend, are chosen by folds of the training texts: nothing else needs them.
    """
    source = Path(config.data)
    own = config.validation is not None or config.split is not None or config.repeats > 1
    own |= any((source / name).is_dir() for name in _VALIDATION_FOLDERS)
    if own or not {"test", "validation"} <= set(data.examples):
        return data
    parts = dict(data.examples)
    parts["train"] = parts["train"].join(parts.pop("validation"))
    return dataclasses.replace(data, examples=parts)


def solved_model(config: Any, data: "TextData") -> "keras.Model":
    """The linear model with its weights, or the wide part of the wide and deep one with the blend of both."""
    chosen = choice(data)
    deep = ", convolution over words" if config.model == WIDE_DEEP else ""
    print(f"{config.model}: n-grams of {chosen}{deep} ({chosen.why})", flush=True)
    model, solution = _solved(config, data)
    print(solution, flush=True)
    return model if config.model == LINEAR else blended(config, data, model, solution)


def _solved(config: Any, data: "TextData") -> "tuple[keras.Model, NGramSolution]":
    """The linear model, its weights found."""
    from tfconv import models, training

    preprocess = data.preprocess
    model = models.NGramLinear(preprocess.size - preprocess.first_ngram + 1, classes=data.outputs)
    solution = training.solve_ngrams(
        model,
        ngram_ids(data),
        data.examples["train"].labels,
        task=data.task,
        word_ids=None if preprocess.ngrams is None else preprocess.ngrams.word_ids,
        class_weight=balanced_weights(data) if config.balanced == "weights" else None,
        seed=config.seed,
    )
    return model, solution


def linear_baseline(config: Any, data: "TextData", model: "keras.Model") -> "tuple[str, keras.Model, TextData] | None":
    """What `Kind.baseline` says."""
    import keras

    if config.model == WIDE_DEEP:
        return LINEAR, keras.Model(model.input, model.get_layer("ngrams").output), data
    if config.model == LINEAR or not hasattr(data.examples["train"], "texts"):  # which are streamed
        return None
    config = dataclasses.replace(config, model=LINEAR, batch_size=_SCORED)
    settings = choice(data).preparation(data, config)
    data = data.prepare(**settings, level="word", balanced=False, preprocess=None)
    return LINEAR, _solved(config, data)[0], data
