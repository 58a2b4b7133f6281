"""Learning rates as figures: their course over a training, and the loss over them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tfconv.evaluation.figures import COLOURS, plain_label

__all__ = ["lr_find_figure", "schedules_figure"]

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
