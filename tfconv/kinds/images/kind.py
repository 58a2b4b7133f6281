"""`tfconv train images`: from labelled pictures to a run directory."""

import dataclasses
import functools
import sys
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from tfconv.errors import InputError
from tfconv.kinds.options import (
    Precision,
    Schedule,
    TrainingOptions,
    check_numbers,
    check_options,
    chosen_precision,
    make_optimizer,
)
from tfconv.kinds.source import DIALECT, check_source, columns_of, read_options, unchanged_source, with_found_columns

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainImages(TrainingOptions):
    """Settings of `tfconv train images`."""

    usual_epochs: ClassVar[int] = 12
    usual_batch_size: ClassVar[int] = 128
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """folder of classes; .csv, .tsv, .jsonl or .parquet file of paths; cifar10; synthetic; tfds:NAME"""
    image: str | None = None  # column of the pictures' paths; without it: image, or found
    label: str | None = None  # column of the labels; without it: label, or found
    split: str | None = None  # column that says train, validation or test
    test: str | None = None  # table to test on, or the fraction of the pictures to hold out for testing
    validation: float | None = None  # fraction of the training pictures to hold out; without it 0.1, of CIFAR-10 0.2
    multi_label: bool = False  # a picture may have any number of labels
    separator: str = "|"  # between the labels of one picture
    skip: bool = False  # leave broken pictures and bad rows out and list them
    size: int | None = None  # height and width pictures are resized to; without it: their own up to 64, else 64
    fit: Literal["crop", "stretch"] | None = None  # for pictures of another shape; without it: crop
    channels: Literal[1, 3] | None = None  # of what the model sees, 1 for grey; without it: 1 where all files are grey
    augment: Augment = "side-on"  # random changes to training pictures; top-down: all eight symmetries
    mixup: float | None = None  # blend training pictures and labels in pairs; shares of Beta(x, x), such as 0.2
    cutmix: float | None = None  # put a part of another picture into each; shares of Beta(x, x), such as 1
    model: Model = "whitened-resnet"  # architecture; resnet18 and 34 are for pictures of about 224 pixels
    epochs: int | None = None  # passes over the training pictures; without it: 12, more where there are few
    batch_size: int | None = None  # pictures a step, on all devices together; without it: 128, less where there are few
    learning_rate: float = 0.003  # at its highest
    schedule: Schedule = "cosine"  # course of the learning rate; see it with: tfconv plot schedule NAME
    weight_decay: float = 0.02  # decoupled, times the learning rate; none for biases and normalisation
    label_smoothing: float = 0.1  # share of each target that all classes divide evenly; not with several labels
    precision: Precision = "auto"  # of training; the kept model is float32


def train_images(config: Annotated[TrainImages, tyro.conf.arg(name="")]) -> None:
    """Train an image classifier on labelled pictures; score it on the test split; write it all into a run folder."""
    from tfconv.cli.train import train

    train(config, sys.modules[__name__], "images")


def check(config: TrainImages) -> None:
    """Refuse settings that are out of range or do not go together, before anything is read."""
    check_options(config)
    check_numbers(config, {"size": 8}, ())
    check_source(config.data, "images")
    for name in ("mixup", "cutmix"):
        value = getattr(config, name)
        if value is not None and not 0.001 <= value <= 1000:
            raise InputError(f"--{name} must be from 0.001 to 1000, got {value}")
    if config.optimizer == "lazy-adam":
        raise InputError("--optimizer lazy-adam is for the words of texts: use --optimizer adam")
    if config.balanced == "weights" and (config.mixup is not None or config.cutmix is not None):
        raise InputError(
            "--balanced weights needs one class a picture: use --balanced sampling with --mixup or --cutmix"
        )


def settled(config: TrainImages) -> TrainImages:
    """Return the settings with what a look at a CSV file finds."""
    return with_found_columns(config, "image")


def read(config: TrainImages) -> "ImageData":
    """Return the data set, its pictures decoded; `runtime.configure("images")` comes first."""
    from tfconv.data import image_source

    return image_source(config.data, columns_of(config), size=config.size, fit=config.fit, channels=config.channels)


def prepare(config: TrainImages, data: "ImageData") -> "ImageData":
    """Return the data set with the settings by which it gives batches."""
    if "train" in data.examples and data.examples["train"].all_equal:
        raise InputError(f"{data.name}: all training pictures are the same, so that nothing tells the classes apart")
    preprocess = None
    if config.from_ is not None:
        from tfconv.data.preprocess import load_preprocess

        preprocess = load_preprocess(config.from_ / "preprocess")
    return data.prepare(
        batch_size=config.batch_size,
        augment=_augment(config.augment),
        balanced=config.balanced == "sampling",
        preprocess=preprocess,
        seed=config.seed,
    )


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


def build(config: TrainImages, data: "ImageData") -> "keras.Model":
    """Return the model, untrained."""
    import numpy as np

    from tfconv import models

    precision = chosen_precision(config)
    if config.from_ is not None:
        from tfconv.kinds.fine_tuning import starting_model
        from tfconv.training import load_run

        return starting_model(load_run(config.from_), data, dtype=precision)

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


def optimizer(config: TrainImages, data: "ImageData") -> "keras.optimizers.Optimizer":
    """Return a new optimizer as the settings say."""
    return make_optimizer(config, data)


def objective(config: TrainImages, data: "ImageData") -> tuple[Any, Any]:
    """Return loss and metrics; `None`: those that `fit` chooses by the labels."""
    from tfconv import training

    mixing = config.mixup is not None or config.cutmix is not None
    smoothing = 0.0 if not data.task.exclusive else config.label_smoothing
    if not mixing and smoothing == 0 and data.task.exclusive:
        return None, None
    return training.soft_label_objective(data.outputs, multi_label=not data.task.exclusive, label_smoothing=smoothing)


def training_batches(config: TrainImages, data: "ImageData") -> "tf.data.Dataset":
    """Return what is trained on."""
    if config.mixup is None and config.cutmix is None:
        return data.train
    from tfconv.data import augment

    return augment.mixed(
        data.train, data.outputs, mixup_alpha=config.mixup, cutmix_alpha=config.cutmix, seed=config.seed
    )


def describe(config: TrainImages, data: "ImageData", model: "keras.Model") -> str:
    """Return a line on the model."""
    height, width, channels = data.image_shape
    return f"{config.model}: {model.count_params():,} parameters, pictures of {height} x {width} x {channels}"


def following(config: TrainImages) -> list[str]:
    """Return the commands that come next."""
    return [
        f"tfconv predict {config.run} picture.jpg",
        f"tfconv plot {config.run} predictions",
        f"tfconv export {config.run} saved_models/{config.run.name}",
    ]


_OPTIONS = (
    "image",
    "label",
    "split",
    "size",
    "fit",
    "channels",
    "test",
    "validation",
    "multi_label",
    "separator",
    "skip",
    "seed",
    *DIALECT,
)


def own_images(run: Any) -> "tuple[ImageData, str]":
    """Read a run's own data set, divided as it was for training.

    Args:
        run: from `load_run`, of pictures.

    Returns:
        The data set, and the name of the split that the run is scored on: test, or what stands in for it.

    Raises:
        InputError: the run does not say what it was trained on, or that has changed.
    """
    from tfconv import data

    source = unchanged_source(run)
    columns, options = read_options(run, _OPTIONS, TrainImages)
    found = data.image_source(source, columns, **options)
    shape = next(iter(found.examples.values())).store.shape[1:]
    before = (*run.preprocess.size, run.preprocess.channels)
    for what, then, now in (("classes", run.class_names, found.class_names), ("shape", before, shape)):
        if tuple(then) != tuple(now):
            were, are = ", ".join(map(str, then)), ", ".join(map(str, now))
            raise InputError(f"{source} changed since training: the {what} of its pictures were {were}, now {are}")
    return found, next(name for name in ("test", "validation", "train") if name in found.examples)


def labelled_images(run: Any, data: str | None) -> "tuple[tf.data.Dataset, str]":
    """Read a run's own test split, or another data set.

    Args:
        run: from `load_run`, of pictures.
        data: a data set like the one it was trained on; all its splits count. `None`: the run's own test split.

    Returns:
        Batches (normalised pictures, labels by the run's class numbers), and what to call them.

    Raises:
        InputError: the data cannot be read or have changed, their pictures have another size, or they have a class that
            the run does not know.
    """
    import numpy as np

    from tfconv.data import ImageExamples, ImagePreparation

    if data is None:
        found, split = own_images(run)
        splits = [split]
    else:
        found, splits = _other_images(run, data)
    what = f"{found.name}, {' and '.join(splits)}" + (" split" if data is None else "")
    if unknown := sorted(set(found.class_names) - set(run.class_names)):
        raise InputError(
            f"{what} has the class {unknown[0]!r}, which the run does not know: {', '.join(run.class_names)}"
        )
    parts = [found.examples[split] for split in splits]
    labels = np.concatenate([part.labels for part in parts])
    place = np.array([run.class_names.index(name) for name in found.class_names])
    if run.multi_label:
        wide = np.zeros((len(labels), len(run.class_names)), np.float32)
        wide[:, place] = labels
    rows = np.concatenate([np.arange(len(part)) if part.rows is None else part.rows for part in parts])
    every = ImageExamples(parts[0].store, wide if run.multi_label else place[labels].astype(np.int32), rows)
    return ImagePreparation(batch_size=256).batches(every, run.preprocess, training=False), what


def _other_images(run: Any, data: str) -> "tuple[ImageData, list[str]]":
    from tfconv.data import image_source

    kept = ("image", "label", "multi_label", "separator", "skip", *DIALECT)
    columns, options = read_options(run, kept, TrainImages)
    preprocess = run.preprocess
    if data == "synthetic":
        options["size"] = preprocess.size[0]
    elif data != "cifar10":  # whose pictures have a size of their own
        options |= {"size": preprocess.size, "fit": preprocess.fit, "channels": preprocess.channels}
    found = image_source(data, dataclasses.replace(columns, validation=0.0), **options)
    shape = next(iter(found.examples.values())).store.shape[1:]
    if shape != (*preprocess.size, preprocess.channels):
        took, there = "x".join(map(str, (*preprocess.size, preprocess.channels))), "x".join(map(str, shape))
        raise InputError(f"{data} has pictures of {there}, and the run takes {took}: give a data set of that size")
    return found, list(found.examples)
