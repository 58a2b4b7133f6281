"""Mini-AlexNet on CIFAR-10, the Deep Learning Indaba's practical: from images to a served model on one page.

Claim: test accuracy as published: 69.15 ± 0.39 % after 10 epochs in 234 s; batch norm: 72.65 ± 0.78 % after 10 epochs
in 212 s of training (mean ± sd of seeds 0, 1; 2 cores, AMD EPYC; TensorFlow 2.21.0, Keras 3.15.1). The images were a
copy of CIFAR-10 that went through JPEG (quality 75), on which networks score about 3 points less than on the original.

Five convolutions, two hidden layers of 1024 with dropout, Adam, batches of 128, 10 epochs, 40,000 training images and
10,000 held out, pixels from 0 to 1, as published (66.95 % on the original images). `--normalization batch` adds batch
normalisation to each convolution and changes nothing else; `--standardize` only centres and scales the channels.
`--data synthetic` runs the same page on synthetic shapes in a minute.
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from tfconv import runtime
from tfconv.cli import run_recipe, train_and_score


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of this recipe."""

    data: str = "cifar10"  # cifar10 (from TFCONV_DATA_DIR, or downloaded), a folder with it, or synthetic
    run: Path = Path("runs/cifar10_mini_alexnet")  # folder for the run
    export_to: Path | None = None  # also export to this folder, and ask the reloaded SavedModel
    normalization: Literal["none", "batch"] = "none"  # after each convolution; none as published
    standardize: bool = False  # each channel to mean 0 and standard deviation 1; as published: pixels from 0 to 1
    epochs: int = 10  # of training
    batch_size: int = 128  # images per step
    learning_rate: float = 0.001  # of Adam
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "float32"  # of training; the saved model is float32
    strategy: str = "auto"  # tf.distribute: auto, cpu:N, mirrored or multiworker
    seed: int = 0  # of weights, order and dropout
    deterministic: bool = False  # bit-identical results in every run
    resume: bool = False  # resume a stopped run from its last checkpoint
    overwrite: bool = False  # replace the run that the folder holds


def make_data(config: Config):
    from tfconv import data

    source = data.image_source(config.data)  # of CIFAR-10: the last 10,000 training images are held out
    return source.prepare(batch_size=config.batch_size, standardize=config.standardize, seed=config.seed)


def make_model(config: Config, data):
    from tfconv import models

    return models.MiniAlexNet(
        input_shape=data.image_shape,
        classes=data.outputs,
        normalization=None if config.normalization == "none" else config.normalization,
        dtype=runtime.precision() if config.precision == "auto" else config.precision,
    )


def main(config: Config) -> dict[str, Any]:
    runtime.configure("images")
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    from tfconv import interpret, training

    strategy = training.strategy.choose(config.strategy)
    data = make_data(config)
    print(data)
    with strategy.scope():
        model = make_model(config, data)
    print(f"{model.count_params():,} parameters")
    trained = train_and_score(
        config,
        data,
        model,
        strategy,
        about={"kind": "images", "model": "batch norm" if config.normalization == "batch" else "as published"},
        epochs=config.epochs,
        optimizer=training.FusedAdam(config.learning_rate),
    )
    if trained is None:  # a worker that is not the chief
        return {}
    interpret.curves_figure(trained.history).savefig(config.run / "report" / "curves.png", dpi=120)
    interpret.filters_figure(trained.model).savefig(config.run / "report" / "filters.png", dpi=120)
    if config.export_to:
        ask(config, trained.model, data)
    print(f"figures: {config.run}/report/*.png   next: tfconv plot {config.run} predictions")
    return trained.result


def ask(config: Config, model, data) -> None:
    """Export, load the SavedModel without tfconv's classes, and classify a few PNG files."""
    import tensorflow as tf

    from tfconv import export

    version = export.export_serving(model, data.preprocess, config.export_to)
    print(f"exported to {version}; the reloaded SavedModel says:")
    test = data.examples["test"]
    files = [tf.io.encode_png(image).numpy() for image in test.pixels[:5]]
    answer = tf.saved_model.load(str(version)).signatures["serving_default"](image=tf.constant(files))
    for truth, label, score in zip(test.labels[:5], answer["label"].numpy(), answer["score"].numpy(), strict=True):
        print(f"  {label.decode():<12} {score:.3f}   (it is: {data.class_names[truth]})")


if __name__ == "__main__":
    run_recipe(main, Config, __doc__)
