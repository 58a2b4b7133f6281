"""Settings of `tfconv train text`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from tfconv.kinds.options import Sweep, TableOptions, TrainingOptions

__all__ = ["CheckText", "SweepText", "TrainText"]

Model = Literal[
    "auto",
    "ngram-linear",
    "wide-deep",
    "multi-width-text-cnn",
    "text-cnn",
    "char-cnn",
    "residual-text-cnn",
    "dilated-text-cnn",
    "bag-of-words-linear",
    "bag-of-words-mlp",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainText(TableOptions, TrainingOptions):
    """Settings of `tfconv train text`."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """.csv, .tsv, .jsonl, .parquet or .tfrecord file, folder or "pattern" of them; folder of classes; imdb; synthetic;
    tfds:NAME"""
    text: str | None = None  # column of the texts; without it: text, or found
    stream: bool = False  # stream files from disk, in bounded memory; always done for large and for several ones
    model: Model = "auto"
    """auto: wide-deep (n-grams and a convolution); ngram-linear where texts are few, long and many, or without words;
    multi-width-text-cnn for streams, and with options of networks"""
    time_limit: float | None = None
    """minutes for --model auto on two cores: a wider convolution, chosen among several; without it: some 20 s"""
    vocabulary_size: int = 30000  # tokens with an id of their own, special ones included; rarer ones are unknown
    length: int = 800  # longest text in tokens; longer ones are truncated
    level: Literal["auto", "word", "char"] = "auto"  # auto: characters for char-cnn, words otherwise
    words_only: bool = False  # drop punctuation and emoticons
    vectors: Path | None = None  # word vectors in GloVe's text format (.txt, .gz, .zip) to start from
    freeze_vectors: bool = False  # keep the word vectors frozen
    patience: int | None = 2
    """stop after that many epochs without a better validation loss, not before 200 updates; keep the best weights"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepText(Sweep, TrainText):
    """Settings of `tfconv lr-find text`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckText:
    """Settings that `tfconv check` has for this kind only.

    Args:
        text: column of the texts; without it: text
    """

    text: str | None = None
