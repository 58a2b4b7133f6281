"""A character CNN on the IMDB reviews: no words, no vocabulary of words, no unknown words.

Claim: test accuracy 77.87 % after 5 epochs in 311 s of training (seed 0; 2 cores, Intel(R) Xeon(R) Processor;
TensorFlow 2.21.0, Keras 3.15.1).

`tfconv.models.CharCNN` in its default size, which follows Zhang, Zhao and LeCun (2015) with fewer and narrower layers,
batch normalisation, and a maximum over time in place of their two wide hidden layers: a CPU trains it in minutes.
Published character CNNs need hundreds of thousands of texts to reach word models; 22,500 reviews are few for one.
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
    run: Path = Path("runs/imdb_char_cnn")  # folder for the run
    characters: int = 100  # vocabulary size: padding, start, unknown and the 97 most frequent characters
    length: int = 1014  # first characters of a review, as in the paper
    epochs: int = 6  # of training
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
        level="char",
        vocabulary_size=config.characters,
        length=config.length,
        batch_size=config.batch_size,
        seed=config.seed,  # without buckets: batch normalisation needs batches drawn alike
    )


def make_model(vocabulary_size: int):
    from tfconv import models

    return models.CharCNN(vocabulary_size)


def main(config: Config) -> dict[str, Any]:
    runtime.configure("text")
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    import keras

    from tfconv import training

    strategy = training.strategy.choose(config.strategy)
    data = make_data(config)
    print(data)
    with strategy.scope():
        model = make_model(len(data.preprocess.vocabulary))
    trained = train_and_score(
        config,
        data,
        model,
        strategy,
        epochs=config.epochs,
        optimizer=training.FusedAdam(config.learning_rate),
        callbacks=[keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)],
    )
    return trained.result if trained else {}  # only the chief of several workers scores


if __name__ == "__main__":
    run_recipe(main, Config, __doc__)
