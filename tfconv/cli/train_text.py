"""`tfconv train text`: from labelled texts to a run directory."""

import dataclasses
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tfconv.cli.training_run import balanced_weights, check_settings, early_stopping, plain_settings, score
from tfconv.errors import InputError

if TYPE_CHECKING:
    import keras

    from tfconv.data import TextData

Model = Literal[
    "multi-width-text-cnn",
    "text-cnn",
    "char-cnn",
    "residual-text-cnn",
    "dilated-text-cnn",
    "bag-of-words-linear",
    "bag-of-words-mlp",
]


@dataclasses.dataclass(frozen=True)
class TrainText:
    """Settings of `tfconv train text`."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """.csv, .tsv, .jsonl or .parquet file; folder of classes; imdb; synthetic; tfds:NAME"""
    run: Path  # folder for the run: model, vocabulary, checkpoints, history, report
    text: str | None = None  # column of the texts; without it: text
    label: str | None = None  # column of the labels; without it: label
    split: str | None = None  # column that says train, validation or test
    test: str | None = None  # file to test on, or the fraction of the rows to hold out for testing
    validation: float = 0.1  # fraction of the training texts to hold out
    multi_label: bool = False  # a text may have any number of labels
    separator: str = "|"  # between the labels of one text
    delimiter: str | None = None  # between the columns of a CSV file; without it: a comma, in .tsv a tab
    skip: bool = False  # leave bad rows out and list them
    model: Model = "multi-width-text-cnn"  # architecture
    vocabulary_size: int = 30000  # ids in all; rarer tokens are unknown
    length: int = 800  # tokens of the longest text; the rest of a longer one is cut off
    level: Literal["auto", "word", "char"] = "auto"  # auto: characters for char-cnn, words otherwise
    words_only: bool = False  # drop punctuation and emoticons
    vectors: Path | None = None  # word vectors in GloVe's text format (.txt, .gz, .zip) to start from
    freeze_vectors: bool = False  # do not train the word vectors further
    epochs: int = 10  # at most
    patience: int = 2  # epochs without a better validation loss before training stops; the best weights are kept
    batch_size: int = 64  # texts a step
    learning_rate: float = 0.001  # of Adam
    clip_norm: float | None = None  # gradients are scaled down to this norm
    balanced: bool = False  # weigh classes so that each counts the same
    seed: int = 0  # of splits, weights, order and dropout
    deterministic: bool = False  # the same bits every time, a little slower
    resume: bool = False  # go on where a stopped run was
    overwrite: bool = False  # replace a run that is in the folder
    threads: int | None = None  # threads an operation may use; without it: one a core


def train_text(config: Annotated[TrainText, tyro.conf.arg(name="")]) -> None:
    """Train a text classifier on labelled files; score it on the test split; write it all into a run folder."""
    _check(config)
    data = read(config)  # before TensorFlow is imported: a wrong column shows at once
    print(data)
    from tfconv import runtime

    runtime.configure("text", threads=config.threads)
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    from tfconv import training

    data = prepare(config, data)
    begin = time.monotonic()
    model = build(config, data)
    print(f"{config.model}: {model.count_params():,} parameters, {len(data.preprocess.vocabulary):,} tokens known")
    settings = plain_settings(config, "text")
    history = training.fit(
        model,
        data.train,
        validation_data=data.validation if "validation" in data.examples else None,
        epochs=config.epochs,
        optimizer=optimizer(config, data),
        class_weight=balanced_weights(data) if config.balanced else None,
        callbacks=early_stopping(data, config.patience),
        run_dir=config.run,
        preprocess=data.preprocess,
        config=settings,
        resume=config.resume,
        overwrite=config.overwrite,
    )
    score(config, settings, data, model, history, time.monotonic() - begin)
    print(f'next:   tfconv predict {config.run} "some text"')
    print(f"        tfconv export {config.run} saved_models/{config.run.name}")


def _check(config: TrainText) -> None:
    least = {"vocabulary_size": 4, "length": 1, "epochs": 1, "batch_size": 1, "patience": 0, "threads": 1}
    check_settings(config, least, ("learning_rate", "clip_norm"))
    if config.freeze_vectors and config.vectors is None:
        raise InputError("--freeze-vectors goes with --vectors FILE: without it nothing would be learned about words")
    if config.vectors is not None and config.level == "char":
        raise InputError("--vectors are for words: leave out --level char")


def read(config: TrainText) -> "TextData":
    """Return the data set; TensorFlow is not imported yet."""
    from tfconv.data import text_source

    return text_source(
        config.data,
        text=config.text,
        label=config.label,
        split=config.split,
        test=config.test,
        validation=config.validation,
        multi_label=config.multi_label,
        separator=config.separator,
        delimiter=config.delimiter,
        skip=config.skip,
        seed=config.seed,
    )


def prepare(config: TrainText, data: "TextData") -> "TextData":
    """Return the data set with the settings by which it gives batches."""
    level = config.level if config.level != "auto" else ("char" if config.model == "char-cnn" else "word")
    return data.prepare(
        vocabulary_size=config.vocabulary_size,
        length=config.length,
        level=level,
        punctuation=not config.words_only and level == "word",
        batch_size=config.batch_size,
        bucket=True,
        seed=config.seed,
    )


def build(config: TrainText, data: "TextData") -> "keras.Model":
    """Return the model, untrained."""
    from tfconv import models

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
    if config.vectors is None:
        return builders[config.model](len(vocabulary), classes=data.outputs)
    if config.model in ("bag-of-words-linear", "char-cnn"):
        raise InputError(f"--vectors do not go with --model {config.model}: it has no word embedding")
    from tfconv.data import read_vectors

    vectors = read_vectors(config.vectors, vocabulary.tokens)
    print(vectors.summary())
    width, trainable = vectors.matrix.shape[1], not config.freeze_vectors
    model = builders[config.model](
        len(vocabulary), classes=data.outputs, embedding_dim=width, embedding_trainable=trainable
    )
    models.load_word_vectors(model, vectors.matrix)
    return model


def objective(config: TrainText, data: "TextData") -> tuple[Any, Any]:
    """Return loss and metrics; `None`: those that `fit` chooses by the labels."""
    return None, None


def optimizer(config: TrainText, data: "TextData") -> "keras.optimizers.Optimizer":
    """Return a new optimizer as the settings say."""
    from tfconv.training import FusedAdam

    return FusedAdam(config.learning_rate, global_clipnorm=config.clip_norm)
