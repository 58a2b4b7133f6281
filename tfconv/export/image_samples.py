"""Pictures on which an export is compared with the live model, and the live model's answers."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from tfconv.data.image import ImagePreprocess
from tfconv.errors import InputError
from tfconv.evaluation.encoded_images import PictureReader
from tfconv.evaluation.probability_graphs import check_picture_shape

__all__ = ["image_logits", "image_samples", "png_pixels"]

_SAMPLES = (  # format, Pillow's mode, height and width; None: the size that pictures are brought to
    ("JPEG", "RGB", None),
    ("PNG", "RGB", None),
    ("JPEG", "RGB", (37, 53)),
    ("JPEG", "L", (64, 40)),
    ("JPEG", "RGB", (900, 1200)),
    ("PNG", "RGBA", (41, 29)),
    ("PNG", "L", (30, 31)),
    ("PNG", "P", (17, 90)),
    ("PNG", "RGB", (1, 1)),
    ("PNG", "RGB", (3, 500)),
    ("BMP", "RGB", (33, 47)),
    ("GIF", "P", (45, 45)),
)


def image_samples(preprocess: ImagePreprocess, more: Sequence[bytes]) -> list[bytes]:
    """Encoded pictures of every format, of several modes and sizes, and `more`.

    Raises:
        InputError: one of `more` is no picture.
    """
    PictureReader(preprocess)(more)
    return [*(_picture(form, mode, size or preprocess.size) for form, mode, size in _SAMPLES), *more]


def png_pixels(preprocess: ImagePreprocess, samples: Sequence[bytes]) -> dict[int, npt.NDArray[np.uint8]]:
    """The pixels of the samples that are PNG, in their own sizes, (h, w, channels), by place.

    Not those of JPEG files: a large one is decoded smaller than it is.
    """
    decoded = {place: tf.io.decode_png(one, 3) for place, one in enumerate(samples) if one.startswith(b"\x89PNG")}
    grey = preprocess.channels == 1
    return {place: (tf.image.rgb_to_grayscale(one) if grey else one).numpy() for place, one in decoded.items()}


def image_logits(model: Any, preprocess: ImagePreprocess, samples: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Ask the model itself about one picture at a time: float32 (n, outputs).

    Raises:
        InputError: the model takes other pictures than the preprocessing makes, or an answer is not finite.
    """
    check_picture_shape(model, preprocess)
    rows = []
    for sample in samples:
        rows.append(np.asarray(model(preprocess(tf.constant([sample])), training=False), np.float32))
        if not np.isfinite(rows[-1]).all():
            raise InputError("the model's answer to a picture is not finite: a server would meet it too")
    return np.concatenate(rows)


def _picture(form: str, mode: str, size: tuple[int, int]) -> bytes:
    """Encode a smooth picture with all levels in it, the same each time."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 4, 4), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
    file = io.BytesIO()
    picture.convert("RGB" if mode == "P" else mode).convert(mode).save(file, form)
    return file.getvalue()
