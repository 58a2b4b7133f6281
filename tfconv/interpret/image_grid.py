"""A grid of small images with captions under them, laid out by hand in inches.

Matplotlib's own layouts measure every text of every axes, which takes seconds for a hundred images.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfconv.errors import InputError
from tfconv.evaluation.figures import distinct_labels, text_width

__all__ = [
    "Answers",
    "Cell",
    "Grid",
    "Images",
    "checked_count",
    "checked_images",
    "checked_truth",
    "draw_cells",
    "fitting_names",
    "grid_figure",
]


Images = Sequence[npt.NDArray] | npt.NDArray


@dataclass(frozen=True)
class Answers:
    """The truth about n images, and a model's answers.

    Attributes:
        truth: bool (n, C), the classes of each image.
        shares: float64 (n, C), probabilities.
        several: an image may have any number of labels, each a yes or no of its own.
    """

    truth: npt.NDArray[np.bool_]
    shares: npt.NDArray[np.float64]
    several: bool

    @classmethod
    def of(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike, classes: int) -> "Answers":
        """Check labels and probabilities.

        Args:
            labels: (n,) class numbers, or (n, C) of 0 and 1 where an image has any number of labels.
            probabilities: (n, C); for two classes also (n,) or (n, 1), those of class 1.
            classes: C.

        Raises:
            InputError: labels without a class, numbers that are no probabilities, shapes that do not fit.
        """
        truth, several = checked_truth(labels, classes)
        shares = np.asarray(probabilities, np.float64)
        shares = shares[:, None] if shares.ndim == 1 else shares
        if shares.ndim == 2 and shares.shape[1] == 1 and classes == 2:
            shares = np.concatenate([1 - shares, shares], axis=1)
        if shares.shape != truth.shape:
            got = np.shape(probabilities)
            raise InputError(f"probabilities of shape {got} do not fit {len(truth)} images of {classes} classes")
        if not ((shares >= 0) & (shares <= 1)).all():
            raise InputError("probabilities must be from 0 to 1: give tfconv.evaluation.probabilities(logits)")
        return cls(truth, shares, several)

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: npt.NDArray) -> "Answers":
        """Return those of some images."""
        return Answers(self.truth[rows], self.shares[rows], self.several)

    @property
    def predicted(self) -> npt.NDArray[np.bool_]:
        """Bool (n, C): the likeliest class, or all labels over 0.5."""
        if self.several:
            return self.shares > 0.5
        return np.eye(self.shares.shape[1], dtype=bool)[self.shares.argmax(axis=1)]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Bool (n,): the class, or every label, is the true one."""
        return (self.predicted == self.truth).all(axis=1)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Float64 (n,): the probability of the predicted class, or of the least sure of the labels' yes or no."""
        if self.several:
            return np.maximum(self.shares, 1 - self.shares).min(axis=1)
        return self.shares.max(axis=1)


def checked_truth(labels: npt.ArrayLike, classes: int) -> tuple[npt.NDArray[np.bool_], bool]:
    """Bring labels into one form.

    Args:
        labels: (n,) or (n, 1) class numbers, or (n, classes) of 0 and 1.
        classes: how many there are.

    Returns:
        Which classes each image is of, (n, classes), and whether it may have any number of them.

    Raises:
        InputError: a label without a class, or another shape.
    """
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == classes:
        if np.isin(values, (0, 1)).all():
            return values.astype(bool), True
    elif values.ndim == 1 or values.ndim == 2 and values.shape[1] == 1:
        numbers = values.reshape(-1)
        if np.isin(numbers, np.arange(classes)).all():
            return np.eye(classes, dtype=bool)[numbers.astype(np.int64)], False
        strange = numbers[~np.isin(numbers, np.arange(classes))][0]
        raise InputError(f"there is no class {strange}: labels are numbers from 0 to {classes - 1}")
    raise InputError(
        f"labels must be (n,) class numbers, or (n, {classes}) of 0 and 1, got {values.dtype} of shape {values.shape}"
    )


MOST = 400  # images in a figure
SIZE = 8.0  # points, of captions
LINE = 0.14  # inches, of captions
HEADING = 10.0  # points
MARGIN = 0.15  # inches
_WIDTHS, _GAP = (1.2, 1.5, 1.8), 0.12  # inches, of an image (wider for longer names) and between images


@dataclass(frozen=True)
class Cell:
    """One image of a grid.

    Attributes:
        image: uint8 (height, width, channels) with 1, 3 or 4 channels, or float from 0 to 1, (height, width) or
            with 1 or 3 channels.
        caption: lines under it.
        notes: lines under these, in grey.
        frame: colour and width (points) of the line around it.
        colours: matplotlib's colour map of an image of one channel.
    """

    image: npt.NDArray
    caption: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    frame: tuple[str, float] = ("0.8", 0.6)
    colours: str = "gray"


@dataclass(frozen=True)
class Grid:
    """Where cells lie: measures in inches.

    Attributes:
        columns: cells in a row.
        image_width: room for an image; a narrow one is centred in it.
        image_height: likewise.
        lines: of the longest caption.
    """

    columns: int
    image_width: float
    image_height: float
    lines: int

    @classmethod
    def of(cls, cells: Sequence[Cell], columns: int | None, image_width: float) -> "Grid":
        """Fit a grid to cells: rows as high as the images where all are alike, else no higher than wide."""
        heights = [cell.image.shape[0] / cell.image.shape[1] for cell in cells] or [1.0]
        lines = max((len(cell.caption) + len(cell.notes) for cell in cells), default=0)
        height = image_width * float(np.clip(max(heights), 0.02, 1.5 if min(heights) > 0.9 * max(heights) else 1))
        return cls(columns or _columns(len(cells)), image_width, height, lines)

    @property
    def cell_width(self) -> float:
        """From one image's left edge to the next one's."""
        return self.image_width + _GAP

    @property
    def cell_height(self) -> float:
        """From one image's upper edge to the next one's."""
        return self.image_height + _GAP + (LINE * self.lines + 0.05 if self.lines else 0)

    def size(self, cells: int) -> tuple[float, float]:
        """Return width and height of that many cells."""
        rows = -(-cells // self.columns)
        return max(min(self.columns, cells) * self.cell_width - _GAP, 0), max(rows * self.cell_height - _GAP, 0)


def grid_figure(
    cells: Sequence[Cell],
    title: str,
    *,
    note: str = "",
    columns: int | None = None,
    image_width: float = 1.2,
    beside: Cell | None = None,
) -> Figure:
    """Draw cells row by row under a title.

    Args:
        cells: 1 to 400.
        title: one line, fit to be drawn (`plain_label`).
        note: a second, smaller line.
        columns: cells in a row; default: about as many as rows.
        image_width: inches.
        beside: an image to the left of the grid.

    Returns:
        A white figure as large as the grid.

    Raises:
        InputError: no images, or too many.
    """
    if not 1 <= len(cells) <= MOST:
        raise InputError(f"a figure takes 1 to {MOST} images, got {len(cells):,}: choose some")
    grid = Grid.of(cells, columns, image_width)
    width, height = grid.size(len(cells))
    left = MARGIN + (grid.cell_width + _GAP if beside else 0)
    whole = max(left + width, MARGIN + text_width(title, HEADING), MARGIN + text_width(note, SIZE)) + MARGIN
    top = MARGIN + 0.3 + (0.18 if note else 0)
    figure = Figure(figsize=(whole, top + height + MARGIN), facecolor="white")
    for line, y, size in ((title, MARGIN, HEADING), (note, MARGIN + 0.21, SIZE)):
        if line:
            figure.text(MARGIN / whole, 1 - y / figure.get_figheight(), line, fontsize=size, va="top")
    draw_cells(figure, cells, grid, left, top)
    if beside:
        draw_cells(figure, [beside], grid, MARGIN, top)
    return figure


def draw_cells(figure: Figure, cells: Iterable[Cell], grid: Grid, left: float, top: float) -> None:
    """Draw cells into a figure; `left` and `top` are inches from its upper left corner."""
    width, height = figure.get_size_inches()
    for place, cell in enumerate(cells):
        row, column = divmod(place, grid.columns)
        x = left + column * grid.cell_width
        y = top + row * grid.cell_height
        box = (
            x / width,
            1 - (y + grid.image_height) / height,
            grid.image_width / width,
            grid.image_height / height,
        )
        _draw_image(figure.add_axes(box, anchor="C"), cell)
        for number, line in enumerate(cell.caption + cell.notes):
            figure.text(
                (x + grid.image_width / 2) / width,
                1 - (y + grid.image_height + 0.05 + LINE * number) / height,
                line,
                fontsize=SIZE,
                color="black" if number < len(cell.caption) else "0.35",
                ha="center",
                va="top",
                fontfamily=[*mpl.rcParams["font.family"], "DejaVu Sans"],  # which has the marks ✓ and ✗
            )


def checked_count(images: Images, labels: int) -> None:
    """Refuse images that are more or fewer than the labels."""
    if len(images) != labels:
        raise InputError(f"{len(images):,} images and {labels:,} labels do not fit: give one label an image")


def checked_images(images: Images, labels: int) -> None:
    """Refuse what cannot be drawn.

    Raises:
        InputError: images that are not uint8 (height, width, channels), or not as many as there are labels.
    """
    checked_count(images, labels)
    for place, image in enumerate(images):
        dtype, shape = getattr(image, "dtype", type(image).__name__), np.shape(image)
        if dtype != np.uint8 or len(shape) != 3 or shape[-1] not in (1, 3, 4) or 0 in shape:
            raise InputError(
                f"images are drawn from uint8 (height, width, channels) with 1, 3 or 4 channels, number {place} is "
                f"{dtype} {shape}: give the pixels as they are stored, not the model's normalised inputs"
            )


def fitting_names(class_names: Sequence[str], used: Iterable[int], lines: Sequence[str]) -> tuple[list[str], float]:
    """Shorten class names, all to one length, until those in use fit under an image; no two become the same.

    Args:
        class_names: all names.
        used: numbers of those that will be drawn.
        lines: the lines they will stand in, with {} for the name.

    Returns:
        All names, fit to be drawn, and the width of an image in inches that has room for them.
    """
    numbers = sorted(set(used))
    # Images grow before names lose so much that they cannot be read.
    tries = [(length, width) for width in _WIDTHS for length in (40, 32, 26, 22, 19, 17)]
    for length, width in [*tries, *((length, _WIDTHS[-1]) for length in (15, 13, 11, 9))]:
        names = distinct_labels(class_names, length)
        widest = max((text_width(line.replace("{}", names[i]), SIZE) for i in numbers for line in lines), default=0)
        if widest <= width + _GAP / 2:
            break
    return names, width


def _columns(count: int) -> int:
    """Return about the square root, or a little more where that leaves no hole in the last row."""
    least = max(math.isqrt(max(count - 1, 0)) + 1, 1)
    return next((columns for columns in range(least, 2 * least) if count % columns == 0), least)


def _draw_image(axes: Axes, cell: Cell) -> None:
    image = cell.image[..., 0] if cell.image.ndim == 3 and cell.image.shape[-1] == 1 else cell.image
    if image.dtype == np.uint8:
        # Pixels' edges would hide what is on an image that is much enlarged.
        smooth = "bicubic" if max(image.shape[:2]) < 120 else "antialiased"
        axes.imshow(image, cmap=cell.colours, vmin=0, vmax=255, interpolation=smooth)
    else:
        axes.imshow(image, cmap=cell.colours, vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    colour, width = cell.frame
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=width)
