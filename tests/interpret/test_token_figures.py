"""Figures of tokens: every token drawn once, inside the figure, none on another."""

import numpy as np
import pytest
from drawn_texts import check

from tfconv.interpret import SignificantTokens, TokenEffect, text_figure, tokens_figure

STRANGE = ["$x$", "漢字", "🙂", "a" * 90, "", "\n", "_{^", "don't"]


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
