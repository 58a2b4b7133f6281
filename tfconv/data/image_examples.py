"""Labelled pictures: one split (`ImageExamples`) and a whole data set (`ImageData`)."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from tfconv.data.image_preparation import ImagePreparation
from tfconv.data.labelled import LabelledData, class_counts
from tfconv.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.image import ImagePreprocess

__all__ = ["ImageData", "ImageExamples"]

_CHUNK = 1 << 24  # bytes of pixels that the statistics look at in one go


@dataclass(frozen=True, eq=False, repr=False)
class ImageExamples:
    """The pictures and labels of one split; the pixels lie in an array that all splits share.

    Args:
        store: uint8 (N, height, width, channels); an `np.memmap` where the pictures are larger than memory.
        labels: int32 (n,), the class index of each picture; or float32 (n, classes) of 0 and 1 where a picture has any
            number of labels.
        rows: int64 (n,), where each picture lies in `store`; `None`: the split is the whole store.

    Raises:
        ValueError: `store` is no such array, or `labels` is not as long as `rows` (or the store).
    """

    store: np.ndarray
    labels: np.ndarray
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.store.dtype != np.uint8 or self.store.ndim != 4:
            found = f"{self.store.dtype} {self.store.shape}"
            raise ValueError(f"store must be uint8 (number, height, width, channels), got {found}")
        if len(self) != len(self.labels):
            raise ValueError(f"labels must be as many as pictures: {len(self.labels)} labels, {len(self)} pictures")

    def __len__(self) -> int:
        return len(self.store if self.rows is None else self.rows)

    def __repr__(self) -> str:
        size = "x".join(str(side) for side in self.store.shape[1:])
        return f"ImageExamples({len(self):,} pictures of {size}, labels {self.labels.dtype} {self.labels.shape})"

    def take(self, indices: np.ndarray) -> "ImageExamples":
        """The examples at `indices`, in that order, in the same store."""
        rows = np.asarray(indices, np.int64) if self.rows is None else self.rows[indices]
        return ImageExamples(self.store, self.labels[indices], rows)

    def join(self, other: "ImageExamples") -> "ImageExamples":
        """These examples, then the others, in the same store.

        Raises:
            ValueError: the others lie in another store.
        """
        if other.store is not self.store:
            raise ValueError("only pictures of one store can be joined without copying their pixels")
        rows = [np.arange(len(part)) if part.rows is None else part.rows for part in (self, other)]
        return ImageExamples(self.store, np.concatenate([self.labels, other.labels]), np.concatenate(rows))

    def class_counts(self, classes: int) -> np.ndarray:
        """How many pictures bear each label: int64 (classes,)."""
        return class_counts(self.labels, classes)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """The pixels of the examples at `indices`: uint8 (k, height, width, channels), a copy."""
        rows = indices if self.rows is None else self.rows[indices]
        return np.take(np.asarray(self.store), rows, axis=0)  # asarray: a memory map stays one, as a plain array

    @property
    def pixels(self) -> np.ndarray:
        """The pixels of all examples: uint8 (n, height, width, channels); without `rows` the store itself."""
        return self.store if self.rows is None else self.images(np.arange(len(self)))

    @property
    def all_equal(self) -> bool:
        """Whether every picture has the pixels of the first one; found out at the first that differs."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return all(np.array_equal(self.store[row], self.store[rows[0]]) for row in rows)

    def channel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and population standard deviation of each channel, of pixels from 0 to 1.

        Sums of whole numbers, so the figures are exact to the last digit however many pictures there are. A channel
        that is the same everywhere gets the deviation 1, so that dividing by it is harmless.
        """
        channels = self.store.shape[-1]
        rows = np.arange(len(self)) if self.rows is None else np.sort(self.rows)  # sorted: a disk is read forwards
        step = max(1, _CHUNK // max(1, self.store[:1].nbytes))
        totals, squares = [0] * channels, [0] * channels
        for start in range(0, len(rows), step):
            pixels = np.take(np.asarray(self.store), rows[start : start + step], axis=0).reshape(-1, channels)
            squared = np.square(pixels, dtype=np.uint16)  # 255 * 255 still fits
            for channel in range(channels):
                totals[channel] += int(pixels[:, channel].sum(dtype=np.uint64))
                squares[channel] += int(squared[:, channel].sum(dtype=np.uint64))
        count = len(self) * self.store.shape[1] * self.store.shape[2]
        means = tuple(total / (255 * count) for total in totals)
        variances = [
            (count * square - total * total) / (255 * count) ** 2 for total, square in zip(totals, squares, strict=True)
        ]
        return means, tuple(variance**0.5 if variance else 1.0 for variance in variances)


@dataclass(frozen=True, eq=False, repr=False)
class ImageData(LabelledData):
    """A data set of pictures of one size with its splits.

    Args:
        name: what it is called: `"cifar10"`, a folder's name.
        class_names: the classes in the order of the label indices.
        multi_label: whether a picture may have any number of labels.
        examples: the splits: `"train"`, and where there are such `"validation"`, `"test"`; all in one store.
        skipped: one line for each file that was left out, such as `"photos/cat/7.jpg: not a picture"`.
        preparation: how pictures become batches; `prepare` changes it.
        fit: how pictures of other shapes were brought to the store's size, for those that the model meets later:
            `"crop"` or `"stretch"`, see `ImagePreprocess`.
    """

    unit: ClassVar[str] = "picture"

    examples: dict[str, ImageExamples]
    preparation: ImagePreparation = ImagePreparation()
    fit: Literal["crop", "stretch"] = "crop"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the pictures that a model meets, after the crop."""
        height, width, channels = next(iter(self.examples.values())).store.shape[1:]
        side = self.preparation.crop
        return (height, width, channels) if side is None else (side, side, channels)

    @cached_property
    def preprocess(self) -> "ImagePreprocess":
        """What turns encoded pictures into a model's input; where `standardize`, by the training split's statistics.

        Raises:
            InputError: there is no training split, the crop is larger than the pictures, or these are of another size
                than those of an earlier run's `preprocess`.
        """
        from tfconv.data.image import ImagePreprocess

        if "train" not in self.examples:
            raise InputError(f"the statistics come from the split 'train', and there is only {sorted(self.examples)}")
        train = self.examples["train"]
        height, width, channels = train.store.shape[1:]
        known = self.preparation.preprocess
        if known is not None:
            if (*known.size, known.channels) != (height, width, channels):
                raise InputError(
                    f"pictures must be read as in the earlier run, {known.size[0]}x{known.size[1]}x{known.channels}, "
                    f"got {height}x{width}x{channels}: give its size and channels when reading them"
                )
            mean, std = known.mean, known.std
        elif self.preparation.standardize:
            mean, std = train.channel_statistics()
        else:
            mean, std = (0.0,) * channels, (1.0,) * channels
        return ImagePreprocess(
            (height, width),
            crop=self.preparation.crop,
            channels=channels,
            fit=self.fit,
            mean=mean,
            std=std,
            class_names=self.class_names,
            multi_label=self.multi_label,
        )

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        return self.preparation.batches(self.examples[split], self.preprocess, training=training)
