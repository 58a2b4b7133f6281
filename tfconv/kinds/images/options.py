"""Settings of `tfconv train images`."""

import dataclasses
from typing import Annotated, ClassVar, Literal

import tyro

from tfconv.kinds.options import Precision, Schedule, Sweep, TableOptions, TrainingOptions

__all__ = ["CheckImages", "SweepImages", "TrainImages"]

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
class TrainImages(TableOptions, TrainingOptions):
    """Settings of `tfconv train images`."""

    usual_epochs: ClassVar[int] = 12
    usual_batch_size: ClassVar[int] = 128
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """folder of classes; .csv, .tsv, .jsonl or .parquet file of paths; cifar10; synthetic; tfds:NAME"""
    image: str | None = None  # column of the images' paths; without it: image, or found
    validation: float | None = None  # fraction of the training images to hold out; without it: 0.1, of CIFAR-10 0.2
    size: int | None = None  # height and width that images are resized to; without it: their own up to 64, else 64
    fit: Literal["crop", "stretch"] | None = None  # how images of another shape are resized; without it: crop
    channels: Literal[1, 3] | None = None  # of what the model sees, 1 for grey; without it: 1 where all files are grey
    augment: Augment = "side-on"  # data augmentation; top-down: all eight symmetries
    mixup: float | None = None  # mixup with alpha of its Beta distribution, such as 0.2
    cutmix: float | None = None  # CutMix with alpha of its Beta distribution, such as 1
    model: Model = "whitened-resnet"  # architecture; resnet18 and 34 are for images of about 224 pixels
    epochs: int | None = None  # passes over the training images; without it: 12, more where there are few
    batch_size: int | None = None  # images a step, on all devices together; without it: 128, less where there are few
    learning_rate: float = 0.003  # the highest of the schedule
    schedule: Schedule = "cosine"  # learning-rate schedule; see it with: tfconv plot schedule NAME
    weight_decay: float = 0.02  # decoupled weight decay; not of biases and normalization
    label_smoothing: float = 0.1  # label smoothing, from 0 to below 1; not with several labels
    precision: Precision = "auto"  # dtype policy of training; the saved model is float32


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepImages(Sweep, TrainImages):
    """Settings of `tfconv lr-find images`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckImages:
    """Settings that `tfconv check` has for this kind only.

    Args:
        image: column of the images' paths; without it: image
        size: height and width that images are resized to
        channels: of what the model sees; without it: 1 where all files are grey
    """

    image: str | None = None
    size: int | None = None
    channels: Literal[1, 3] | None = None
