"""Which tokens a text classifier's answers hang on: weights of a linear model, leave-one-out effects of any model.

Effects are differences of the log-odds of one class (the target), log p / (1 - p) in nats: 0.7 doubles the odds. (With
three classes or more, weights are those of the target less the mean of the others: log-odds are not linear there.)
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tfconv.errors import InputError
from tfconv.evaluation.figures import plain_label, text_width
from tfconv.evaluation.probability import padded_width
from tfconv.layers.ngrams import ngram_layer
from tfconv.tasks import CLASSIFICATION, Task

__all__ = [
    "SignificantTokens",
    "TokenEffect",
    "class_tokens_figure",
    "linear_weights",
    "occlusion",
    "significant_ngrams",
    "significant_tokens",
    "text_figure",
    "tokens_figure",
]


Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TokenEffect:
    """A token, its mean effect on the target's log-odds, and in how many places it was measured (0: a weight)."""

    token: str
    effect: float
    count: int


@dataclass(frozen=True)
class SignificantTokens:
    """The tokens that speak most for the target class and most against it, strongest first."""

    target: str
    positive: tuple[TokenEffect, ...]
    negative: tuple[TokenEffect, ...]
    method: str  # "weight" or "leave-one-out"


def significant_tokens(
    model: Any,
    preprocess: Any,
    texts: Sequence[str] | None = None,
    *,
    target: int | str | None = None,
    count: int = 20,
    minimum: int = 5,
    batch_size: int = 256,
) -> SignificantTokens:
    """Find the tokens that a model takes as the strongest signs for and against a class.

    Args:
        model: ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: the model's `TextPreprocess`.
        texts: measure by leaving out every token of each of these texts in turn (`occlusion`). A few hundred reviews
            are a minute's work. `None`: take the weights, which only a linear bag of words has (`linear_weights`).
        target: class number or name; `None`: the second of two classes.
        count: how many tokens in each direction at most.
        minimum: with texts, tokens met in fewer places are left out: a mean over one place is chance.
        batch_size: variants of texts scored at a time.

    Returns:
        Tokens by mean effect. All unknown tokens count as one, `<oov>`.

    Raises:
        InputError: no such class, no texts, or `texts=None` with a model that is not linear.
    """
    column, name = _target(model, preprocess, target)
    effects: list[TokenEffect] = []
    if texts is None:
        tokens = preprocess.vocabulary.tokens
        weights = linear_weights(model, preprocess)
        own = _margin(weights, column, preprocess)
        effects = [TokenEffect(tokens[i], float(own[i]), 0) for i in range(2, len(tokens))]
        method = "weight"
    else:
        found: dict[str, list[float]] = defaultdict(list)
        for names, own in _left_out(model, preprocess, texts, column, batch_size):
            for token, effect in zip(names, own.tolist(), strict=True):
                found[token].append(effect)
        effects = [TokenEffect(token, float(np.mean(x)), len(x)) for token, x in found.items() if len(x) >= minimum]
        method = "leave-one-out"
    return _strongest(effects, name, count, method)


def significant_ngrams(
    model: Any, preprocess: Any, texts: Sequence[str], *, target: int | str | None = None, count: int = 20
) -> SignificantTokens:
    """Find the n-grams of some texts that a linear n-gram model weighs most for and against a class.

    Args:
        model: ids to logits, with an `NGramDense` layer: `NGramLinear`, or `WideDeepTextCNN` for its wide part.
        preprocess: the model's `TextPreprocess`, with n-grams.
        texts: whose n-grams are looked at: their hashes alone do not say what they are. A few hundred are a second's
            work.
        target: class number or name; `None`: the second of two classes.
        count: how many n-grams in each direction at most.

    Returns:
        N-grams by weight, in log-odds where a text is of that n-gram alone; characters are in quotes.

    Raises:
        InputError: no such class, no texts, or a model without n-grams.
    """
    if getattr(preprocess, "ngrams", None) is None:
        raise InputError("the model has no n-grams: ask for significant_tokens")
    if not len(texts):
        raise InputError("no texts to find n-grams in")
    column, name = _target(model, preprocess, target)
    layer = ngram_layer(model)
    names = preprocess.ngrams.names(texts)
    apart = layer.buckets == preprocess.ngrams.size  # n-grams alone, or words' ids before them
    places = np.array(list(names), np.int64) + (0 if apart else preprocess.first_ngram - 1)
    kernel = np.asarray(layer.kernel)[places].astype(np.float64)
    if not layer.normalize:
        kernel *= np.asarray(layer.scale)[places][:, None]
    effects = [
        TokenEffect(ngram, float(effect), 0)
        for ngram, effect in zip(names.values(), _margin(kernel, column, preprocess), strict=True)
    ]
    return _strongest(effects, name, count, "weight")


def _strongest(effects: list[TokenEffect], target: str, count: int, method: str) -> SignificantTokens:
    """The effects of either sign that are furthest from zero."""
    effects.sort(key=lambda entry: (-entry.effect, entry.token))
    positive = [entry for entry in effects[:count] if entry.effect > 0]
    negative = [entry for entry in effects[::-1][:count] if entry.effect < 0]
    return SignificantTokens(target, tuple(positive), tuple(negative), method)


def occlusion(
    model: Any, preprocess: Any, text: str, *, target: int | str | None = None, batch_size: int = 256
) -> list[TokenEffect]:
    """Measure what each token of one text does: log-odds of the text less log-odds without that token.

    Exact leave-one-out: the token is taken out and the rest closes up, so a text of k tokens is scored k + 1 times.
    Tokens beyond the preprocessing's `length` were never seen and are not listed.

    Args:
        model: ids (n, steps) to logits (n, 1) or (n, C).
        preprocess: the model's `TextPreprocess`.
        text: raw text.
        target: class number or name; `None`: the second of two classes, or the predicted one of more.
        batch_size: variants scored at a time.

    Returns:
        One entry for each token in reading order, spelled as in the text (unknown ones too), `count` being 1.

    Raises:
        InputError: no such class.
    """
    if target is None and model.output_shape[-1] > 2:
        least, exact = padded_width(model, preprocess)
        ids = _ids(preprocess, text)
        ids = np.pad(ids, (0, max(least - len(ids), 0)))[: least if exact else None]
        target = int(_logits_function(model)(ids[None])[0].argmax())
    column, _ = _target(model, preprocess, target)
    tokens = preprocess.tokens(text)
    ((_, effects),) = _left_out(model, preprocess, [text], column, batch_size)
    return [TokenEffect(token, float(effect), 1) for token, effect in zip(tokens, effects, strict=False)]


def linear_weights(model: Any, preprocess: Any) -> Floats:
    """Read the weight of every id from a linear bag of words, whatever its layers are.

    A linear model's logits for the one token w, less those for no token (for the unknown token, where the model has no
    answer to no token), are its weights for w. Whether it is linear is tried on pairs of tokens: both together must
    give the sum (or, with a mean over tokens, a fixed share of it).

    Args:
        model: ids (n, steps) to logits (n, outputs).
        preprocess: the model's `TextPreprocess`.

    Returns:
        (vocabulary size, outputs) in logits for each occurrence; row 0 (padding) is zero.

    Raises:
        InputError: the model is not linear in its tokens.
    """
    least, _ = padded_width(model, preprocess)
    width = max(least, 2)
    score = _logits_function(model)

    def logits(rows: npt.NDArray[np.int32]) -> Floats:
        return score(np.pad(rows, [(0, 0), (0, width - rows.shape[1])]))

    size = len(preprocess.vocabulary)
    nothing = logits(np.zeros((1, 1), np.int32))
    if not np.isfinite(nothing).all():  # the mean of no vectors
        nothing = logits(np.full((1, 1), 2, np.int32))
    every = np.arange(size, dtype=np.int32)[:, None]
    weights = np.concatenate([logits(every[start : start + 4096]) for start in range(0, size, 4096)]) - nothing
    rng = np.random.default_rng(0)
    pairs = rng.permutation(np.arange(1, size, dtype=np.int32))[: 2 * min(64, (size - 1) // 2)].reshape(-1, 2)
    together = logits(pairs) - nothing
    apart = weights[pairs[:, 0]] + weights[pairs[:, 1]]
    share = float((together * apart).sum() / max(float((apart**2).sum()), 1e-30))
    tolerance = 1e-4 * max(1.0, float(np.abs(apart).max(initial=0.0)))
    if not len(pairs) or share <= 0 or float(np.abs(together - share * apart).max()) > tolerance:
        raise InputError("the model is not linear in its tokens, so it has no weights to show: give texts=[...]")
    weights[0] = 0
    return weights


def _left_out(
    model: Any, preprocess: Any, texts: Sequence[str], column: int, batch_size: int
) -> Iterator[tuple[list[str], Floats]]:
    """Yield, for each text (in the order of length), its tokens as the model knows them and the effect of each."""
    if not len(texts):
        raise InputError("no texts to measure tokens on")
    least, exact = padded_width(model, preprocess)
    score = _logits_function(model)
    with_ngrams = getattr(preprocess, "ngrams", None) is not None
    encoded: list[tuple[Any, list[str]]] = []  # what is varied, and the tokens
    for text in texts:
        if with_ngrams:  # which are of several tokens each: they are found anew in every variant
            tokens = preprocess.tokens(text)
            encoded.append((tokens, tokens))
            continue
        ids = _ids(preprocess, text)
        first = len(ids) - len(preprocess.tokens(text))  # the start mark is no token of the text
        ids = ids[:least] if exact else ids
        encoded.append((ids, [preprocess.vocabulary.tokens[i] for i in ids[first:]]))
    # Like lengths together, and variants of several short texts in one batch: less padding, fewer calls.
    encoded.sort(key=lambda entry: len(entry[0]))
    make = _text_variants(preprocess) if with_ngrams else _variants
    variants = ((variant, i) for i, entry in enumerate(encoded) for variant in make(*entry))
    odds: list[list[float]] = [[] for _ in encoded]
    done = 0
    while True:
        part = list(islice(variants, batch_size))
        if part:
            width = max(least, max(len(variant) for variant, _ in part))
            rows = np.stack([np.pad(variant, (0, width - len(variant))) for variant, _ in part])
            for (_, i), value in zip(part, _log_odds(score(rows), column, preprocess), strict=True):
                odds[i].append(float(value))
        while done < len(encoded) and len(odds[done]) == len(encoded[done][1]) + 1:
            yield encoded[done][1], odds[done][0] - np.array(odds[done][1:])
            odds[done] = []
            done += 1
        if len(part) < batch_size:
            return


def _variants(ids: npt.NDArray[np.int32], tokens: list[str]) -> Iterator[npt.NDArray[np.int32]]:
    """Yield the ids whole, then without each one of the tokens, which are the last ones."""
    yield ids
    for place in range(len(ids) - len(tokens), len(ids)):
        yield np.delete(ids, place)


def _text_variants(preprocess: Any) -> Callable[[list[str], list[str]], Iterator[npt.NDArray[np.int32]]]:
    """A function from a text's tokens to the ids of the text, then of the text without each of them."""

    def variants(tokens: list[str], _: list[str]) -> Iterator[npt.NDArray[np.int32]]:
        texts = [" ".join(tokens), *(" ".join(tokens[:i] + tokens[i + 1 :]) for i in range(len(tokens)))]
        for start in range(0, len(texts), 256):
            for row in preprocess(tf.constant(texts[start : start + 256])).numpy():
                yield np.trim_zeros(row, "b")

    return variants


def _ids(preprocess: Any, text: str) -> npt.NDArray[np.int32]:
    return np.trim_zeros(preprocess(tf.constant([text])).numpy()[0], "b")


def _logits_function(model: Any) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None, model.input_shape[1]], tf.int32)])
    def logits(ids: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(ids, training=False), tf.float32)

    return lambda rows: logits(tf.constant(rows, tf.int32)).numpy().astype(np.float64)


def _log_odds(logits: Floats, column: int, preprocess: Any) -> Floats:
    if logits.shape[1] == 1 or not _task(preprocess).exclusive:
        return _margin(logits, column, preprocess)
    return logits[:, column] - np.logaddexp.reduce(np.delete(logits, column, axis=1), axis=1)


def _margin(logits: Floats, column: int, preprocess: Any) -> Floats:
    """Return the target's logit: its own, of two classes with its sign, of many less the mean of the others."""
    if not _task(preprocess).exclusive:
        return logits[:, column]
    if logits.shape[1] == 1:
        return logits[:, 0] * (2 * column - 1)
    return logits[:, column] - np.delete(logits, column, axis=1).mean(axis=1)


def _task(preprocess: Any) -> Task:
    return getattr(preprocess, "task", CLASSIFICATION)


def _target(model: Any, preprocess: Any, target: int | str | None) -> tuple[int, str]:
    """Return the target's column (0 or 1 where the model has one logit) and its name."""
    outputs = model.output_shape[-1]
    single = outputs == 1 and _task(preprocess).exclusive
    classes = 2 if single else outputs
    names = tuple(getattr(preprocess, "class_names", ())) or tuple(f"class {i}" for i in range(classes))
    if target is None:
        if classes != 2:
            raise InputError(f"say which of the {classes} classes: target=one of {', '.join(names)}")
        target = 1
    column = names.index(target) if isinstance(target, str) and target in names else target
    if not isinstance(column, int) or not 0 <= column < classes:
        raise InputError(f"there is no class {target!r}: the model has {', '.join(names)}")
    return column, names[column]


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


def class_tokens_figure(tokens: Sequence[SignificantTokens]) -> Figure:
    """Draw the tokens that speak most for each of several classes, one panel a class.

    Args:
        tokens: from `significant_tokens` or `significant_ngrams`, one for each class.

    Returns:
        A figure, 9 inches wide, of three panels a row.
    """
    columns = min(3, len(tokens))
    rows = -(-len(tokens) // columns)
    longest = max(max((len(one.positive) for one in tokens), default=0), 1)
    figure = Figure(figsize=(9, 0.7 + rows * (0.5 + 0.2 * longest)), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(tokens) :]:
        axes.set_visible(False)
    largest = max((one.positive[0].effect for one in tokens if one.positive), default=1.0)
    for axes, one in zip(panels, tokens, strict=False):
        effects = [token.effect for token in one.positive]
        axes.barh(range(len(effects)), effects, color=_FOR, height=0.75)
        axes.set_yticks(range(len(effects)), [plain_label(token.token, 20) for token in one.positive], fontsize=8)
        axes.set_ylim(longest - 0.4, -0.6)
        axes.set_xlim(0, 1.03 * largest)
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="both", length=0, labelsize=8)
        axes.set_title(plain_label(one.target, 28), fontsize=10, loc="left")
    kind = "weight" if tokens[0].method == "weight" else "mean, by leaving it out"
    figure.supxlabel(f"what a token adds to the log-odds of the class ({kind})", fontsize=9)
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
