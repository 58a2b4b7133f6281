"""Mini-AlexNet on CIFAR-10, the Deep Learning Indaba's practical: images to a served model on one page.

Claim: test accuracy as published: 69.15 ± 0.39 % after 10 epochs in 234 s; batch norm: 72.65 ± 0.78 % after 10 epochs
in 212 s of training (mean ± sd of seeds 0, 1; 2 cores, AMD EPYC; TensorFlow 2.21.0, Keras 3.15.1). The images were a
copy of CIFAR-10 that went through JPEG (quality 75), on which networks score about 3 points less than on the original.

Five convolutions, two hidden layers of 1024 with dropout, Adam, batches of 128, 10 epochs, 40,000 training images and
10,000 held out, pixels from 0 to 1, as published (66.95 % on the original images). `--normalization batch` adds batch
normalisation to each convolution and changes nothing else; `--standardize` only centres and scales the channels.
`--data synthetic` runs the same page on made-up shapes in a minute.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any, Literal

from tfconv import runtime
from tfconv.cli import run_recipe


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of this recipe."""

    data: str = "cifar10"  # cifar10 (from TFCONV_DATA_DIR, or downloaded), a folder that holds it, or synthetic
    run: Path = Path("runs/cifar10_mini_alexnet")  # folder for the run
    export_to: Path | None = None  # also export to this folder, and ask the reloaded SavedModel
    normalization: Literal["none", "batch"] = "none"  # after each convolution; none as published
    standardize: bool = False  # each channel to mean 0 and deviation 1; as published: pixels from 0 to 1
    epochs: int = 10  # passes over the training images
    batch_size: int = 128  # images a step
    learning_rate: float = 0.001  # of Adam
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "float32"  # of training; the kept model is float32
    strategy: str = "auto"  # devices: auto, cpu:N, mirrored or multiworker
    seed: int = 0  # of weights, order and dropout
    deterministic: bool = False  # the same bits every time
    resume: bool = False  # go on where a stopped run was
    overwrite: bool = False  # replace a run that is in the folder


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
    from tfconv import evaluation, interpret, training

    devices = training.strategy.choose(config.strategy)
    data = make_data(config)
    print(data)
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(config).items()}
    settings |= {"kind": "images", "model": "batch norm" if config.normalization == "batch" else "as published"}
    with devices.scope():
        model = make_model(config, data)
    print(f"{model.count_params():,} parameters")
    begin = time.monotonic()
    history = training.fit(
        model,
        data.train,
        validation_data=data.validation,
        epochs=config.epochs,
        optimizer=training.FusedAdam(config.learning_rate),
        strategy=devices,
        run_dir=config.run,
        preprocess=data.preprocess,
        config=settings,
        resume=config.resume,
        overwrite=config.overwrite,
    )
    if not training.strategy.is_chief(devices):
        return {}
    seconds = time.monotonic() - begin
    model = training.in_float32(model)
    scores = evaluation.report(model, data.test, config.run / "report", class_names=data.class_names)
    result = training.write_result(config.run, settings, history, {"test": scores["metrics"]}, seconds)
    print(f"\ntest split, {scores['examples']:,} images, after {seconds:.0f} s of training")
    evaluation.print_scores(scores)

    interpret.curves_figure(history).savefig(config.run / "report" / "curves.png", dpi=120)
    interpret.filters_figure(model).savefig(config.run / "report" / "filters.png", dpi=120)
    if config.export_to:
        ask(config, model, data)
    print(f"pictures: {config.run}/report/*.png   next: tfconv plot {config.run} predictions")
    return result


def ask(config: Config, model, data) -> None:
    """Export, load the SavedModel again as a stranger would, and let it answer about PNG files."""
    import tensorflow as tf

    from tfconv import export

    version = export.export_serving(model, data.preprocess, config.export_to)
    print(f"exported to {version}; the reloaded SavedModel says:")
    test = data.examples["test"]
    files = [tf.io.encode_png(picture).numpy() for picture in test.pixels[:5]]
    answer = tf.saved_model.load(str(version)).signatures["serving_default"](image=tf.constant(files))
    for truth, label, score in zip(test.labels[:5], answer["label"].numpy(), answer["score"].numpy(), strict=True):
        print(f"  {label.decode():<12} {score:.3f}   (it is: {data.class_names[truth]})")


if __name__ == "__main__":
    run_recipe(main, Config, __doc__)
