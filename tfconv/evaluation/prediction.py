"""Raw sentences or image files through trained runs, side by side."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np
import numpy.typing as npt

from tfconv import kinds
from tfconv.errors import InputError
from tfconv.evaluation.probability import check_outputs
from tfconv.tasks import Task

__all__ = ["Prediction", "Predictor", "predict"]

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
    def task(self) -> Task: ...  # noqa: D102
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
        run: has `model`, `preprocess`, `class_names`, `task` and `directory`.
        name: the name in the answers; default: the run folder's name.

    Raises:
        InputError: the model's outputs do not fit the class names, or its input the preprocessing.
    """

    def __init__(self, run: TrainedRun, name: str | None = None):
        self.class_names = tuple(run.class_names)
        self.task = run.task
        self.kind = kinds.of_preprocess(run.preprocess)
        self.directory = Path(run.directory)
        self.name = name or self.directory.resolve().name
        check_outputs(run.model, self.class_names, task=self.task)
        self._ask = self.kind.predictor(run.model, run.preprocess, self.task)

    def __call__(self, examples: Sequence[Any], names: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
        """Raw examples to probabilities, float32 (n, classes).

        Args:
            examples: texts, or paths or bytes of images, as the run was trained on.
            names: what errors call them; default: paths as they are, and "image 3" for bytes.

        Raises:
            InputError: a file is no image.
        """
        if not len(examples):
            return np.zeros((0, len(self.class_names)), np.float32)
        return self._ask(examples, names)


Example = str | bytes | os.PathLike[str]  # a text, an image's bytes, an image's path


def predict(
    examples: Example | Sequence[Example],
    runs: TrainedRun | Predictor | Sequence[TrainedRun | Predictor],
    *,
    batch_size: int | None = None,
) -> list[Prediction]:
    """Ask one run or several about raw sentences or encoded images.

    Args:
        examples: one text or many; for image classifiers one image or many, each a path or the bytes of a JPEG, PNG,
            BMP or GIF of any size.
        runs: one run or many, from `load_run`; a run given as a `Predictor` is traced once for many calls.
        batch_size: examples at a time; default: 256 texts or 32 images.

    Returns:
        One `Prediction` for each example and run, example by example: all runs' answers about one stand side by side.
        Runs whose folders share a name are named by their whole path.

    Raises:
        InputError: there is no run, a file is no image (the message names it), a model's outputs do not fit its class
            names, or there are runs for texts and runs for images.
    """
    asked: list[Any] = [examples] if isinstance(examples, str | bytes | os.PathLike) else list(examples)
    chosen = list(runs) if isinstance(runs, Sequence) else [runs]
    if not chosen:
        raise InputError("predict needs at least one run")
    predictors = [run if isinstance(run, Predictor) else Predictor(run) for run in chosen]
    kind = predictors[0].kind
    if odd := [predictor for predictor in predictors if predictor.kind is not kind]:
        raise InputError(
            f"{predictors[0].name} classifies {kind.unit}s and {odd[0].name} {odd[0].kind.unit}s: ask them apart"
        )
    names = [predictor.name for predictor in predictors]
    names = [
        str(predictor.directory) if names.count(name) > 1 else name
        for predictor, name in zip(predictors, names, strict=True)
    ]
    rows: list[Prediction] = []
    shown = kind.names(asked)
    step = batch_size or kind.batch
    for start in range(0, len(asked), step):
        called = shown[start : start + step]
        answers = [predictor(asked[start : start + step], called) for predictor in predictors]
        labels = [
            predictor.task.labels(values, predictor.class_names, SEPARATOR)
            for predictor, values in zip(predictors, answers, strict=True)
        ]
        for index, example in enumerate(called):
            for run, (name, predictor) in enumerate(zip(names, predictors, strict=True)):
                values = answers[run][index]
                named = dict(zip(predictor.class_names, (float(p) for p in values), strict=True))
                answer = {kind.unit: example, "run": name, "label": labels[run][index], "probabilities": named}
                rows.append(answer)  # type: ignore[arg-type]
    return rows
