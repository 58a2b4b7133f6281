"""IMDB reviews by a convolution over one-hot words and a linear model of n-grams, with their logits added.

Claim: test accuracy 92.49 ± 0.07 % after 5 epochs in 297 s of training (mean ± sd of seeds 0, 1, 2; 2 cores, Intel(R)
Xeon(R) Processor; TensorFlow 2.21.0, Keras 3.15.1). The n-grams alone have 92.43, the convolution alone 91.39: their
mistakes are much the same ones. The target was 92.8.

One-hot words and no word embedding: a region of 1 to 3 words has filters of its own (Johnson & Zhang, 2015, "seq-CNN",
trained by Adagrad on the rows that a batch touches). The linear model has the presence of every run of 1 to 4 words and
is solved, not trained by steps. How much of each goes into the sum is chosen on a tenth of the training reviews, after
which the linear model is solved again with that tenth. Nothing from outside: no other reviews, no pretrained vectors.
`--data synthetic` runs the same page on synthetic reviews in seconds.
"""

import dataclasses
from pathlib import Path
from typing import Any

from tfconv import runtime
from tfconv.cli import run_recipe, train_and_score


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of this recipe."""

    data: str = "imdb"  # imdb (from TFCONV_DATA_DIR, or downloaded), a folder with aclImdb, or synthetic
    run: Path = Path("runs/imdb_onehot_cnn")  # folder for the run
    export_to: Path | None = None  # also export to this folder
    vocabulary_size: int = 30000  # words with filters of their own, punctuation and emoticons among them
    words: int = 4  # longest n-gram in words
    filters: int = 250  # of each region size
    epochs: int = 5  # of the convolution
    batch_size: int = 50  # reviews per step
    learning_rate: float = 0.05  # of Adagrad
    validation: float = 0.1  # fraction of train on which the blend is chosen
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
        length=None,
        start=False,
        punctuation=True,
        ngrams=data.NGrams((1, config.words), None, buckets=2**31 - 1),
        ngram_min_count=2,
        batch_size=config.batch_size,
        bucket=True,
        seed=config.seed,
    )


def make_model(config: Config, preprocess):
    from tfconv import models

    return models.WideDeepTextCNN(
        preprocess.first_ngram, preprocess.ngrams.size, filters=config.filters, kernel_sizes=(1, 2, 3)
    )


def solve(config: Config, data, model, splits: tuple[str, ...]) -> None:
    """Set the weights of the n-grams by the reviews of some splits."""
    import numpy as np
    import tensorflow as tf

    from tfconv import training

    first = data.preprocess.first_ngram
    ids = tf.concat([data.ids(split) for split in splits], axis=0)
    labels = np.concatenate([data.examples[split].labels for split in splits])
    ngrams = tf.ragged.boolean_mask(ids, ids >= first) - (first - 1)
    print(f"{len(labels):,} reviews: {training.solve_ngrams(model, ngrams, labels, seed=config.seed)}", flush=True)


def blend(config: Config, data, model) -> None:
    """Choose the factors of both parts on the validation reviews, which then serve the n-grams too."""
    import keras

    from tfconv import evaluation, training

    logits = {}
    for part in ("ngrams", "logits"):
        labels, logits[part] = evaluation.labels_and_logits(
            keras.Model(model.input, model.get_layer(part).output), data.validation
        )
        accuracy = float(((logits[part][:, 0] > 0) == labels).mean())
        print(f"{'n-grams' if part == 'ngrams' else 'convolution'}: validation accuracy {accuracy:.4f}")
    found = training.choose_blend(logits["ngrams"], logits["logits"], labels)
    print(f"blend: {found.factors[0]:.2f} x n-grams + {found.factors[1]:.2f} x convolution")
    model.get_layer("blend").factors.assign(found.factors)
    solve(config, data, model, ("train", "validation"))


def main(config: Config) -> dict[str, Any]:
    runtime.configure("text")
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    import keras

    from tfconv import export, training

    strategy = training.strategy.choose(config.strategy)
    data = make_data(config)
    print(data)
    with strategy.scope():
        model = make_model(config, data.preprocess)
    solve(config, data, model, ("train",))
    trained = train_and_score(
        config,
        data,
        model,
        strategy,
        epochs=config.epochs,
        optimizer=training.optimizers.make("adagrad", config.learning_rate),
        callbacks=[keras.callbacks.LambdaCallback(on_train_end=lambda logs: blend(config, data, model))],
    )
    if trained is None:  # a worker that is not the chief
        return {}
    if config.export_to:
        print(f"exported to {export.export_serving(trained.model, data.preprocess, config.export_to)}")
    return trained.result


if __name__ == "__main__":
    run_recipe(main, Config, __doc__)
