"""Texts on which an export is compared with the live model, and the live model's answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.errors import InputError
from tfconv.evaluation.probability_graphs import padded_width

__all__ = ["text_logits", "text_samples"]

TEXT_EXAMPLES = ("I really liked the movie!", "Hated every second of it...")
_SAMPLES = (
    *(text.encode() for text in TEXT_EXAMPLES),
    b"",
    b" \t\r\n",
    b"word " * 5000,
    "Ça c'est «déjà vu»: ταινία, фильм, 映画, फिल्म, فيلم".encode(),
    "🙂🎬👍🏽 :-) <3 ?!... don't <br /><br />can't".encode(),
    b"broken \xff\xfe UTF-8 \xc3( and a NUL \x00 inside",
    b"x" * 20_000,
)


def text_samples(preprocess: Any, more: Sequence[str]) -> list[bytes]:
    """Texts that break models, `more`, and the first and last words of the vocabulary, to find out a shifted table."""
    tokens = list(getattr(getattr(preprocess, "vocabulary", None), "tokens", ()))[3:]
    words = tokens[:100] + tokens[100:][-100:]
    of_words = [" ".join(words[start : start + 20]).encode() for start in range(0, len(words), 20)]
    return [*_SAMPLES, *(text.encode("utf-8", "surrogateescape") for text in more), *of_words]


def text_logits(model: Any, preprocess: Any, samples: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Ask the model itself about one text at a time: float32 (n, outputs).

    Raises:
        InputError: an answer is not finite.
    """
    least, exact = padded_width(model, preprocess)
    rows = []
    for text in samples:
        ids = preprocess(tf.constant([text])).numpy()
        ids = np.pad(ids, [(0, 0), (0, max(least - ids.shape[1], 0))])[:, : least if exact else None]
        logits = np.asarray(model(ids, training=False), np.float32)
        if not np.isfinite(logits).all():
            raise InputError(
                f"the model's answer to the text {text[:40]!r} is not finite: a server would meet it too"
                + ("" if ids.any() else " (a mean over no token at all? let each text begin with a start mark)")
            )
        rows.append(logits)
    return np.concatenate(rows)
