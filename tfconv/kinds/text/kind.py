"""`tfconv train text`: from labelled texts to a run directory."""

import dataclasses
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tfconv.errors import InputError
from tfconv.kinds.options import (
    TrainingOptions,
    check_numbers,
    check_options,
    chosen_precision,
    make_optimizer,
)
from tfconv.kinds.source import DIALECT, columns_of, read_options, unchanged_source, with_found_columns

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tfconv.data import Columns, TextData


Model = Literal[
    "multi-width-text-cnn",
    "text-cnn",
    "char-cnn",
    "residual-text-cnn",
    "dilated-text-cnn",
    "bag-of-words-linear",
    "bag-of-words-mlp",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainText(TrainingOptions):
    """Settings of `tfconv train text`."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """.csv, .tsv, .jsonl, .parquet or .tfrecord file, folder or "pattern" of them; folder of classes; imdb; synthetic;
    tfds:NAME"""
    text: str | None = None  # column of the texts; without it: text, or found
    label: str | None = None  # column of the labels; without it: label, or found
    split: str | None = None  # column that says train, validation or test
    test: str | None = None  # file to test on, or the fraction of the rows to hold out for testing
    validation: float = 0.1  # fraction of the training texts to hold out
    multi_label: bool = False  # a text may have any number of labels
    separator: str = "|"  # between the labels of one text
    skip: bool = False  # leave bad rows out and list them
    stream: bool = False  # read files with memory that does not grow with them; large and several ones always are
    model: Model = "multi-width-text-cnn"  # architecture
    vocabulary_size: int = 30000  # ids in all; rarer tokens are unknown
    length: int = 800  # tokens of the longest text; the rest of a longer one is cut off
    level: Literal["auto", "word", "char"] = "auto"  # auto: characters for char-cnn, words otherwise
    words_only: bool = False  # drop punctuation and emoticons
    vectors: Path | None = None  # word vectors in GloVe's text format (.txt, .gz, .zip) to start from
    freeze_vectors: bool = False  # do not train the word vectors further
    patience: int | None = 2
    """stop after that many epochs without a better validation loss, not before 200 updates; keep the best weights"""


def train_text(config: Annotated[TrainText, tyro.conf.arg(name="")]) -> None:
    """Train a text classifier on labelled files; score it on the test split; write it all into a run folder."""
    from tfconv.cli.train import train

    train(config, sys.modules[__name__], "text")


def check(config: TrainText) -> None:
    """Refuse settings that are out of range or do not go together, before anything is read."""
    check_options(config)
    check_numbers(config, {"vocabulary_size": 4, "length": 1}, ())
    if config.freeze_vectors and config.vectors is None:
        raise InputError("--freeze-vectors goes with --vectors FILE: without it nothing would be learned about words")
    if config.vectors is not None and config.level == "char":
        raise InputError("--vectors are for words: leave out --level char")


def settled(config: TrainText) -> TrainText:
    """Return the settings with what a look at a CSV file finds."""
    return with_found_columns(config, "text")


def read(config: TrainText) -> "TextData":
    """Return the data set; TensorFlow is not imported yet."""
    from tfconv.data import text_source

    return text_source(config.data, columns_of(config), stream=True if config.stream else None)


def prepare(config: TrainText, data: "TextData") -> "TextData":
    """Return the data set with the settings by which it gives batches."""
    level = config.level if config.level != "auto" else ("char" if config.model == "char-cnn" else "word")
    preprocess = None
    if config.from_ is not None:
        from tfconv.data.preprocess import load_preprocess

        preprocess = load_preprocess(config.from_ / "preprocess")
    return data.prepare(
        vocabulary_size=config.vocabulary_size,
        length=config.length,
        level=level,
        punctuation=not config.words_only and level == "word",
        batch_size=config.batch_size,
        bucket=True,
        balanced=config.balanced == "sampling",
        preprocess=preprocess,
        seed=config.seed,
    )


def build(config: TrainText, data: "TextData") -> "keras.Model":
    """Return the model, untrained."""
    from tfconv import models

    precision = chosen_precision(config)
    if config.from_ is not None:
        from tfconv.kinds.fine_tuning import starting_model
        from tfconv.training import load_run

        return starting_model(load_run(config.from_), data, dtype=precision)
    builders: dict[Model, Any] = {
        # As in recipes/imdb_text_cnn.py, which measured it.
        "multi-width-text-cnn": functools.partial(models.MultiWidthTextCNN, hidden_units=250),
        "text-cnn": models.TextCNN,
        "char-cnn": models.CharCNN,
        "residual-text-cnn": models.ResidualTextCNN,
        "dilated-text-cnn": models.DilatedTextCNN,
        "bag-of-words-linear": models.BagOfWordsLinear,
        "bag-of-words-mlp": models.BagOfWordsMLP,
    }
    vocabulary = data.preprocess.vocabulary
    builder = functools.partial(builders[config.model], len(vocabulary), classes=data.outputs, dtype=precision)
    if config.vectors is None:
        return builder()
    if config.model in ("bag-of-words-linear", "char-cnn"):
        raise InputError(f"--vectors do not go with --model {config.model}: it has no word embedding")
    from tfconv.data import read_vectors

    vectors = read_vectors(config.vectors, vocabulary.tokens)
    print(vectors.summary())
    model = builder(embedding_dim=vectors.matrix.shape[1], embedding_trainable=not config.freeze_vectors)
    models.load_word_vectors(model, vectors.matrix)
    return model


def optimizer(config: TrainText, data: "TextData") -> "keras.optimizers.Optimizer":
    """Return a new optimizer as the settings say."""
    return make_optimizer(config, data)


def objective(config: TrainText, data: "TextData") -> tuple[Any, Any]:
    """Return loss and metrics; `None`: those that `fit` chooses by the labels."""
    from tfconv import training

    if config.label_smoothing == 0 and data.task.exclusive:
        return None, None
    smoothing = 0.0 if not data.task.exclusive else config.label_smoothing
    return training.soft_label_objective(data.outputs, multi_label=not data.task.exclusive, label_smoothing=smoothing)


def training_batches(config: TrainText, data: "TextData") -> "tf.data.Dataset":
    """Return what is trained on."""
    return data.train


def describe(config: TrainText, data: "TextData", model: "keras.Model") -> str:
    """Return a line on the model."""
    return f"{config.model}: {model.count_params():,} parameters, {len(data.preprocess.vocabulary):,} tokens known"


def following(config: TrainText) -> list[str]:
    """Return the commands that come next."""
    return [f'tfconv predict {config.run} "some text"', f"tfconv export {config.run} saved_models/{config.run.name}"]


def labelled_texts(run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
    """Read a run's own test split, or another data set.

    Args:
        run: from `load_run`, of texts.
        data: a data set like the one it was trained on; all its splits count. `None`: the run's own test split.

    Returns:
        Batches (ids, labels by the run's class numbers), and what to call them.

    Raises:
        InputError: the data cannot be read or have changed, or they have a class that the run does not know.
    """
    import numpy as np

    from tfconv.data import batches, token_chunks

    what, texts, names = _own_texts(run) if data is None else _other_texts(run, data)
    if unknown := sorted({name for some in names for name in some} - set(run.class_names)):
        known = ", ".join(run.class_names)
        raise InputError(f"{what} has the class {unknown[0]!r}, which the run does not know: {known}")
    place = {name: number for number, name in enumerate(run.class_names)}
    labels = np.zeros((len(texts), len(run.class_names)), np.float32)
    for row, some in zip(labels, names, strict=True):
        row[[place[name] for name in some]] = 1
    ids = run.preprocess.encode(token_chunks(texts, run.preprocess.tokenizer))
    targets = labels if run.multi_label else labels.argmax(axis=1).astype(np.int32)
    return batches(ids, targets, batch_size=256), what


Texts = tuple[str, list[str], list[tuple[str, ...]]]  # what they are, the texts, the class names of each


def _own_texts(run: Any) -> Texts:
    """The test split that the run was scored on, or what stood in for it."""
    from tfconv import data

    source = unchanged_source(run)
    columns, options = _options(run, "split", "test", "validation", "seed", "stream")  # holds the same rows out
    found = data.text_source(source, columns, **options)
    split = next(name for name in ("test", "validation", "train") if name in found.examples)
    return f"{found.name}, {split} split", found.examples[split].texts, _names(found, split)


def _other_texts(run: Any, data: str) -> Texts:
    """Every labelled text of another data set; classes may be rare or missing in it."""
    from tfconv import data as sources
    from tfconv.data.source import table_format

    if table_format(Path(data)) is not None:
        columns, _ = _options(run)
        skipped: list[str] | None = [] if columns.skip else None
        rows = list(sources.read_rows(data, columns, skipped=skipped))
        if skipped:
            print(f"{len(skipped)} rows skipped, the first: {skipped[0]}", file=sys.stderr)
        if not rows:
            raise InputError(f"{data} holds no labelled text")
        names = [(label,) if isinstance(label, str) else label for _, _, label in rows]
        return Path(data).stem, [text for _, text, _ in rows], names
    found = sources.text_source(data, dataclasses.replace(_options(run)[0], validation=0.0))
    splits = [name for name in found.examples if name != "unlabelled"]
    texts = [text for split in splits for text in found.examples[split].texts]
    return f"{found.name}, {' and '.join(splits)}", texts, [some for split in splits for some in _names(found, split)]


def _options(run: Any, *more: str) -> "tuple[Columns, dict[str, Any]]":
    """How the run's own data were read."""
    names = ("text", "label", "multi_label", "separator", "skip", *DIALECT, *more)
    columns, found = read_options(run, names, TrainText)
    return columns, {name: value for name, value in found.items() if name != "stream" or value}


def _names(found: Any, split: str) -> list[tuple[str, ...]]:
    return [found.task.names_of(label, found.class_names) for label in found.examples[split].labels]
