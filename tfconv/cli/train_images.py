"""`tfconv train images`: from labelled pictures to a run directory."""

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

    from tfconv.data import ImageData

Augment = Literal["none", "flip", "flip-translate", "side-on", "top-down"]
Model = Literal[
    "whitened-resnet",
    "resnet20",
    "lesson-resnet",
    "mini-alexnet",
    "mini-alexnet-batch-norm",
    "all-conv-net",
    "conv-net",
    "simple-net",
    "resnet18",
    "resnet34",
]


@dataclasses.dataclass(frozen=True)
class TrainImages:
    """Settings of `tfconv train images`."""

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """folder of classes; .csv, .tsv, .jsonl or .parquet file of paths; cifar10; synthetic; tfds:NAME"""
    run: Path  # folder for the run: model, preprocessing, checkpoints, history, report
    image: str | None = None  # column of the pictures' paths; without it: image
    label: str | None = None  # column of the labels; without it: label
    split: str | None = None  # column that says train, validation or test
    test: str | None = None  # table to test on, or the fraction of the pictures to hold out for testing
    validation: float | None = None  # fraction of the training pictures to hold out; without it 0.1, of CIFAR-10 0.2
    multi_label: bool = False  # a picture may have any number of labels
    separator: str = "|"  # between the labels of one picture
    delimiter: str | None = None  # between the columns of a CSV file; without it: a comma, in .tsv a tab
    skip_broken: bool = False  # leave broken pictures and bad rows out and list them
    size: int | None = None  # height and width pictures are resized to; without it: their own up to 64, else 64
    fit: Literal["crop", "stretch"] | None = None  # for pictures of another shape; without it: crop
    augment: Augment = "side-on"  # random changes to training pictures; top-down: all eight symmetries
    model: Model = "whitened-resnet"  # architecture; resnet18 and 34 are for pictures of about 224 pixels
    epochs: int = 12  # passes over the training pictures; the learning rate falls to 0 over them
    patience: int | None = None  # stop after that many epochs without a better validation loss; without it: never
    batch_size: int = 128  # pictures a step
    learning_rate: float = 0.003  # of Adam, at its highest
    weight_decay: float = 0.02  # of Adam, decoupled; none for biases and normalisation
    label_smoothing: float = 0.1  # share of each target that all classes divide evenly; not with several labels
    balanced: bool = False  # weigh classes so that each counts the same
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"  # of training; the kept model is float32
    seed: int = 0  # of splits, weights, order and random changes
    deterministic: bool = False  # the same bits every time, a little slower
    resume: bool = False  # go on where a stopped run was
    overwrite: bool = False  # replace a run that is in the folder
    threads: int | None = None  # threads an operation may use; without it: one a core


def train_images(config: Annotated[TrainImages, tyro.conf.arg(name="")]) -> None:
    """Train an image classifier on labelled pictures; score it on the test split; write it all into a run folder."""
    _check(config)
    from tfconv import runtime

    if Path(config.data).exists():  # else the mistake shows at once; pictures are decoded by TensorFlow
        runtime.configure("images", threads=config.threads)
    data = read(config)
    print(data)
    runtime.configure("images", threads=config.threads)
    runtime.set_seed(config.seed, deterministic=config.deterministic)
    from tfconv import training

    data = prepare(config, data)
    begin = time.monotonic()
    model = build(config, data)
    height, width, channels = data.image_shape
    print(f"{config.model}: {model.count_params():,} parameters, pictures of {height} x {width} x {channels}")
    settings = plain_settings(config, "images")
    # What a resumed run must share: the learning rate's course, and the arithmetic.
    settings |= {"decay_epochs": config.epochs, "precision": model.dtype_policy.name}
    loss, metrics = objective(config, data)
    history = training.fit(
        model,
        data.train,
        validation_data=data.validation if "validation" in data.examples else None,
        epochs=config.epochs,
        optimizer=optimizer(config, data),
        loss=loss,
        metrics=metrics,
        class_weight=balanced_weights(data) if config.balanced else None,
        callbacks=early_stopping(data, config.patience),
        run_dir=config.run,
        preprocess=data.preprocess,
        config=settings,
        resume=config.resume,
        overwrite=config.overwrite,
    )
    score(config, settings, data, training.in_float32(model), history, time.monotonic() - begin)
    print(f"next:   tfconv predict {config.run} picture.jpg")
    print(f"        tfconv plot {config.run} predictions")
    print(f"        tfconv export {config.run} saved_models/{config.run.name}")


def _check(config: TrainImages) -> None:
    least = {"size": 8, "epochs": 1, "batch_size": 1, "patience": 0, "threads": 1}
    check_settings(config, least, ("learning_rate",))
    for name in ("weight_decay", "label_smoothing"):
        if not 0 <= getattr(config, name) < 1:
            raise InputError(f"--{name.replace('_', '-')} must be from 0 to below 1, got {getattr(config, name)}")


def read(config: TrainImages) -> "ImageData":
    """Return the data set, its pictures decoded; `runtime.configure("images")` comes first."""
    from tfconv.data import image_source

    options = "image label split size fit test validation multi_label separator delimiter skip_broken seed".split()
    return image_source(config.data, **{name: getattr(config, name) for name in options})


def _augment(name: Augment) -> Any:
    from tfconv.data import augment

    functions: dict[Augment, Any] = {
        "none": None,
        "flip": augment.random_flip,
        "flip-translate": augment.random_flip_translate,
        "side-on": augment.side_on,
        "top-down": augment.top_down,
    }
    return functions[name]


def prepare(config: TrainImages, data: "ImageData") -> "ImageData":
    """Return the data set with the settings by which it gives batches."""
    return data.prepare(batch_size=config.batch_size, augment=_augment(config.augment), seed=config.seed)


def build(config: TrainImages, data: "ImageData") -> "keras.Model":
    """Return the model, untrained."""
    import numpy as np

    from tfconv import models, runtime

    precision = runtime.precision() if config.precision == "auto" else config.precision

    builders: dict[Model, Any] = {
        "whitened-resnet": models.WhitenedResNet,
        "resnet20": models.resnet20,
        "lesson-resnet": models.LessonResNet,
        "mini-alexnet": models.MiniAlexNet,
        "mini-alexnet-batch-norm": functools.partial(models.MiniAlexNet, normalization="batch"),
        "all-conv-net": models.AllConvNet,
        "conv-net": models.ConvNet,
        "simple-net": models.SimpleNet,
        "resnet18": models.resnet18,
        "resnet34": models.resnet34,
    }
    try:
        model = builders[config.model](input_shape=data.image_shape, classes=data.outputs, dtype=precision)
    except ValueError as error:  # pictures smaller than the layers take
        shape = "x".join(map(str, data.image_shape))
        raise InputError(f"--model {config.model} cannot take pictures of {shape} ({error}): give a --size") from error
    if config.model == "whitened-resnet":
        some = np.random.default_rng(config.seed).permutation(len(data.examples["train"]))[:5000]
        model.adapt(data.preprocess.normalize(data.examples["train"].images(np.sort(some))))
    return model


def objective(config: TrainImages, data: "ImageData") -> tuple[Any, Any]:
    """Return loss and metrics; `None`: those that `fit` chooses by the labels."""
    import keras

    from tfconv.training import SmoothedCrossentropy

    if data.outputs == 1 or data.multi_label:
        return None, None
    return SmoothedCrossentropy(config.label_smoothing), [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def optimizer(config: TrainImages, data: "ImageData") -> "keras.optimizers.Optimizer":
    """Adam whose learning rate rises over the first fifth of the steps and falls along a cosine to 0."""
    import keras

    from tfconv.training import FusedAdam

    total = max(int(data.train.cardinality()) * config.epochs, 2)
    warmup = max(total // 5, 1)
    rate = keras.optimizers.schedules.CosineDecay(
        config.learning_rate / 10, total - warmup, warmup_target=config.learning_rate, warmup_steps=warmup
    )
    optimizer = FusedAdam(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer
