"""The graph that answers encoded pictures and pixels: decoding, resizing, normalisation and model in one."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfconv.data.image import ImagePreprocess
from tfconv.evaluation.encoded_images import checked_decode
from tfconv.evaluation.probability_graphs import pixel_graph
from tfconv.export.graph import ServedClassifier, bytes_feature

__all__ = ["ServedImageClassifier"]

FEATURE = "image"


class ServedImageClassifier(ServedClassifier):
    """What is saved of an image classifier. Its signatures:

    - `serving_default(image: string (n,), JPEG, PNG, BMP or GIF of any size) -> {"probabilities": float32 (n, C),
      "label": string (n,), "score": float32 (n,)}`
    - `pixels(pixels: uint8 (n, h, w, channels), of any one size) ->` the same
    - `classify(inputs: string (n,), serialised tf.train.Example with a bytes feature "image") ->
      {"classes": string (n, C), "scores": float32 (n, C)}`, for the classify calls of TensorFlow Serving.

    Args:
        model: normalised pictures (n, height, width, channels) to logits (n, 1) or (n, C).
        preprocess: decodes, resizes and normalises.
        class_names: C names.
        **others: as in `ServedClassifier`.
    """  # noqa: D415

    def __init__(self, model: Any, preprocess: ImagePreprocess, class_names: Sequence[str], **others: Any):
        super().__init__(model, preprocess, class_names, **others)
        # Functions of their own: the signatures share one trace of each.
        self._decoded = tf.function(
            lambda encoded: checked_decode(preprocess, encoded), input_signature=[tf.TensorSpec([None], tf.string)]
        )
        self._probabilities = tf.function(
            pixel_graph(model, preprocess, multi_label=self._multi_label),
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
        """Answer encoded pictures."""
        # The server feeds any shape: a single string, or one string a row, is meant as pictures too.
        return self._answers(self._probabilities(self._decoded(tf.reshape(image, [-1]))))

    @tf.function
    def pixels(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer decoded pictures, all of one size."""
        return self._answers(self._probabilities(self.preprocess.resize(pixels)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answer `tf.train.Example`s with all classes and their probabilities, in the order of the classes."""
        return self._classified(self._probabilities(self._decoded(bytes_feature(inputs, FEATURE))))
