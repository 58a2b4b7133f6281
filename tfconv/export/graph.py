"""What the served graphs of texts and of images share: the answers made of probabilities, and what is tracked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.tasks import Task

__all__ = ["ServedClassifier"]

LABELS_FILE = "labels.txt"


class ServedClassifier(tf.Module):
    """Weights, names and answers of a classifier that is saved; a subclass adds the signatures.

    Args:
        model: to logits (n, 1) or (n, C).
        preprocess: from raw examples to what the model takes, as a `tf.Module`, so that its tables are tracked.
        class_names: C names.
        task: what is predicted.
        separator: between the labels of one example.
        assets: folder that holds `labels.txt` until the module is saved.
    """

    def __init__(
        self,
        model: Any,
        preprocess: Any,
        class_names: Sequence[str],
        *,
        task: Task,
        separator: str,
        assets: Path,
    ):
        super().__init__()
        self.preprocess = preprocess
        # A session (TensorFlow Serving) restores variables by this module's own edges; Keras' wrappers are none.
        self.weights = [variable.value for variable in model.variables]
        self.labels_file = tf.saved_model.Asset(str(assets / LABELS_FILE))
        self._names = np.array([name.encode() for name in class_names], dtype=object)
        self._task = task
        self._separator = separator

    def _answers(self, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        """Probabilities (n, C), the label (n,) and its probability (n,)."""
        names = tf.constant(self._names, tf.string)
        label = self._task.label_tensor(probabilities, names, self._separator)
        return {"probabilities": probabilities, "label": label, "score": tf.reduce_max(probabilities, axis=1)}

    def _classified(self, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
        """All classes and their probabilities, in the order of the classes, as the classify call wants them."""
        classes = tf.broadcast_to(tf.constant(self._names, tf.string), tf.shape(probabilities))
        return {"classes": tf.ensure_shape(classes, [None, len(self._names)]), "scores": probabilities}


@dataclass(frozen=True)
class Serving:
    """What an export writes for one kind of work, and what it is compared on.

    Attributes:
        module: makes what is saved, from class names, task, separator and the folder of its assets.
        feature: name of the raw examples in requests, such as "text".
        examples: raw examples that the loaded model is asked about.
        logits: the live model's answers to them, float32 (n, outputs).
        instances: two of them as they are written in a request to the server.
        inputs: batches of the network's own inputs, on which ONNX and LiteRT copies are compared.
        arrays: other signatures that take arrays: name to the arrays of some of the examples, by place.
    """

    module: Callable[[Sequence[str], Task, str, Path], ServedClassifier]
    feature: str
    examples: list[bytes]
    logits: npt.NDArray[np.float32]
    instances: list[Any]
    inputs: list[npt.NDArray]
    arrays: Mapping[str, Mapping[int, npt.NDArray]] = field(default_factory=dict)


def bytes_feature(examples: tf.Tensor, name: str) -> tf.Tensor:
    """The bytes feature of that name in serialised `tf.train.Example`s, strings (n,)."""
    return tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], tf.string)})[name]
