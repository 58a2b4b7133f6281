"""Images with what they are and what a model takes them for: samples, predictions, and the four cases."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tfconv.errors import InputError
from tfconv.evaluation.figures import COLOURS, plain_label, text_width
from tfconv.interpret.image_grid import (
    HEADING,
    MARGIN,
    SIZE,
    Answers,
    Cell,
    Grid,
    Images,
    checked_count,
    checked_images,
    checked_truth,
    draw_cells,
    fitting_names,
    grid_figure,
)

__all__ = ["confidence_figure", "predictions_figure", "samples_figure"]

_RIGHT, _WRONG = (COLOURS[0], 1.0), (COLOURS[1], 3.0)  # colour and width of the frame
_LINES = 4  # of a caption at most
_CASES = (  # whether right, whether sure
    ("Right and sure", True, True),
    ("Right but unsure", True, False),
    ("Wrong but sure", False, True),
    ("Wrong and unsure", False, False),
)


def samples_figure(
    images: Images,
    labels: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    columns: int | None = None,
    title: str | None = None,
) -> Figure:
    """Draw images in a grid, each with its label under it.

    Args:
        images: uint8 (n, height, width, channels) with 1, 3 or 4 channels, or a list of such images of any sizes;
            at most 400.
        labels: (n,) class numbers, or (n, C) of 0 and 1 where an image has any number of labels.
        class_names: (C,) of any length and characters; shortened alike until they fit.
        columns: images in a row; default: about as many as rows.
        title: stands before how many images and classes there are.

    Returns:
        A figure, 1.3 inches an image (more where names are long), on white.

    Raises:
        InputError: no images or too many, pixels that are not uint8, labels that do not fit images or names.
    """
    truth, _ = checked_truth(labels, len(class_names))
    checked_images(images, len(truth))
    names, width = fitting_names(class_names, np.flatnonzero(truth.any(axis=0)), ["{}"])
    cells = []
    for image, row in zip(images, truth, strict=True):
        lines, more = _shortened([names[i] for i in np.flatnonzero(row)] or ["(no label)"], [])
        cells.append(Cell(np.asarray(image), lines, more))
    present = int(truth.any(axis=0).sum())
    counted = f"{len(cells)} image{'s' * (len(cells) != 1)}, {present} of {len(class_names)} classes"
    return grid_figure(cells, _titled(title, counted), columns=columns, image_width=width)


def predictions_figure(
    images: Images,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    columns: int | None = None,
    title: str | None = None,
) -> Figure:
    """Draw images in a grid, each with the predicted class, its probability and the true class.

    A right answer has the mark ✓ and a thin frame, a wrong one ✗ and a thick frame. Where an image has any number of
    labels, each label over 0.5 has a line with a mark of its own, and each true one below it a line with a dash.

    Args:
        images: as in `samples_figure`.
        labels: as in `samples_figure`.
        probabilities: (n, C) from `tfconv.evaluation.probabilities`; for two classes also (n,) or (n, 1), those of
            class 1.
        class_names: (C,).
        columns: images in a row; default: about as many as rows.
        title: stands before how many answers are right.

    Returns:
        A figure, 1.3 inches an image (more where names are long), on white.

    Raises:
        InputError: as in `samples_figure`; numbers that are no probabilities.
    """
    answers = Answers.of(labels, probabilities, len(class_names))
    checked_images(images, len(answers))
    cells, width = _predicted_cells(images, answers, class_names)
    counted = f"{answers.right.sum()} of {len(answers)} right"
    if answers.several:
        counted += " (✗ predicted, not true; – true, not predicted)"
    return grid_figure(cells, _titled(title, counted), columns=columns, image_width=width)


def confidence_figure(
    images: Images,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    count: int = 6,
    sure: float = 0.8,
    title: str | None = None,
) -> Figure:
    """Draw the four cases, right or wrong and sure or unsure, with their counts and some images of each.

    The model is sure of an image when the predicted class has a probability of `sure` or more (with any number of
    labels: when it gives each label's yes or no that probability; right is then an image whose labels all are).
    Shown are the surest of the sure and the least sure of the others.

    Args:
        images: as in `samples_figure`, but of any number: those of a whole split.
        labels: as in `samples_figure`.
        probabilities: as in `predictions_figure`.
        class_names: (C,).
        count: images of each case at most.
        sure: the probability from which on an answer is called sure, from 0.5 to 1.
        title: stands below, before what is meant by sure.

    Returns:
        A figure of two by two parts, on white.

    Raises:
        InputError: as in `predictions_figure`; `count` or `sure` out of range.
    """
    if not 1 <= count <= 100:
        raise InputError(f"count must be from 1 to 100 images of each case, got {count}")
    if not 0.5 <= sure <= 1:
        raise InputError(f"sure must be a probability from 0.5 to 1, got {sure}")
    answers = Answers.of(labels, probabilities, len(class_names))
    if not len(answers):
        raise InputError("no images to sort into right and wrong")
    checked_count(images, len(answers))
    right, confidence = answers.right, answers.confidence
    chosen, headings = [], []
    for heading, wanted, certain in _CASES:
        rows = np.flatnonzero((right == wanted) & ((confidence >= sure) == certain))
        chosen.append(rows[np.argsort(-confidence[rows] if certain else confidence[rows], kind="stable")][:count])
        headings.append(f"{heading}: {len(rows):,} of {len(answers):,} ({_percent(len(rows) / len(answers))})")
    order = np.concatenate(chosen)
    shown = [images[i] for i in order]
    checked_images(shown, len(order))
    cells, width = _predicted_cells(shown, answers.take(order), class_names)
    starts = np.cumsum([0, *map(len, chosen)])
    parts = [(heading, cells[starts[i] : starts[i + 1]]) for i, heading in enumerate(headings)]
    note = f"sure: probability {_percent(sure)} or more. Shown: the surest of the sure, the least sure of the others."
    return _four_parts(parts, plain_label(f"{title}; {note}" if title else note, 160), width)


def _four_parts(parts: Sequence[tuple[str, list[Cell]]], note: str, image_width: float) -> Figure:
    """Lay out two by two grids, each under its heading."""
    most = max(len(some) for _, some in parts)
    grid = Grid.of([cell for _, some in parts for cell in some], max(-(-most // 2), min(most, 3)), image_width)
    gap, head = 0.35, 0.32  # inches, between the parts and for a heading
    heading_width = max(text_width(heading, HEADING) for heading, _ in parts)
    wide = max(grid.size(most)[0], heading_width, (text_width(note, SIZE) - gap) / 2)
    high = [max(grid.size(len(some))[1] for _, some in parts[i : i + 2]) for i in (0, 2)]
    width, height = 2 * (MARGIN + wide) + gap, 2 * MARGIN + 2 * head + sum(high) + gap + 0.25
    figure = Figure(figsize=(width, height), facecolor="white")
    for place, (heading, some) in enumerate(parts):
        row, column = divmod(place, 2)
        left, top = MARGIN + column * (wide + gap), MARGIN + row * (head + high[0] + gap)
        figure.text(left / width, 1 - top / height, heading, fontsize=HEADING, va="top")
        draw_cells(figure, some, grid, left, top + head)
    figure.text(MARGIN / width, MARGIN / height, note, fontsize=SIZE, color="0.35", va="bottom")
    return figure


def _predicted_cells(images: Images, answers: Answers, class_names: Sequence[str]) -> tuple[list[Cell], float]:
    """Return images with what was predicted and what is true under them, and the width they need."""
    predicted = answers.predicted
    used = np.flatnonzero((answers.truth | predicted).any(axis=0))
    lines = ["✗ {} 100 %"] if answers.several else ["✗ {} 100 %", "truth: {}"]
    names, width = fitting_names(class_names, used, lines)
    cells = []
    for image, true, said, shares in zip(images, answers.truth, predicted, answers.shares, strict=True):
        lines = [f"{'✓' if true[i] else '✗'} {names[i]} {_percent(shares[i])}" for i in np.flatnonzero(said)]
        if answers.several:
            lines = lines or [f"{'✗' if true.any() else '✓'} (no label)"]
            notes = [f"– {names[i]} {_percent(shares[i])}" for i in np.flatnonzero(true & ~said)]
        else:
            notes = [f"truth: {names[i]}" for i in np.flatnonzero(true)]
        frame = _RIGHT if (true == said).all() else _WRONG
        cells.append(Cell(np.asarray(image), *_shortened(lines, notes), frame))
    return cells, width


def _shortened(lines: list[str], notes: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Leave out what is too much for a caption, and say how much."""
    left = len(lines) + len(notes) - _LINES
    if left <= 0:
        return tuple(lines), tuple(notes)
    kept = lines[: _LINES - 1]
    return tuple(kept), (*notes[: _LINES - 1 - len(kept)], f"and {left + 1} more")


def _titled(title: str | None, counted: str) -> str:
    return plain_label(f"{title}: {counted}" if title else counted, 120)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
