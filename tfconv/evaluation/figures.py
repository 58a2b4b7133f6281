"""Plots of a classifier's scores, as `matplotlib.figure.Figure` objects: nothing is shown, no global state changed."""

import unicodedata
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from tfconv.evaluation.metrics import auc, average_precision, pr_curve, roc_curve

__all__ = ["COLOURS", "confusion_figure", "plain_label", "pr_curve_figure", "roc_curve_figure", "text_width"]

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f3fbf",
    "#8c564b",
)  # Okabe and Ito first
_NAMED = len(COLOURS)


def pr_curve_figure(
    labels: npt.ArrayLike, scores: npt.ArrayLike, class_names: Sequence[str], *, title: str | None = None
) -> Figure:
    """Draw precision over recall at every threshold, and the share of positives as the line of a blind guess.

    Args:
        labels: (n,) of 0 and 1 for two classes (class 1 is the one found), or (n, C) of 0 and 1, one column a class
            against the rest.
        scores: logits or probabilities of the same shape.
        class_names: (C,) or, for two classes, both names. (To compare C models on two classes: their names, with the
            labels repeated in each column.)
        title: default: names the class, or says that each is set against the rest.

    Returns:
        A figure. With more than 8 classes the 8 hardest are named and the others are grey.
    """
    truth, values, names = _columns(labels, scores, class_names)
    areas = [average_precision(truth[:, column], values[:, column]) for column in range(len(names))]
    figure, axes = _curve_axes("Recall", "Precision", len(names))
    for column, style in _styles(areas, names, "AP"):
        if truth[:, column].any():
            precision, recall, _ = pr_curve(truth[:, column], values[:, column])
            # Between two thresholds the upper one is the one that can be had: steps, as average precision sums them.
            axes.step(np.append(0.0, recall), np.append(precision[0], precision), where="pre", **style)
    if len(names) == 1:
        share = truth.mean()
        axes.axhline(share, color="0.5", linestyle=":", linewidth=1, label=f"guessing ({share:.3f})")
    several = "Precision and recall, each class against the rest"
    axes.set_title(title or (several if len(names) > 1 else f"Precision and recall of “{names[0]}”"))
    _legend(axes, len(names), "lower left")
    return figure


def roc_curve_figure(
    labels: npt.ArrayLike, scores: npt.ArrayLike, class_names: Sequence[str], *, title: str | None = None
) -> Figure:
    """Draw true positive rate over false positive rate; arguments and colours as in `pr_curve_figure`."""
    truth, values, names = _columns(labels, scores, class_names)
    areas = [auc(truth[:, column], values[:, column]) for column in range(len(names))]
    figure, axes = _curve_axes("False positive rate", "True positive rate", len(names))
    for column, style in _styles(areas, names, "AUC"):
        if not np.isnan(areas[column]):
            false_positive_rate, true_positive_rate, _ = roc_curve(truth[:, column], values[:, column])
            axes.plot(false_positive_rate, true_positive_rate, **style)
    axes.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1, label="guessing (0.500)")
    axes.set_title(title or ("ROC, each class against the rest" if len(names) > 1 else f"ROC of “{names[0]}”"))
    _legend(axes, len(names), "lower right")
    return figure


def confusion_figure(matrix: npt.ArrayLike, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: colour is the share of the true class, numbers are counts.

    Args:
        matrix: (C, C) counts from `confusion_matrix`, rows the true class.
        class_names: (C,). Long names are shortened in the middle; over 30 classes the counts are left out and over
            60 only every k-th class is named.

    Returns:
        A figure that grows with C, up to 16 inches.
    """
    counts = np.asarray(matrix)
    classes = len(class_names)
    names = distinct_labels(class_names, 24)
    margin = 1.1 + 0.075 * max(map(len, names))
    side = float(np.clip(0.52 * classes, 2.6, 14.0))
    figure = Figure(figsize=(side + margin + 0.9, side + margin), layout="constrained")
    axes = figure.add_subplot()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=28)
    bar.set_label("share of the true class")
    step = -(-classes // 50)
    ticks = range(0, classes, step)
    size = float(np.clip(360 / classes, 6.5, 10))
    # Vertical, not slanted: slanted names of neighbours run into each other once there are many.
    upright = 90 if max(map(len, names)) > 6 or classes > 12 else 0
    axes.set_xticks(ticks, [names[i] for i in ticks], fontsize=size, rotation=upright)
    axes.set_yticks(ticks, [names[i] for i in ticks], fontsize=size)
    axes.set(xlabel="predicted class", ylabel="true class", title=f"Confusion matrix, {counts.sum():,} examples")
    if classes <= 30:
        digits = len(f"{counts.max():,}") if counts.size else 1
        cell = 72 * side / classes  # points
        for row, column in np.ndindex(*counts.shape):
            if counts[row, column]:
                axes.text(
                    column,
                    row,
                    f"{counts[row, column]:,}",
                    ha="center",
                    va="center",
                    fontsize=min(12.0, 1.3 * cell / max(digits, 3)),
                    color="white" if share[row, column] > 0.55 else "black",
                )
    return figure


def plain_label(text: str, width: int = 40) -> str:
    """Make any string fit to be drawn: one line, `width` characters, no mathematics, glyphs that the font has.

    Args:
        text: a class name or a token, of any characters.
        width: in characters; a longer text loses its middle.

    Returns:
        The text; "$" is escaped, blanks are shown as single blanks, what the font cannot draw is "□".
    """
    font = get_font(findfont(FontProperties()))
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > width:
        tail = (width - 1) // 3
        text = f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"
    drawn = (char if char.isprintable() and font.get_char_index(ord(char)) else "□" for char in text)
    return "".join(drawn).replace("$", r"\$") or "(empty)"


def distinct_labels(class_names: Sequence[str], width: int) -> list[str]:
    """Give `plain_label` of each name, all with their number in front where two would look the same."""
    names = [plain_label(name, width) for name in class_names]
    if len(set(names)) < len(names):
        names = [f"{index} {plain_label(name, width - 4)}" for index, name in enumerate(class_names)]
    return names


def text_width(label: str, size: float) -> float:
    """Measure a `plain_label` as drawn on one line, in inches; `size` in points."""
    font = get_font(findfont(FontProperties()))
    font.set_size(size, 72)
    font.set_text(label.replace(r"\$", "$"))
    return font.get_width_height()[0] / 64 / 72  # FreeType counts in 1/64 points


def _columns(
    labels: npt.ArrayLike, scores: npt.ArrayLike, class_names: Sequence[str]
) -> tuple[npt.NDArray, npt.NDArray, list[str]]:
    """Bring one column or many into one form: (n, C) labels and scores, and C names."""
    truth, values = np.asarray(labels), np.asarray(scores, np.float64)
    truth = truth.reshape(len(truth), -1)
    values = values.reshape(len(values), -1)
    names = distinct_labels(class_names, 30)
    if truth.shape[1] == 1:
        names = names[-1:]
    if truth.shape != values.shape or truth.shape[1] != len(names):
        raise ValueError(f"labels {truth.shape}, scores {values.shape} and {len(names)} class names do not fit")
    return truth, values, names


def _styles(areas: Sequence[float], names: Sequence[str], measure: str) -> list[tuple[int, dict[str, Any]]]:
    """Give line styles in drawing order: hardest classes first in the legend, the easy rest grey and behind."""
    order = sorted(range(len(names)), key=lambda column: np.nan_to_num(areas[column], nan=2.0))
    if len(names) <= _NAMED:
        order = list(range(len(names)))
    styles: list[tuple[int, dict[str, Any]]] = []
    for place, column in enumerate(order):
        known = "no example" if np.isnan(areas[column]) else f"{measure} {areas[column]:.3f}"
        if place < _NAMED:
            label = f"{names[column]} ({known})"
            styles.append((column, {"color": COLOURS[place], "linewidth": 1.6, "label": label, "zorder": 3}))
        else:
            others = f"{len(names) - _NAMED} easier classes" if place == _NAMED else None
            styles.append((column, {"color": "0.8", "linewidth": 0.8, "label": others, "zorder": 2}))
    return styles


def _curve_axes(xlabel: str, ylabel: str, classes: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.4, 5.0) if classes == 1 else (7.6, 4.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(color="0.92")
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Axes, classes: int, free_corner: Literal["lower left", "lower right"]) -> None:
    if classes == 1:
        axes.legend(loc=free_corner, fontsize=9)
    else:
        axes.figure.legend(loc="outside right center", fontsize=8, frameon=False)
