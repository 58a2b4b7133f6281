"""Raw sentences through trained runs, side by side; and the graph from text to probabilities that exports share."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.models.outputs import gives_probabilities

__all__ = ["Prediction", "Predictor", "joined_labels", "padded_width", "predict", "probability_graph"]

SEPARATOR = "|"


class TrainedRun(Protocol):
    """What `tfconv.training.run.load_run` gives: a model and all that is needed to ask it."""

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
    """One answer: of the run of that name, about one text."""

    text: str
    run: str
    label: str  # with several labels: all over 0.5, joined by "|"; "" when there is none
    probabilities: dict[str, float]


class Predictor:
    """A run that is ready to answer: traced once, then called directly (`model.predict` costs a hundred times more).

    Args:
        run: has `model`, `preprocess`, `class_names`, `multi_label` and `directory`.
        name: the name in the answers; default: the run folder's name.

    Raises:
        InputError: the model's outputs do not fit the class names.
    """

    def __init__(self, run: TrainedRun, name: str | None = None):
        self.class_names = tuple(run.class_names)
        self.multi_label = bool(run.multi_label)
        self.directory = Path(run.directory)
        self.name = name or self.directory.resolve().name
        check_outputs(run.model, self.class_names, multi_label=self.multi_label)
        graph = probability_graph(run.model, run.preprocess, multi_label=self.multi_label)
        self._function = tf.function(graph, input_signature=[tf.TensorSpec([None], tf.string, name="text")])

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Texts to probabilities, float32 (n, classes)."""
        if not len(texts):
            return np.zeros((0, len(self.class_names)), np.float32)
        # "surrogateescape" is how Python hands over bytes of stdin that are no UTF-8.
        raw = [text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text for text in texts]
        return self._function(tf.constant(raw, tf.string)).numpy()


def predict(
    texts: str | Sequence[str],
    runs: TrainedRun | Predictor | Sequence[TrainedRun | Predictor],
    *,
    batch_size: int = 256,
) -> list[Prediction]:
    """Ask one run or several about raw sentences.

    Args:
        texts: one text or many.
        runs: one run or many, from `load_run`; a run given as a `Predictor` is traced once for many calls.
        batch_size: texts at a time.

    Returns:
        One `Prediction` for each text and run, text by text: all runs' answers about a text stand side by side. Runs
        whose folders share a name are named by their whole path.

    Raises:
        InputError: there is no run, or a model's outputs do not fit its class names.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    chosen = list(runs) if isinstance(runs, Sequence) else [runs]
    if not chosen:
        raise InputError("predict needs at least one run")
    predictors = [run if isinstance(run, Predictor) else Predictor(run) for run in chosen]
    names = [predictor.name for predictor in predictors]
    names = [
        str(predictor.directory) if names.count(name) > 1 else name
        for predictor, name in zip(predictors, names, strict=True)
    ]
    rows: list[Prediction] = []
    for start in range(0, len(texts), batch_size):
        part = texts[start : start + batch_size]
        answers = [predictor(part) for predictor in predictors]
        for index, text in enumerate(part):
            for name, predictor, values in zip(names, predictors, answers, strict=True):
                own = values[index]
                if predictor.multi_label:
                    label = joined_labels(own, predictor.class_names)
                else:
                    label = predictor.class_names[int(own.argmax())]
                named = dict(zip(predictor.class_names, (float(p) for p in own), strict=True))
                rows.append({"text": text, "run": name, "label": label, "probabilities": named})
    return rows


def joined_labels(probabilities: npt.ArrayLike, class_names: Sequence[str], separator: str = SEPARATOR) -> str:
    """Join the names of the labels over 0.5, in their order; "" when there is none."""
    values = np.asarray(probabilities)
    return separator.join(name for name, value in zip(class_names, values, strict=True) if value > 0.5)


def probability_graph(
    model: Any, preprocess: Any, *, multi_label: bool, width: tuple[int, bool] | None = None
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compose text -> ids -> logits -> probabilities, to be traced by a `tf.function`.

    Args:
        model: ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: strings (n,) to int32 ids (n, steps), padded with 0.
        multi_label: each column is a yes or no of its own.
        width: of the ids, from `padded_width`, which is asked when this is `None`.

    Returns:
        A function of a string tensor (n,) to float32 (n, C), with C = 2 where the model has one logit: [1 - p, p].
    """
    least, exact = padded_width(model, preprocess) if width is None else width

    def graph(texts: tf.Tensor) -> tf.Tensor:
        ids = preprocess(texts)
        ids = tf.pad(ids, [[0, 0], [0, tf.maximum(least - tf.shape(ids)[1], 0)]])
        if exact:
            ids = tf.ensure_shape(ids[:, :least], [None, least])
        logits = tf.cast(model(ids, training=False), tf.float32)
        if multi_label:
            return tf.sigmoid(logits)
        if logits.shape[-1] == 1:
            return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=1)
        return tf.nn.softmax(logits)

    return graph


def padded_width(model: Any, preprocess: Any) -> tuple[int, bool]:
    """Find how wide ids must be, so that the model takes them and no text's answer depends on its neighbours.

    Returns:
        The least width, and whether it is the only one. A model with a fixed input length takes just that. Another
        one gets the longest text of the batch, at least as many ids as it accepts (a pooling may need some). A model
        that pays attention to padding (no mask) always gets the preprocessing's whole `length`, where there is one.

    Raises:
        InputError: the model gives no finite logits at any width up to 2048.
    """
    fixed = model.input_shape[1]
    if fixed is not None:
        return int(fixed), True
    limit = getattr(preprocess, "length", None)
    size = len(preprocess.vocabulary) if hasattr(preprocess, "vocabulary") else 3
    # The last id too: a vocabulary larger than the model's embedding fails here and not at a user's text.
    ids = np.append(np.random.default_rng(0).integers(1, size, (3, 2047)), np.full((3, 1), size - 1), axis=1)
    ids = ids[:, ::-1].astype(np.int32)
    least = next(_accepted_widths(model, ids), None)
    if least is None:
        raise InputError(f"the model gives no finite logits for ids below {size}: is this vocabulary the model's own?")
    width = max(least, 8)
    alone = model(ids[:, :width], training=False).numpy()
    padded = model(np.pad(ids[:, :width], [(0, 0), (0, 2 * width + 1)]), training=False).numpy()
    if limit is not None and not np.allclose(alone, padded, rtol=1e-3, atol=1e-4):
        return max(least, limit), False
    return least, False


def check_outputs(model: Any, class_names: Sequence[str], *, multi_label: bool) -> None:
    """Raise an `InputError` unless the model has one logit a class, or one for two classes that exclude each other.

    Also for a model that gives probabilities: they would go through softmax a second time.
    """
    if gives_probabilities(model):
        raise InputError("the model ends in softmax or sigmoid, and logits are needed: leave out its last activation")
    outputs = model.output_shape[-1]
    if outputs != len(class_names) and not (outputs == 1 and len(class_names) == 2 and not multi_label):
        kind = "labels" if multi_label else "classes"
        raise InputError(f"the model has {outputs} outputs, which does not fit {len(class_names)} {kind}")
    if outputs == 1 and len(class_names) == 1 and not multi_label:
        raise InputError("a model of one output decides between two classes: give both class names")


def _accepted_widths(model: Any, ids: npt.NDArray[np.int32]) -> Iterator[int]:
    for width in (*range(1, 17), 32, 64, 128, 256, 512, 1024, 2048):
        try:
            logits = model(ids[:, :width], training=False).numpy()
        except (ValueError, tf.errors.OpError):  # too short for a window or a pooling
            continue
        if np.isfinite(logits).all():
            yield width
