"""What the served graphs of texts and of images share: the answers made of probabilities, and what is tracked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["ServedClassifier"]

LABELS_FILE = "labels.txt"


class ServedClassifier(tf.Module):
    """Weights, names and answers of a classifier that is saved; a subclass adds the signatures.

    Args:
        model: to logits (n, 1) or (n, C).
        preprocess: from raw examples to what the model takes, as a `tf.Module`, so that its tables are tracked.
        class_names: C names.
        multi_label: each class is a yes or no of its own.
        separator: between the labels of one example.
        assets: folder that holds `labels.txt` until the module is saved.
    """

    def __init__(
        self,
        model: Any,
        preprocess: Any,
        class_names: Sequence[str],
        *,
        multi_label: bool,
        separator: str,
        assets: Path,
    ):
        super().__init__()
        self.preprocess = preprocess
        # A session (TensorFlow Serving) restores variables by this module's own edges; Keras' wrappers are none.
        self.weights = [variable.value for variable in model.variables]
        self.labels_file = tf.saved_model.Asset(str(assets / LABELS_FILE))
        self._names = np.array([name.encode() for name in class_names], dtype=object)
        self._multi_label = multi_label
        self._separator = separator

    def _answers(self, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities (n, C), the label (n,) and its probability (n,)."""
        names = tf.constant(self._names, tf.string)
        if self._multi_label:
            rows = tf.broadcast_to(names, tf.shape(probabilities))
            chosen = tf.ragged.boolean_mask(rows, probabilities > 0.5)
            label = tf.strings.reduce_join(chosen, axis=1, separator=self._separator)
        else:
            label = tf.gather(names, tf.argmax(probabilities, axis=1))
        return {"probabilities": probabilities, "label": label, "score": tf.reduce_max(probabilities, axis=1)}

    def _classified(self, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        """All classes and their probabilities, in the order of the classes, as the classify call wants them."""
        classes = tf.broadcast_to(tf.constant(self._names, tf.string), tf.shape(probabilities))
        return {"classes": tf.ensure_shape(classes, [None, len(self._names)]), "scores": probabilities}


def bytes_feature(examples: tf.Tensor, name: str) -> tf.Tensor:
    """The bytes feature of that name in serialised `tf.train.Example`s, strings (n,)."""
    return tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], tf.string)})[name]
