"""From encoded images to a model's input: decode, resize, crop, normalise.

All is TensorFlow operations: the very graph that read the training files goes into the exported model.
"""

import math
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from tfconv.data.image.decode import decode_pixels, fit_pixels
from tfconv.data.preprocess import are_strings, pop_task, read_json, unreadable, write_kind
from tfconv.errors import InputError, check_whole
from tfconv.files import write_json
from tfconv.tasks import CLASSIFICATION, Task

__all__ = ["ImagePreprocess"]


class ImagePreprocess(tf.Module):
    """Encoded images (JPEG, PNG, BMP, GIF) of any size to normalised pixels, in one graph for training and serving.

    Args:
        size: height and width that an image is brought to, or one number for both.
        crop: side of the square that is then cut out of the middle; `None`: the whole image.
        channels: 1 (grey) or 3 (red, green, blue).
        fit: what is done with an image of another shape: `"crop"` keeps its proportions and cuts off what sticks out
            on two sides, `"stretch"` shows all of it, out of proportion.
        mean: what is subtracted from pixels between 0 and 1, one number a channel (or one for all).
        std: what they are divided by then, likewise.
        class_names: names of the classes in the order of the model's outputs, for who reads its answers.
        task: one class an image, or any number of labels.

    Raises:
        InputError: a number is out of range, `crop` is larger than `size`, another `fit`.
    """

    kind = "images"

    def __init__(
        self,
        size: int | Sequence[int],
        *,
        crop: int | None = None,
        channels: int = 3,
        fit: Literal["crop", "stretch"] = "crop",
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        class_names: Sequence[str] = (),
        task: Task = CLASSIFICATION,
    ):
        super().__init__(name="image_preprocess")
        sides = size if isinstance(size, Sequence) else (size, size)
        if len(sides) != 2:
            raise InputError(f"size must be height and width, or one number for both, got {size!r:.60}")
        height, width = sides
        check_whole("size", height)
        check_whole("size", width)
        check_whole("crop", crop, optional=True)
        if crop is not None and crop > min(height, width):
            raise InputError(f"crop must not be larger than the images, {height} x {width}; got {crop}")
        check_whole("channels", channels)
        if channels not in (1, 3):
            raise InputError(f"channels must be 1 (grey) or 3 (colours), got {channels!r:.60}")
        if fit not in ("crop", "stretch"):
            raise InputError(f"fit must be 'crop' or 'stretch', got {fit!r}")
        self.size = (int(height), int(width))
        self.crop = crop
        self.channels = channels
        self.fit = fit
        self.mean = _per_channel("mean", mean, channels)
        self.std = _per_channel("std", std, channels)
        if min(self.std) <= 0:
            raise InputError(f"std must be above 0 in every channel, got {self.std}")
        self.class_names = tuple(class_names)
        self.task = task

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a model's input."""
        height, width = self.size if self.crop is None else (self.crop, self.crop)
        return height, width, self.channels

    def __call__(self, encoded: tf.Tensor) -> tf.Tensor:
        """Encoded images (n,) to a model's input, float32 (n, *input_shape)."""
        return self.normalize(self.decode(encoded))

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Encoded images (n,) to uint8 (n, height, width, channels); see `decode_one`.

        Raises:
            tf.errors.InvalidArgumentError: a string is no image, or is cut short; the message does not say which.
        """
        shape = (*self.size, self.channels)
        return tf.map_fn(self.decode_one, encoded, fn_output_signature=tf.TensorSpec(shape, tf.uint8))

    def decode_one(self, encoded: tf.Tensor) -> tf.Tensor:
        """One encoded image, a scalar string, to uint8 (height, width, channels).

        A JPEG, PNG, BMP or GIF (its first image) of any size, by its content and not its name; grey and palettes
        become colours, and colours grey where there is one channel; transparency is ignored.

        Raises:
            tf.errors.InvalidArgumentError: it is no image, or is cut short.
        """
        pixels, extent = decode_pixels(encoded, self.channels, self.size)
        return fit_pixels(pixels[None], extent, self.size, self.fit)[0]

    def resize(self, pixels: tf.Tensor) -> tf.Tensor:
        """Images uint8 (n, h, w, channels) to uint8 (n, height, width, channels), as `decode` does it."""
        pixels = tf.ensure_shape(tf.convert_to_tensor(pixels, tf.uint8), [None, None, None, self.channels])
        return fit_pixels(pixels, tf.cast(tf.shape(pixels)[1:3], tf.float32), self.size, self.fit)

    def normalize(self, pixels: tf.Tensor) -> tf.Tensor:
        """Crop the middle, subtract each channel's mean and divide by its deviation.

        Args:
            pixels: (n, height, width, channels), 0 to 255, uint8 or a float type; of `size`, or cut to `crop` already.

        Returns:
            float32 (n, *input_shape).

        Raises:
            InputError: pixels of another shape.
        """
        pixels = tf.convert_to_tensor(pixels)
        whole = pixels.shape
        if self.crop is not None:
            height, width = tf.shape(pixels)[1], tf.shape(pixels)[2]
            top, left = (height - self.crop) // 2, (width - self.crop) // 2
            pixels = pixels[:, top : top + self.crop, left : left + self.crop]
        if not pixels.shape.is_compatible_with((None, *self.input_shape)):
            expected = " or ".join(str((*sides, self.channels)) for sides in {self.size, self.input_shape[:2]})
            raise InputError(f"pixels must be a batch of images {expected}, got shape {whole}")
        pixels = tf.ensure_shape(pixels, [None, *self.input_shape])
        scale = tf.constant([1 / (255 * std) for std in self.std], tf.float32)
        shift = tf.constant([-mean / std for mean, std in zip(self.mean, self.std, strict=True)], tf.float32)
        return tf.cast(pixels, tf.float32) * scale + shift

    def save(self, directory: str | Path) -> None:
        """Write `image.json` and `kind.json` into `directory`; the folder is made if need be."""
        settings: dict[str, Any] = {"size": list(self.size), "crop": self.crop, "channels": self.channels}
        settings |= {"fit": self.fit, "mean": list(self.mean), "std": list(self.std)}
        settings |= {"class_names": list(self.class_names), "task": self.task.name}
        write_json(Path(directory) / "image.json", settings)
        write_kind(directory, self.kind)

    @classmethod
    def load(cls, directory: str | Path) -> "ImagePreprocess":
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing, cut short or broken.
        """
        (settings,) = read_json(directory, ("image.json",), "image")
        if not isinstance(settings, dict) or "size" not in settings:
            raise unreadable(directory, "image", "image.json lacks size")
        if not are_strings(settings.get("class_names", [])):
            raise unreadable(directory, "image", "class_names is no list of strings")
        try:
            task = pop_task(settings)
            return cls(**settings, task=task)
        except (ValueError, TypeError) as error:
            raise unreadable(directory, "image", error) from None


def _per_channel(name: str, numbers: Sequence[float], channels: int) -> tuple[float, ...]:
    """One number for each channel."""
    good = isinstance(numbers, Sequence) and len(numbers) in (1, channels)
    if not good or not all(isinstance(number, Real) and math.isfinite(number) for number in numbers):
        raise InputError(f"{name} must be one number, or one for each of {channels} channels, got {numbers!r:.60}")
    return tuple(float(number) for number in (numbers if len(numbers) == channels else list(numbers) * channels))
