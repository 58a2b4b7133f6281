"""A TextCNN on the IMDB reviews: from raw texts to a served model on one page.

Claim: test accuracy 89.90 ± 0.17 % after 3-4 epochs in 149 s of training (mean ± sd of seeds 0, 1, 2; 2 cores, Intel(R)
Xeon(R) Processor; TensorFlow 2.21.0, Keras 3.15.1).

Kernels of 3, 4 and 5 tokens (Kim, 2014) over a vocabulary of 30,000, max pooling over time, one hidden layer. Unlike
the published setting of this workflow (`tfconv.models.text_cnn_imdb`) it reads whole reviews, keeps punctuation and
emoticons, has a vocabulary six times as large, and restores the weights of the epoch with the best held-out accuracy.
`--data synthetic` runs the same page on synthetic reviews in seconds.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tfconv import runtime
from tfconv.cli import run_recipe, train_and_score

QUESTIONS = ("I really liked the movie!", "Hated every second of it...", "Not bad at all.", "Hardly a good film.")
SYNTHETIC_QUESTIONS = ("The acting was truly funny", "not very funny at all", "not very bad at all", "truly bad")


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of this recipe."""

    data: str = "imdb"  # imdb (from TFCONV_DATA_DIR, or downloaded), a folder with aclImdb, or synthetic
    run: Path = Path("runs/imdb_text_cnn")  # folder for the run
    export_to: Path | None = None  # also export to this folder, and ask the reloaded SavedModel
    vocabulary_size: int = 30000  # tokens: words, punctuation and emoticons
    length: int = 800  # first tokens of a review
    embedding_dim: int = 300  # width of the word embedding
    filters: int = 100  # of each kernel width
    hidden_units: int = 250  # units of the layer between max pooling and the logit
    dropout: float = 0.5  # fraction of the hidden units dropped in training
    epochs: int = 4  # at most; training stops after one without a better validation accuracy
    batch_size: int = 64  # reviews per step
    learning_rate: float = 0.001  # of Adam
    validation: float = 0.1  # fraction of train held out for validation
    strategy: str = "auto"  # tf.distribute: auto, cpu:N, mirrored or multiworker
    seed: int = 0  # of the split, weights, order and dropout
    deterministic: bool = False  # bit-identical results in every run
    resume: bool = False  # resume a stopped run from its last checkpoint
    overwrite: bool = False  # replace the run that the folder holds


def make_data(config: Config):
    from tfconv import data

    source = data.text_source(config.data, data.Columns(validation=config.validation, seed=config.seed))
    return source.prepare(
        vocabulary_size=config.vocabulary_size,
        length=config.length,
        punctuation=True,
        batch_size=config.batch_size,
        bucket=True,
        seed=config.seed,
    )


def make_model(config: Config, vocabulary_size: int):
    from tfconv import models

    return models.MultiWidthTextCNN(
        vocabulary_size,
        kernel_sizes=(3, 4, 5),
        embedding_dim=config.embedding_dim,
        filters=config.filters,
        hidden_units=config.hidden_units,
        dropout=config.dropout,
    )


def main(config: Config) -> dict[str, Any]:
    runtime.configure("text")
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    import keras

    from tfconv import training

    strategy = training.strategy.choose(config.strategy)
    data = make_data(config)
    print(data)
    with strategy.scope():
        model = make_model(config, len(data.preprocess.vocabulary))
    trained = train_and_score(
        config,
        data,
        model,
        strategy,
        epochs=config.epochs,
        optimizer=training.FusedAdam(config.learning_rate),
        callbacks=[keras.callbacks.EarlyStopping("val_accuracy", patience=1, restore_best_weights=True)],
    )
    if trained is None:  # a worker that is not the chief
        return {}
    if config.export_to:
        ask(config, trained.model, data.preprocess)
    return trained.result


def ask(config: Config, model, preprocess) -> None:
    """Export, load the SavedModel without tfconv's classes, and classify a few sentences."""
    import tensorflow as tf

    from tfconv import export

    version = export.export_serving(model, preprocess, config.export_to)
    print(f"exported to {version}; the reloaded SavedModel says:")
    questions = SYNTHETIC_QUESTIONS if config.data == "synthetic" else QUESTIONS
    answer = tf.saved_model.load(str(version)).signatures["serving_default"](text=tf.constant(questions))
    for text, label, score in zip(questions, answer["label"].numpy(), answer["score"].numpy(), strict=True):
        print(f"  {label.decode()}  {score:.3f}  {text}")
    print(f"report: {config.run}/report/report.md   next: tfconv predict {config.run} 'your own sentence'")


if __name__ == "__main__":
    run_recipe(main, Config, __doc__)
