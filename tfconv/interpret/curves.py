"""A training as curves: loss and metrics over the epochs."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfconv.errors import InputError
from tfconv.evaluation.figures import COLOURS, plain_label

__all__ = ["curves_figure", "lr_find_figure", "schedules_figure"]


_STYLES = {"": (COLOURS[0], "-", "o", "train"), "val_": (COLOURS[1], "--", "s", "validation")}


class _Curves(NamedTuple):
    epochs: npt.NDArray[np.int64]
    values: dict[str, npt.NDArray[np.float64]]


def curves_figure(history: Any, *, title: str | None = None) -> Figure:
    """Draw the loss and each metric over the epochs, training and validation beside each other, the best epoch marked.

    The best epoch is that of the lowest validation loss, which early stopping goes by (without validation data, of
    the lowest training loss).

    Args:
        history: what `fit` returned (a Keras `History`), its dictionary of lists, the path of a `history.csv`, or of
            the run folder that holds one.
        title: a line above.

    Returns:
        A figure on white, a part for each metric, two beside each other.

    Raises:
        InputError: no such file, no epochs, or a file that is no table of numbers.
    """
    curves = _read(history)
    names = list(dict.fromkeys(name.removeprefix("val_") for name in curves.values))
    names.sort(key=lambda name: (name != "loss", "accuracy" not in name))  # what is asked first stands first
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    height = 3.4 * rows + (0.3 if title else 0)
    figure = Figure(figsize=(4.6 * columns, height), facecolor="white", layout="constrained")
    if title:
        figure.suptitle(plain_label(title, 60 * columns), fontsize=11)
    judged = next((name for name in ("val_loss", "loss") if np.isfinite(curves.values.get(name, np.nan)).any()), None)
    best = None if judged is None else int(np.nanargmin(_finite(curves.values[judged])))
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw(axes, curves, name, best)
        if best is not None and place == 0:
            whose = "validation" if judged == "val_loss" else "training"
            axes.set_title(f"lowest {whose} loss: epoch {curves.epochs[best]}", fontsize=9, color="0.35", loc="right")
    return figure


def _draw(axes: Axes, curves: _Curves, name: str, best: int | None) -> None:
    """Draw one metric into its part of the figure."""
    few = len(curves.epochs) <= 30
    for prefix, (colour, line, marker, label) in _STYLES.items():
        values = curves.values.get(prefix + name)
        if values is None:
            continue
        shown = "" if best is None or not np.isfinite(values[best]) else f": {values[best]:.4g}"
        style: dict[str, Any] = {"marker": marker, "markersize": 3.5} if few else {}
        axes.plot(curves.epochs, _finite(values), line, color=colour, label=label + shown, linewidth=1.6, **style)
        if shown and best is not None:
            axes.plot(curves.epochs[best], values[best], marker, color=colour, fillstyle="none", markersize=9)
    if best is not None:
        axes.axvline(curves.epochs[best], color="0.6", linestyle=":", linewidth=1, zorder=0)
    axes.set(xlabel="epoch", ylabel=plain_label(name.replace("_", " "), 30))
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    if len(curves.epochs) == 1:
        axes.set_xlim(curves.epochs[0] - 0.5, curves.epochs[0] + 0.5)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    heading = None if best is None else f"in epoch {curves.epochs[best]}"
    axes.legend(fontsize=9, title=heading, title_fontsize=8, alignment="left", frameon=False)


def _finite(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return infinite numbers as NaN, which leaves a gap."""
    return np.where(np.isfinite(values), values, np.nan)


def _read(history: Any) -> _Curves:
    """Bring whatever holds a history into one form."""
    if isinstance(history, str | Path):
        return _read_csv(Path(history))
    columns = getattr(history, "history", history)
    if not isinstance(columns, Mapping):
        raise InputError(f"give a Keras History, its dictionary or a history.csv, got {type(history).__name__}")
    epochs = [number + 1 for number in getattr(history, "epoch", [])]
    return _checked(epochs, columns, "the history")


def _read_csv(path: Path) -> _Curves:
    path = path / "history.csv" if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"{path}: no such file: there are no curves of a model that was solved, or of `fit` without run_dir"
        )
    try:
        with open(path, encoding="utf-8", newline="") as file:
            names, *rows = list(csv.reader(file)) or [[]]
        columns = {name: [float(row[i]) for row in rows] for i, name in enumerate(names)}
        epochs = [int(number) for number in columns.pop("epoch")]
    except (KeyError, IndexError, ValueError, OverflowError, csv.Error):
        raise InputError(f"{path} is no history: it needs a header (epoch, loss, ...) and a row an epoch") from None
    return _checked(epochs, columns, str(path))


def _checked(epochs: list[int], columns: Mapping[str, Any], where: str) -> _Curves:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise InputError(f"{where} holds {'lists of unequal lengths' if len(lengths) > 1 else 'no epoch'}")
    length = lengths.pop()
    numbers = epochs if len(epochs) == length else range(1, length + 1)
    return _Curves(np.array(numbers), {name: np.asarray(values, np.float64) for name, values in columns.items()})


_LINES = ("-", "--", "-.", ":")


def schedules_figure(
    epochs: npt.ArrayLike,
    rates: Mapping[str, npt.ArrayLike],
    momenta: Mapping[str, npt.ArrayLike] | None = None,
    *,
    title: str | None = None,
) -> Figure:
    """Draw learning rates over a training, and below them the momentum of those that change it.

    Args:
        epochs: (n,) where the values are, in epochs from 0.
        rates: name to (n,) learning rates.
        momenta: some of the names to (n,) momenta, drawn in the colour of their learning rate.
        title: a line above.

    Returns:
        A figure on white.

    Raises:
        ValueError: there is no learning rate, or a name of `momenta` is not in `rates`.
    """
    momenta = momenta or {}
    if not rates:
        raise ValueError("rates must name one learning rate or more, got none")
    if unknown := momenta.keys() - rates.keys():
        raise ValueError(f"momenta must be of names in rates, got {sorted(unknown)[0]!r}")
    figure = Figure(figsize=(8, 5.4 if momenta else 3.6), facecolor="white", layout="constrained")
    if title:
        figure.suptitle(plain_label(title, 100), fontsize=11)
    heights = [2, 1] if momenta else [1]
    parts = np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    for number, (name, values) in enumerate(rates.items()):
        style: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "linestyle": _LINES[number % len(_LINES)],
            "linewidth": 1.8,
        }
        parts[0].plot(epochs, values, label=plain_label(name, 30), **style)
        if name in momenta:
            parts[1].plot(epochs, momenta[name], **style)
    for axes, label in zip(parts, ("learning rate", "momentum"), strict=False):
        axes.set_ylabel(label)
        _plain(axes)
    parts[0].set_ylim(bottom=0)
    parts[-1].set_xlabel("epoch")
    parts[-1].set_xlim(0, max(np.ceil(np.max(epochs)), 1))
    parts[-1].xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def lr_find_figure(sweep: Any, *, title: str | None = None) -> Figure:
    """Draw what the learning-rate finder saw: the loss of each step, thin, and smoothed, with its suggestions.

    Where the loss fell at no rate there is nothing to suggest, and nothing is marked.

    Args:
        sweep: what `tfconv.training.lr_find` returned.
        title: a line above.

    Returns:
        A figure on white; the rates are on a logarithmic axis.
    """
    figure = Figure(figsize=(8, 4.4), facecolor="white", layout="constrained")
    if title:
        figure.suptitle(plain_label(title, 100), fontsize=11)
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.plot(sweep.rates, sweep.losses, color="0.7", linewidth=0.9, label="loss of a step")
    axes.plot(sweep.rates, sweep.smoothed, color=COLOURS[0], linewidth=2, label="smoothed")
    marks = zip(COLOURS[1:], "osD", (11, 8, 5), strict=False)  # smaller on greater: two may fall together
    suggestions = sweep.suggestions() if sweep.learned else {}
    for (name, rate), (colour, marker, size) in zip(suggestions.items(), marks, strict=False):
        height = float(np.interp(np.log(rate), np.log(sweep.rates), sweep.smoothed))
        axes.axvline(rate, color=colour, linestyle=":", linewidth=1, zorder=0)
        axes.plot(rate, height, marker, color=colour, markersize=size, linestyle="none", label=f"{name}: {rate:.2g}")
    axes.set_ylim(*_heights(sweep))
    axes.set_xlim(sweep.rates[0] * (1 - 5e-7), sweep.rates[-1] * (1 + 5e-7))  # float32: the ticks at the ends, too
    axes.set(xlabel="learning rate", ylabel="training loss")
    _plain(axes)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _heights(sweep: Any) -> tuple[float, float]:
    """Limits that show the fall: a loss that explodes at the end must not press it into a line."""
    before = sweep.losses[: int(np.argmin(sweep.smoothed)) + 1]
    low, high = np.percentile(before, [2, 98]) if len(before) > 1 else (before[0], before[0])
    low, high = min(low, np.min(sweep.smoothed)), max(high, sweep.smoothed[0])
    margin = max(0.15 * (high - low), 0.02 * abs(high), 1e-9)
    return float(low - margin), float(high + margin)


def _plain(axes: Axes) -> None:
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
