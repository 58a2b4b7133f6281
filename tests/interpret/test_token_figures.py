"""Figures of tokens: every token drawn once, inside the figure, none on another."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tfconv.interpret import SignificantTokens, TokenEffect, text_figure, tokens_figure

STRANGE = ["$x$", "漢字", "🙂", "a" * 90, "", "\n", "_{^", "don't"]


def boxes(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize") and hasattr(artist, "get_window_extent"))
    for axes in figure.axes:  # matplotlib keeps ticks beyond the limits, and does not draw them
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    texts = [text for text in texts if text not in (tick.label1, tick.label2)]
    shown = [text for text in texts if text.get_visible() and text.get_text()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


def check(figure):
    found = boxes(figure)
    for index, (text, box) in enumerate(found):
        assert -1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1, text
        assert -1 <= box.y0 and box.y1 <= figure.bbox.y1 + 1, text
        for other, other_box in found[index + 1 :]:
            width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert min(width, height) <= 1, (text, other)
    return [text for text, _ in found]


def effects(tokens, seed=0):
    return [
        TokenEffect(token, float(x), 5)
        for token, x in zip(tokens, np.random.default_rng(seed).normal(size=len(tokens)), strict=True)
    ]


@pytest.mark.parametrize("count", [0, 3, 20])
def test_tokens_figure(count):
    tokens = [*(f"word{i}" for i in range(max(count - len(STRANGE), 0))), *STRANGE][:count]
    positive = tuple(TokenEffect(token, 2.0 - i / 20, 5) for i, token in enumerate(tokens))
    negative = tuple(TokenEffect(token, -2.0 + i / 20, 5) for i, token in enumerate(tokens))
    figure = tokens_figure(SignificantTokens("pos", positive, negative, "weight"))
    check(figure)
    bars = [patch.get_width() for patch in figure.axes[0].patches]
    assert bars == [e.effect for e in positive] + [e.effect for e in negative[::-1]]


@pytest.mark.parametrize("tokens", [[], ["one"], [*STRANGE, *("many words of a longer text " * 30).split()]])
def test_text_figure(tokens):
    shown = check(text_figure(effects(tokens), title="a long $title$, quoted from the review itself " * 3))
    assert sum(text.startswith(("many", "one")) for text in shown) == tokens.count("many") + tokens.count("one")
