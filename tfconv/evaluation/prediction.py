"""Raw sentences or picture files through trained runs, side by side."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.data.image.batch_decode import ImageReader, image_names
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.errors import InputError
from tfconv.evaluation.probability import check_outputs, pixel_graph, probability_graph

__all__ = ["Prediction", "Predictor", "joined_labels", "predict"]

SEPARATOR = "|"


class TrainedRun(Protocol):
    """What `tfconv.training.runs.run.load_run` gives: a model and all that is needed to ask it."""

    @property
    def model(self) -> Any: ...  # noqa: D102
    @property
    def preprocess(self) -> Any: ...  # noqa: D102
    @property
    def class_names(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def multi_label(self) -> bool: ...  # noqa: D102
    @property
    def directory(self) -> Path: ...  # noqa: D102


class Prediction(TypedDict):
    """One answer: of the run of that name, about one text or one image."""

    text: NotRequired[str]  # of a text classifier
    image: NotRequired[str]  # of an image classifier: the path as it was given, "image 3" for bytes
    run: str
    label: str  # with several labels: all over 0.5, joined by "|"; "" when there is none
    probabilities: dict[str, float]


class Predictor:
    """A run that is ready to answer: traced once, then called directly (`model.predict` costs a hundred times more).

    Args:
        run: has `model`, `preprocess`, `class_names`, `multi_label` and `directory`.
        name: the name in the answers; default: the run folder's name.

    Raises:
        InputError: the model's outputs do not fit the class names, or its input the preprocessing's pictures.
    """

    def __init__(self, run: TrainedRun, name: str | None = None):
        self.class_names = tuple(run.class_names)
        self.multi_label = bool(run.multi_label)
        self.directory = Path(run.directory)
        self.name = name or self.directory.resolve().name
        check_outputs(run.model, self.class_names, multi_label=self.multi_label)
        self._reader = ImageReader(run.preprocess) if isinstance(run.preprocess, ImagePreprocess) else None
        if self._reader is None:
            graph = probability_graph(run.model, run.preprocess, multi_label=self.multi_label)
            given = tf.TensorSpec([None], tf.string, name="text")
        else:
            graph = pixel_graph(run.model, run.preprocess, multi_label=self.multi_label)
            given = tf.TensorSpec([None, None, None, run.preprocess.channels], tf.uint8, name="pixels")
        self._function = tf.function(graph, input_signature=[given])

    @property
    def takes_images(self) -> bool:
        """Whether it is asked about pictures, and not about texts."""
        return self._reader is not None

    def __call__(self, examples: Sequence[Any], names: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
        """Texts, or paths or bytes of pictures, to probabilities, float32 (n, classes).

        Args:
            examples: what to classify.
            names: what errors call pictures; default: paths as they are, and "image 3" for bytes.

        Raises:
            InputError: a file is no picture.
        """
        if not len(examples):
            return np.zeros((0, len(self.class_names)), np.float32)
        if self._reader is not None:
            return self._function(self._reader(examples, names)).numpy()
        # "surrogateescape" is how Python hands over bytes of stdin that are no UTF-8.
        raw = [text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text for text in examples]
        return self._function(tf.constant(raw, tf.string)).numpy()


Example = str | bytes | os.PathLike[str]  # a text, a picture's bytes, a picture's path


def predict(
    examples: Example | Sequence[Example],
    runs: TrainedRun | Predictor | Sequence[TrainedRun | Predictor],
    *,
    batch_size: int | None = None,
) -> list[Prediction]:
    """Ask one run or several about raw sentences or encoded pictures.

    Args:
        examples: one text or many; for image classifiers one picture or many, each a path or the bytes of a JPEG, PNG,
            BMP or GIF of any size.
        runs: one run or many, from `load_run`; a run given as a `Predictor` is traced once for many calls.
        batch_size: examples at a time; default: 256 texts or 32 pictures.

    Returns:
        One `Prediction` for each example and run, example by example: all runs' answers about one stand side by side.
        Runs whose folders share a name are named by their whole path.

    Raises:
        InputError: there is no run, a file is no picture (the message names it), a model's outputs do not fit its class
            names, or there are runs for texts and runs for images.
    """
    asked: list[Any] = [examples] if isinstance(examples, str | bytes | os.PathLike) else list(examples)
    chosen = list(runs) if isinstance(runs, Sequence) else [runs]
    if not chosen:
        raise InputError("predict needs at least one run")
    predictors = [run if isinstance(run, Predictor) else Predictor(run) for run in chosen]
    images = predictors[0].takes_images
    if odd := [predictor.name for predictor in predictors if predictor.takes_images != images]:
        this, other = ("images", "texts") if images else ("texts", "images")
        raise InputError(f"{predictors[0].name} classifies {this} and {odd[0]} {other}: ask them apart")
    names = [predictor.name for predictor in predictors]
    names = [
        str(predictor.directory) if names.count(name) > 1 else name
        for predictor, name in zip(predictors, names, strict=True)
    ]
    rows: list[Prediction] = []
    shown = image_names(asked) if images else asked
    step = batch_size or (32 if images else 256)
    for start in range(0, len(asked), step):
        called = shown[start : start + step]
        answers = [predictor(asked[start : start + step], called) for predictor in predictors]
        for index, example in enumerate(called):
            for name, predictor, values in zip(names, predictors, answers, strict=True):
                own = values[index]
                if predictor.multi_label:
                    label = joined_labels(own, predictor.class_names)
                else:
                    label = predictor.class_names[int(own.argmax())]
                named = dict(zip(predictor.class_names, (float(p) for p in own), strict=True))
                answer: Prediction = {"run": name, "label": label, "probabilities": named}
                rows.append({"image": example, **answer} if images else {"text": example, **answer})
    return rows


def joined_labels(probabilities: npt.ArrayLike, class_names: Sequence[str], separator: str = SEPARATOR) -> str:
    """Join the names of the labels over 0.5, in their order; "" when there is none."""
    values = np.asarray(probabilities)
    return separator.join(name for name, value in zip(class_names, values, strict=True) if value > 0.5)
