"""Plots of token effects: the most significant tokens as bars, one text as a strip of coloured words."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfconv.evaluation.figures import plain_label, text_width
from tfconv.interpret.tokens import SignificantTokens, TokenEffect

__all__ = ["text_figure", "tokens_figure"]

_FOR, _AGAINST = "#2166ac", "#b2182b"


def tokens_figure(tokens: SignificantTokens) -> Figure:
    """Draw the most significant tokens as horizontal bars: for the target to the right, against it to the left.

    Args:
        tokens: from `significant_tokens`.

    Returns:
        A figure, 6.4 inches wide and as high as the number of tokens asks.
    """
    rows = [*tokens.positive, *tokens.negative[::-1]]
    figure = Figure(figsize=(6.4, 1.3 + 0.21 * max(len(rows), 1)), layout="constrained")
    axes = figure.add_subplot()
    effects = [row.effect for row in rows]
    axes.barh(range(len(rows)), effects, color=[_FOR if effect > 0 else _AGAINST for effect in effects], height=0.75)
    axes.set_yticks(range(len(rows)), [plain_label(row.token, 28) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    target = plain_label(tokens.target, 24)
    kind = "weight" if tokens.method == "weight" else "mean, by leaving it out"
    axes.set_xlabel(f"what a token adds to the log-odds of “{target}” ({kind})")
    axes.set_title(f"Tokens for and against “{target}”")
    return figure


def text_figure(tokens: Sequence[TokenEffect], *, title: str | None = None, width: float = 7.5) -> Figure:
    """Draw one text, each token on the colour of its effect: blue for the target, red against it.

    Args:
        tokens: from `occlusion`, in reading order.
        title: a line above the text.
        width: in inches; the text is broken into lines to fit.

    Returns:
        A figure as high as the text needs.
    """
    line, gap, size, margin = 0.26, 0.05, 10, 0.15  # inches, inches, points, inches
    names = [plain_label(token.token, 40) for token in tokens]
    places, lines = _line_up(names, width - 2 * margin, size, gap)
    top = 0.4 if title else 0.1
    height = top + line * lines + 0.75
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), frameon=False)
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    extreme = max((abs(token.effect) for token in tokens), default=0.0) or 1.0
    import matplotlib as mpl

    colours, scale = mpl.colormaps["RdBu"], Normalize(-extreme, extreme)
    for name, token, (x, row, wide) in zip(names, tokens, places, strict=True):
        colour = colours(scale(token.effect))
        y = top + line * row
        axes.add_patch(Rectangle((margin + x - gap / 3, y), wide + gap / 1.5, line * 0.86, color=colour, linewidth=0))
        dark = float(np.dot(colour[:3], (0.299, 0.587, 0.114))) < 0.5
        axes.text(
            margin + x, y + line * 0.43, name, fontsize=size, va="center_baseline", color="white" if dark else "black"
        )
    if title:
        axes.text(margin, 0.2, plain_label(title, int(width * 12)), fontsize=11, va="center")
    key = figure.add_axes((margin / width, 0.36 / height, 0.35, 0.1 / height))
    key.imshow(np.linspace(-extreme, extreme, 256)[None], aspect="auto", cmap="RdBu", extent=(-extreme, extreme, 0, 1))
    key.set(yticks=[])
    key.set_xticks([-extreme, 0, extreme], [f"{-extreme:.2g}", "0", f"{extreme:+.2g}"])
    key.tick_params(labelsize=8, length=2)
    figure.text((0.35 * width + 3 * margin) / width, 0.41 / height, "added log-odds", fontsize=8, va="center")
    return figure


def _line_up(names: Sequence[str], width: float, size: int, gap: float) -> tuple[list[tuple[float, int, float]], int]:
    """Break words into lines: (left edge in inches, line number, width in inches) of each, and how many lines."""
    widths = {name: text_width(name, size) for name in set(names)}
    places, x, row = [], 0.0, 0
    for name in names:
        if x > 0 and x + widths[name] > width:
            x, row = 0.0, row + 1
        places.append((x, row, widths[name]))
        x += widths[name] + 2 * gap
    return places, row + 1
