"""Find duplicate examples: with different labels, or in two splits."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tfconv.data.image.dataset import ImageExamples
    from tfconv.data.text.dataset import TextExamples

__all__ = ["conflicting_labels", "example_keys", "shared_examples"]

_CHUNK = 1024  # images read in one go


def example_keys(examples: "TextExamples | ImageExamples") -> list[bytes]:
    """Return a key of 16 bytes for each example (BLAKE2b); keys are equal where the text, or every pixel, is equal."""
    texts = getattr(examples, "texts", None)
    if texts is not None:
        return [_digest(text.encode("utf-8", "surrogatepass")) for text in texts]
    keys: list[bytes] = []
    for start in range(0, len(examples), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(examples)))
        keys += (_digest(pixels.tobytes()) for pixels in examples.images(rows))  # type: ignore[union-attr]
    return keys


def conflicting_labels(keys: Sequence[bytes], labels: np.ndarray) -> list[tuple[int, int]]:
    """Find equal examples that bear different labels: no model can answer all of them rightly.

    Args:
        keys: from `example_keys`.
        labels: (n,), or (n, classes) where there are several labels.

    Returns:
        For each text or image with different labels: the number of its first example, and of the first with another
        label. In the order of the second.
    """
    first: dict[bytes, int] = {}
    found: dict[bytes, tuple[int, int]] = {}
    for number, key in enumerate(keys):
        before = first.setdefault(key, number)
        if key not in found and np.any(labels[before] != labels[number]):
            found[key] = before, number
    return list(found.values())


def shared_examples(train: Sequence[bytes], held: Sequence[bytes]) -> list[tuple[int, int]]:
    """Find held-out examples that are also trained on, which flatters their score.

    Args:
        train: from `example_keys` of the training split.
        held: of another split.

    Returns:
        For each such example of `held`: the number of the training example that it equals, the first if there are
        several, and its own.
    """
    first: dict[bytes, int] = {}
    for number, key in enumerate(train):
        first.setdefault(key, number)
    return [(first[key], number) for number, key in enumerate(held) if key in first]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
