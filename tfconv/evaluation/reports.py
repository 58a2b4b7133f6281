"""One pass of a model over a data set, and what is to be known about it: tables, images, JSON, TensorBoard."""

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from tensorboard.plugins.pr_curve import metadata as pr_curve_plugin

from tfconv import tasks
from tfconv.errors import InputError
from tfconv.evaluation import figures
from tfconv.evaluation.metrics import (
    binary_metrics,
    class_scores,
    confusion_matrix,
    label_scores,
    many_class_metrics,
    multi_label_metrics,
    probabilities,
    threshold_counts,
)
from tfconv.evaluation.probability import check_outputs
from tfconv.files import atomic_write, write_json
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task

__all__ = ["labels_and_logits", "print_scores", "report", "write_pr_summaries"]


THRESHOLDS = 21
_OF_POSITIVE = ("auc_precision_recall", "label/mean", "precision", "prediction/mean", "recall")


def report(
    model: Any,
    dataset: tf.data.Dataset,
    directory: str | Path,
    *,
    class_names: Sequence[str],
    task: Task | str = CLASSIFICATION,
    notes: Sequence[str] = (),
    about: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Score a model on a data set and write what was found.

    Writes into `directory`, each file atomically: `report.md` (tables), `scores.json` (the returned dict),
    `pr_curve.png`, for classes that exclude each other `confusion.png`, for two classes `roc.png`, and
    `logs/` (precision-recall curves at 21 thresholds for TensorBoard's PR curve tab). Files of an earlier report are
    replaced.

    Args:
        model: ids or normalised images to logits, (n, 1) for two classes or (n, C).
        dataset: batches of (inputs, labels): labels int (n,), or of "multi-label" (n, C) of 0 and 1.
        directory: folder for the report; made when missing.
        class_names: names in the order of the labels' numbers.
        task: "classification", or "multi-label": each class is a yes or no of its own.
        notes: sentences on the training for `report.md`, as of `read_curves`.
        about: what was scored, by name (data, split, model, run ...), for the head of `report.md`.

    Returns:
        `about`, `examples` (count), `positive_class` (of two classes the one that precision and recall are of),
        `metrics` (see `binary_metrics`, `many_class_metrics`, `multi_label_metrics`), `classes`
        (name to precision, recall, f1, support, ...) and, for classes that exclude each other, `confusion` (rows:
        true class). A number that does not exist (AUC where one class is missing) is None.

    Raises:
        InputError: an empty data set, unlabelled examples, outputs that do not fit the names, logits not finite.
    """
    names = tuple(class_names)
    task = tasks.get(task)
    check_outputs(model, names, task=task)
    labels, logits = labels_and_logits(model, dataset)
    measured, images, curves = _MEASURED[task.name](labels, logits, names)
    scores = {"about": dict(about or {}), "examples": len(labels), **_plain(measured)}
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for name, figure in images.items():
        with atomic_write(directory / name) as file:
            figure.savefig(file, format="png", dpi=120)
    write_pr_summaries(directory / "logs", curves)
    write_json(directory / "scores.json", scores)
    with atomic_write(directory / "report.md", "w") as file:
        file.write(_markdown(scores, tuple(images), notes))
    return scores


def labels_and_logits(model: Any, dataset: tf.data.Dataset) -> tuple[npt.NDArray, npt.NDArray[np.float32]]:
    """Run the model once over (inputs, labels) batches.

    Returns:
        labels (n,) or (n, C) as they came, logits float32 (n, outputs), in the order of the data set.

    Raises:
        InputError: the data set gives no batch, or no labels.
    """
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) < 2:
        raise InputError("a data set to score must give (inputs, labels) batches: this one has no labels")

    @tf.function(input_signature=[spec[0]])  # one trace, whatever the widths of the batches
    def logits_of(inputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(inputs, training=False), tf.float32)

    labels, logits = [], []
    for batch in dataset:
        logits.append(logits_of(batch[0]).numpy())
        labels.append(batch[1].numpy())
    if not logits:
        raise InputError("no examples to score: the data set is empty")
    return np.concatenate(labels), np.concatenate(logits)


def write_pr_summaries(
    directory: str | Path, curves: Mapping[str, tuple[npt.NDArray, npt.NDArray]], *, step: int = 0
) -> None:
    """Write precision-recall curves that TensorBoard's PR curve tab shows, replacing those written here before.

    Args:
        directory: folder of event files.
        curves: tag to (labels, probabilities), both (n,); see `threshold_counts`.
        step: training step that the curves belong to.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory, prefix=".") as temporary:
        writer = tf.summary.create_file_writer(temporary, filename_suffix=".report")
        with writer.as_default():
            for tag, (labels, values) in curves.items():
                counts = tf.constant(threshold_counts(labels, values, THRESHOLDS), tf.float32)
                metadata = pr_curve_plugin.create_summary_metadata(tag, "", THRESHOLDS)
                tf.summary.write(tag, counts, step=step, metadata=metadata)
        writer.close()
        for earlier in directory.glob("events.*.report"):
            earlier.unlink()
        for written in Path(temporary).iterdir():
            os.replace(written, directory / written.name)


# Scores, images by file name, and (labels, probabilities) of each curve by tag.
Measured = tuple[dict[str, Any], dict[str, Figure], dict[str, tuple[npt.NDArray, npt.NDArray]]]


def _multi_label_scores(labels: npt.NDArray, logits: npt.NDArray[np.float32], names: tuple[str, ...]) -> Measured:
    scores = {"metrics": multi_label_metrics(labels, logits), "classes": _by_class(names, label_scores(labels, logits))}
    images = {"pr_curve.png": figures.pr_curve_figure(labels, logits, names)}
    return scores, images, _curves(labels, probabilities(logits, task=MULTI_LABEL), names)


def _class_scores(labels: npt.NDArray, logits: npt.NDArray[np.float32], names: tuple[str, ...]) -> Measured:
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    shares = probabilities(logits)
    scores: dict[str, Any] = {}
    if len(names) == 2:
        # Two softmax outputs are one logit: their difference.
        margins = logits if logits.shape[1] == 1 else logits[:, 1:] - logits[:, :1]
        scores = {"positive_class": names[1], "metrics": binary_metrics(labels, margins)}
        predicted = (margins[:, 0] > 0).astype(np.int64)
        images = {
            "pr_curve.png": figures.pr_curve_figure(labels, margins, names),
            "roc.png": figures.roc_curve_figure(labels, margins, names),
        }
        curves = {"pr_curve": (labels, shares[:, 1])}
    else:
        scores = {"metrics": many_class_metrics(labels, logits)}
        columns, predicted = np.eye(len(names), dtype=np.int64)[labels.astype(np.int64)], logits.argmax(axis=1)
        images = {"pr_curve.png": figures.pr_curve_figure(columns, shares, names)}
        curves = _curves(columns, shares, names)
    matrix = confusion_matrix(labels, predicted, len(names))
    images["confusion.png"] = figures.confusion_figure(matrix, names)
    scores |= {"classes": _by_class(names, class_scores(matrix)), "confusion": matrix.tolist()}
    return scores, images, curves


_MEASURED = {CLASSIFICATION.name: _class_scores, MULTI_LABEL.name: _multi_label_scores}


def _by_class(names: tuple[str, ...], measures: dict[str, npt.NDArray]) -> dict[str, dict[str, Any]]:
    return {name: {measure: values[index] for measure, values in measures.items()} for index, name in enumerate(names)}


def _curves(
    columns: npt.NDArray, shares: npt.NDArray, names: tuple[str, ...]
) -> dict[str, tuple[npt.NDArray, npt.NDArray]]:
    return {f"pr_curve/{name}": (columns[:, i], shares[:, i]) for i, name in enumerate(names)}


def _plain(value: Any) -> Any:
    """Turn NumPy numbers into Python's, counts into integers, NaN into None (JSON has no NaN)."""
    if isinstance(value, dict):
        counts = ("support", "predicted")  # numbers; a dictionary of that name is a class that is called so
        return {
            key: int(entry) if key in counts and not isinstance(entry, dict) else _plain(entry)
            for key, entry in value.items()
        }
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else float(value)
    return value


def _markdown(scores: dict[str, Any], images: Sequence[str], notes: Sequence[str]) -> str:
    lines = ["# Report", "", *(f"- {name}: {_cell(text)}" for name, text in scores["about"].items())]
    lines += [f"- examples: {scores['examples']:,}", "", "| metric | value |", "|---|---:|"]
    lines += [f"| {_cell(name)} | {_number(value)} |" for name, value in named_metrics(scores).items()]
    lines += ["", "## Training", "", *(f"- {note}" for note in notes)] if notes else []
    measures = list(next(iter(scores["classes"].values())))
    lines += ["", "## Classes", "", "| class | " + " | ".join(measures) + " |", "|---" + "|---:" * len(measures) + "|"]
    for name, row in scores["classes"].items():
        cells = " | ".join(_number(row[measure]) for measure in measures)
        lines.append(f"| {_cell(name)} | {cells} |")
    if "confusion" in scores and len(scores["confusion"]) <= 20:
        names = [_cell(name) for name in scores["classes"]]
        lines += ["", "## Confusion", "", "Rows are the true class, columns the predicted one.", ""]
        lines += ["| | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
        for name, counts in zip(names, scores["confusion"], strict=True):
            lines.append(f"| **{name}** | " + " | ".join(map(str, counts)) + " |")
    for image in images:
        lines += ["", f"![{image.removesuffix('.png').replace('_', ' ')}]({image})"]
    return "\n".join(lines) + "\n"


def named_metrics(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics of a report under names for a person: those of one class of two say of which."""
    positive = scores.get("positive_class")
    return {
        f"{name} of {positive}" if positive is not None and name in _OF_POSITIVE else name: value
        for name, value in scores["metrics"].items()
    }


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|") or "(empty)"


def _number(value: float | int | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


_CLASSES_SHOWN = 20


def print_scores(scores: dict[str, Any]) -> None:
    """Print what `report` returns: the metrics, then precision, recall and F1 of each class.

    Args:
        scores: the dictionary of `tfconv.evaluation.report`.
    """
    console = Console(width=min(Console().width, 100), markup=False)  # a class may be called [bold]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", overflow="ellipsis", no_wrap=True, max_width=60)
    table.add_column("value", justify="right")
    for name, value in named_metrics(scores).items():
        table.add_row(name, _number_or_dash(value))
    console.print(table)
    classes = list(scores["classes"].items())
    columns = [name for name, value in classes[0][1].items() if not isinstance(value, list)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("class", overflow="ellipsis", no_wrap=True, max_width=40)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, values in classes[:_CLASSES_SHOWN]:
        table.add_row(name, *(_number_or_dash(values[column]) for column in columns))
    console.print(table)
    if len(classes) > _CLASSES_SHOWN:
        console.print(f"and {len(classes) - _CLASSES_SHOWN} more classes, in report.md", highlight=False)


def _number_or_dash(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
