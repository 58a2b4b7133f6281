"""Which n-grams a data set of texts is classified by, and the linear model on them."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfconv.errors import InputError
from tfconv.kinds.options import balanced_weights

if TYPE_CHECKING:
    import keras

    from tfconv.data import TextData

__all__ = ["MODEL", "Choice", "choice", "solved_model", "with_all_labels"]

MODEL = "ngram-linear"
_LOOKED_AT = 2000  # texts
_FEW_WORDS = 2.0  # words a text up to which texts are strings: names, codes
_LONG_WORD = 15.0  # mean characters of a word from which blanks do not part words
_MOST_CHARACTERS = 12e6  # of all texts; above, n-grams of characters cost minutes and add nothing
_FEWEST = 100  # texts from which an n-gram must be in two
_MOST_WEIGHTS = 2**25
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
            "tokens": False,
            "punctuation": True,
            "length": None,
            "start": False,
            "batch_size": config.batch_size,
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
        return Choice((1, 3), None, f"{size}, enough without characters")
    return Choice((1, 3), (2, 5), size)


def with_all_labels(config: Any, data: "TextData") -> "TextData":
    """Train also on validation texts that were drawn by us, where there are test texts to score on.

    The settings of the linear model are chosen by folds of the training texts, so nothing else needs them.
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
    """The linear model with its weights."""
    from tfconv import models, training

    preprocess, chosen = data.preprocess, choice(data)
    print(f"{MODEL}: n-grams of {chosen} ({chosen.why})", flush=True)
    model = models.NGramLinear(preprocess.size, classes=data.outputs)
    solution = training.solve_ngrams(
        model,
        data.ids("train"),
        data.examples["train"].labels,
        task=data.task,
        word_ids=None if preprocess.ngrams is None else preprocess.ngrams.word_ids,
        class_weight=balanced_weights(data) if config.balanced == "weights" else None,
        seed=config.seed,
    )
    print(solution, flush=True)
    return model
