"""Labelled images: one split (`ImageExamples`) and a whole data set (`ImageData`)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tfconv.data.dataset import LabelledData, class_counts
from tfconv.errors import InputError, check_whole

if TYPE_CHECKING:
    import tensorflow as tf

    from tfconv.data.image.preprocess import ImagePreprocess

__all__ = ["ImageData", "ImageExamples", "ImagePreparation", "image_batches"]

_READ_AT_ONCE = 1024  # images
_CHUNK = 1 << 24  # bytes of pixels that the statistics look at in one go


@dataclass(frozen=True)
class ImagePreparation:
    """How images become batches.

    Args:
        batch_size: images a batch.
        augment: from images, uint8 (batch, height, width, channels), and a seed, int32 (2,), to images of the same
            shape with values from 0 to 255; for training batches only, inside `Dataset.map`, before the crop. It is
            traced as it is: Python's `if` and `for` over tensors need `tf.function` around it.
        crop: side of the square that the model meets; training images are cut at a random place, others in the
            middle. `None`: whole images.
        standardize: subtract each channel's mean and divide by its deviation, both of the training split; `False`:
            pixels from 0 to 1, as in `keras.layers.Rescaling(1 / 255)`.
        balanced: draw every class equally often in training, as in `tfconv.data.Preparation`.
        drop_remainder: leave out the last, smaller training batch (replicas need equal ones).
        seed: of the order of training batches and of what is done to them, together with the epoch and the step; from
            0 to 2**32 - 1.
        preprocess: of an earlier run, to go on from its model: the crop, and each channel's mean and deviation, are its
            own. The images must have been read in its size.

    Raises:
        InputError: a number is out of range or none, or `augment` cannot be called.
    """

    batch_size: int = 128
    augment: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None" = None
    crop: int | None = None
    standardize: bool = True
    balanced: bool = False
    drop_remainder: bool = False
    seed: int = 0
    preprocess: "ImagePreprocess | None" = None

    def __post_init__(self) -> None:
        if self.preprocess is not None:
            object.__setattr__(self, "crop", self.preprocess.crop)
        check_whole("batch_size", self.batch_size)
        check_whole("crop", self.crop, optional=True)
        check_whole("seed", self.seed, 0, 32)
        augment: Any = self.augment
        if augment is not None and not callable(augment):
            raise InputError(f"augment must be a function of images and seed, got {augment!r:.60}")

    def batches(self, examples: "ImageExamples", preprocess: "ImagePreprocess", *, training: bool) -> "tf.data.Dataset":
        """Batches (float32 images, labels): reshuffled and augmented for training, in the given order otherwise."""
        return image_batches(
            examples,
            preprocess,
            batch_size=self.batch_size,
            seed=self.seed if training else None,
            augment=self.augment if training else None,
            balanced=self.balanced and training,
            drop_remainder=self.drop_remainder and training,
        )


@dataclass(frozen=True, eq=False, repr=False)
class ImageExamples:
    """The images and labels of one split; the pixels are in an array that all splits share.

    Args:
        store: uint8 (N, height, width, channels); an `np.memmap` where the images are larger than memory.
        labels: int32 (n,), the class index of each image; or float32 (n, classes) of 0 and 1 where an image has any
            number of labels.
        rows: int64 (n,), the place of each image in `store`; `None`: the split is the whole store.

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
            raise ValueError(f"labels must be as many as images: {len(self.labels)} labels, {len(self)} images")

    def __len__(self) -> int:
        return len(self.store if self.rows is None else self.rows)

    def __repr__(self) -> str:
        size = "x".join(str(side) for side in self.store.shape[1:])
        return f"ImageExamples({len(self):,} images of {size}, labels {self.labels.dtype} {self.labels.shape})"

    def take(self, indices: np.ndarray) -> "ImageExamples":
        """The examples at `indices`, in that order, in the same store."""
        rows = np.asarray(indices, np.int64) if self.rows is None else self.rows[indices]
        return ImageExamples(self.store, self.labels[indices], rows)

    def join(self, other: "ImageExamples") -> "ImageExamples":
        """These examples, then the others, in the same store.

        Raises:
            ValueError: the others are in another store.
        """
        if other.store is not self.store:
            raise ValueError("only images of one store can be joined without copying their pixels")
        rows = [np.arange(len(part)) if part.rows is None else part.rows for part in (self, other)]
        return ImageExamples(self.store, np.concatenate([self.labels, other.labels]), np.concatenate(rows))

    def contents(self) -> Iterator[bytes]:
        """The pixels of each image as bytes, by which equal ones are told."""
        for start in range(0, len(self), _READ_AT_ONCE):
            rows = np.arange(start, min(start + _READ_AT_ONCE, len(self)))
            yield from (pixels.tobytes() for pixels in self.images(rows))

    def excerpt(self, number: int) -> str:
        """Nothing of an image can be said in a message."""
        return ""

    def class_counts(self, classes: int) -> np.ndarray:
        """How many images bear each label: int64 (classes,)."""
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
        """Whether all images have the same pixels."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return all(np.array_equal(self.store[row], self.store[rows[0]]) for row in rows)

    def channel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and population standard deviation of each channel, of pixels from 0 to 1.

        Sums of whole numbers, so the figures are exact to the last digit however many images there are. A channel
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
    """A data set of images of one size with its splits.

    Args:
        name: what it is called: `"cifar10"`, a folder's name.
        class_names: the classes in the order of the label indices.
        examples: the splits: `"train"`, and where there are such `"validation"`, `"test"`; all in one store.
        skipped: one line for each file that was left out, such as `"photos/cat/7.jpg: not an image"`.
        preparation: how images become batches; `prepare` changes it.
        fit: how images of other shapes were brought to the store's size, for those that the model meets later:
            `"crop"` or `"stretch"`, see `ImagePreprocess`.
        task: one class an image (default), or any number of labels.
    """

    unit: ClassVar[str] = "image"

    examples: dict[str, ImageExamples]
    preparation: ImagePreparation = ImagePreparation()
    fit: Literal["crop", "stretch"] = "crop"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images that a model meets, after the crop."""
        height, width, channels = next(iter(self.examples.values())).store.shape[1:]
        side = self.preparation.crop
        return (height, width, channels) if side is None else (side, side, channels)

    @cached_property
    def preprocess(self) -> "ImagePreprocess":
        """The preprocessing from encoded images to a model's input, with the training split's statistics.

        Raises:
            InputError: there is no training split, the crop is larger than the images, or these are of another size
                than those of an earlier run's `preprocess`.
        """
        from tfconv.data.image.preprocess import ImagePreprocess

        if "train" not in self.examples:
            raise InputError(f"the statistics come from the split 'train', and there is only {sorted(self.examples)}")
        train = self.examples["train"]
        height, width, channels = train.store.shape[1:]
        known = self.preparation.preprocess
        if known is not None:
            if (*known.size, known.channels) != (height, width, channels):
                raise InputError(
                    f"images must be read as in the earlier run, {known.size[0]}x{known.size[1]}x{known.channels}, "
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
            task=self.task,
        )

    def _batches(self, split: str, training: bool) -> "tf.data.Dataset":
        return self.preparation.batches(self.examples[split], self.preprocess, training=training)


def image_batches(
    examples: "ImageExamples",
    preprocess: "ImagePreprocess",
    *,
    batch_size: int,
    seed: int | None = None,
    augment: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None" = None,
    balanced: bool = False,
    drop_remainder: bool = False,
) -> "tf.data.Dataset":
    """Batches of stored images; only those of a batch are read, so the store may be larger than memory.

    Args:
        examples: images of the size that `preprocess` decodes to.
        preprocess: normalises, and says whether a square is cut out.
        batch_size: images a batch.
        seed: shuffle by (seed, epoch) and cut at random places; `None`: keep the order and cut in the middle.
        augment: as in `ImagePreparation`; it needs a `seed`.
        balanced: draw every class equally often; it needs a `seed`.
        drop_remainder: leave out the last, smaller batch.

    Returns:
        Batches (float32 (batch, height, width, channels), labels), with `at_epoch` where there is a seed.

    Raises:
        ValueError: `batch_size` is out of range, or too few images for one batch.
        InputError: `augment` gives something else than a batch of the same shape.
    """
    import tensorflow as tf

    from tfconv.data.batching import row_batches
    from tfconv.data.image.augment import random_crop

    shape = examples.store.shape[1:]
    if augment is not None:
        _check_augment(augment, (min(batch_size, len(examples)), *shape))

    def read(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return examples.images(rows), examples.labels[rows]

    def take(rows: "tf.Tensor", epoch: "tf.Tensor", step: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        images, labels = tf.numpy_function(read, [rows], (tf.uint8, examples.labels.dtype), stateful=False)
        images.set_shape([rows.shape[0], *shape])
        labels.set_shape([rows.shape[0], *examples.labels.shape[1:]])
        if seed is not None:
            key = tf.constant([seed, 0], tf.int64)
            for number in (epoch, step):
                key = tf.random.experimental.stateless_fold_in(key, number)
            seeds = tf.cast(tf.random.split(key), tf.int32)
            if augment is not None:
                images = tf.ensure_shape(augment(images, seeds[0]), images.shape)
            if preprocess.crop is not None:
                images = random_crop(images, seeds[1], preprocess.crop)
        return preprocess.normalize(images), labels

    return row_batches(
        len(examples),
        take,
        batch_size=batch_size,
        seed=seed,
        classes=examples.labels if balanced else None,
        drop_remainder=drop_remainder,
        unit="image",
    )


def _check_augment(augment: "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]", shape: tuple[int, ...]) -> None:
    """Try it outside of `Dataset.map`, where an error becomes one of TensorFlow's, of many lines."""
    import tensorflow as tf

    specs = tf.TensorSpec(shape, tf.uint8), tf.TensorSpec([2], tf.int32)
    found = tf.function(augment, autograph=False).get_concrete_function(*specs).structured_outputs
    if not isinstance(found, tf.Tensor | tf.TensorSpec) or not found.shape.is_compatible_with(shape):
        raise InputError(f"augment must give one tensor of the shape of the batch, {shape}, and gives {found!r:.100}")
