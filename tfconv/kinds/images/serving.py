"""The graph that answers encoded images and pixels: decoding, resizing, normalisation and model in one."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from tfconv.data.image.batch_decode import ImageReader, decode_batch
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.errors import InputError
from tfconv.evaluation.probability import check_image_shape, pixel_graph
from tfconv.export.graph import ServedClassifier, Serving, bytes_feature
from tfconv.tasks import Task

__all__ = ["ServedImageClassifier", "image_logits", "image_samples", "image_serving", "network_inputs", "png_pixels"]


FEATURE = "image"


def image_serving(model: Any, preprocess: ImagePreprocess, samples: Sequence[bytes]) -> Serving:
    """Say what an export of an image classifier writes, and what it is compared on.

    Raises:
        InputError: a sample is no image, the model takes other images than the preprocessing makes, or its answer is
            not finite.
    """

    def module(names: Sequence[str], task: Task, separator: str, assets: Path) -> ServedImageClassifier:
        return ServedImageClassifier(model, preprocess, names, task=task, separator=separator, assets=assets)

    images = image_samples(preprocess, samples)
    instances = [{"b64": base64.b64encode(image).decode()} for image in (list(samples) or images)[:2]]
    logits = image_logits(model, preprocess, images)
    arrays = {"pixels": png_pixels(preprocess, images)}
    return Serving(module, FEATURE, images, logits, instances, network_inputs(preprocess), arrays)


def network_inputs(preprocess: ImagePreprocess) -> list[npt.NDArray[np.float32]]:
    """One normalised image of noise."""
    shape = (1, *preprocess.size, preprocess.channels)
    return [preprocess.normalize(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).numpy()]


class ServedImageClassifier(ServedClassifier):
    """What is saved of an image classifier. Its signatures:

    - `serving_default(image: string (n,), JPEG, PNG, BMP or GIF of any size) -> {"probabilities": float32 (n, C),
      "label": string (n,), "score": float32 (n,)}`
    - `pixels(pixels: uint8 (n, h, w, channels), of any one size) ->` the same
    - `classify(inputs: string (n,), serialised tf.train.Example with a bytes feature "image") ->
      {"classes": string (n, C), "scores": float32 (n, C)}`, for the classify calls of TensorFlow Serving.

    Args:
        model: normalised images (n, height, width, channels) to logits (n, 1) or (n, C).
        preprocess: decodes, resizes and normalises.
        class_names: C names.
        **others: as in `ServedClassifier`.
    """  # noqa: D415

    def __init__(self, model: Any, preprocess: ImagePreprocess, class_names: Sequence[str], **others: Any):
        super().__init__(model, preprocess, class_names, **others)
        # Functions of their own: the signatures share one trace of each.
        self._decoded = tf.function(
            lambda encoded: decode_batch(preprocess, encoded), input_signature=[tf.TensorSpec([None], tf.string)]
        )
        self._probabilities = tf.function(
            pixel_graph(model, preprocess, task=self._task),
            input_signature=[tf.TensorSpec([None, None, None, preprocess.channels], tf.uint8)],
        )

    def signatures(self) -> dict[str, Any]:
        """Trace the signatures."""
        pixels = tf.TensorSpec([None, None, None, self.preprocess.channels], tf.uint8, name="pixels")
        return {
            "serving_default": self.serving_default.get_concrete_function(),
            "pixels": self.pixels.get_concrete_function(pixels),
            "classify": self.classify.get_concrete_function(),
        }

    # Not `image_bytes`: TensorFlow Serving needs no such ending for inputs, {"b64": ...} is enough.
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=FEATURE)])
    def serving_default(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer encoded images."""
        # The server feeds any shape: a single string, or one string a row, is meant as images too.
        return self._answers(self._probabilities(self._decoded(tf.reshape(image, [-1]))))

    @tf.function
    def pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer decoded images, all of one size."""
        return self._answers(self._probabilities(self.preprocess.resize(pixels)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer `tf.train.Example`s with all classes and their probabilities, in the order of the classes."""
        return self._classified(self._probabilities(self._decoded(bytes_feature(inputs, FEATURE))))


_SAMPLES = (  # format, Pillow's mode, height and width; None: the size that images are brought to
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
    """Encoded images of every format, of several modes and sizes, and `more`.

    Raises:
        InputError: one of `more` is no image.
    """
    ImageReader(preprocess)(more)
    return [*(_image(form, mode, size or preprocess.size) for form, mode, size in _SAMPLES), *more]


def png_pixels(preprocess: ImagePreprocess, samples: Sequence[bytes]) -> dict[int, npt.NDArray[np.uint8]]:
    """The pixels of the samples that are PNG, in their own sizes, (h, w, channels), by place.

    Not those of JPEG files: a large one is decoded smaller than it is.
    """
    decoded = {place: tf.io.decode_png(one, 3) for place, one in enumerate(samples) if one.startswith(b"\x89PNG")}
    grey = preprocess.channels == 1
    return {place: (tf.image.rgb_to_grayscale(one) if grey else one).numpy() for place, one in decoded.items()}


def image_logits(model: Any, preprocess: ImagePreprocess, samples: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Ask the model itself about one image at a time: float32 (n, outputs).

    Raises:
        InputError: the model takes other images than the preprocessing makes, or an answer is not finite.
    """
    check_image_shape(model, preprocess)
    rows = []
    for sample in samples:
        rows.append(np.asarray(model(preprocess(tf.constant([sample])), training=False), np.float32))
        if not np.isfinite(rows[-1]).all():
            raise InputError("the model's answer to an image is not finite: a server would meet it too")
    return np.concatenate(rows)


def _image(form: str, mode: str, size: tuple[int, int]) -> bytes:
    """Encode a smooth image with all levels in it, the same each time."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 4, 4), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.convert("RGB" if mode == "P" else mode).convert(mode).save(file, form)
    return file.getvalue()
