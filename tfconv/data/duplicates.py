"""Find duplicate examples: with different labels, or in two splits."""

import hashlib
from collections.abc import Sequence

import numpy as np

from tfconv.data.dataset import Examples

__all__ = ["conflicting_labels", "example_keys", "shared_examples"]


def example_keys(examples: Examples) -> list[bytes]:
    """Return a key of 16 bytes for each example (BLAKE2b), equal where the text, or every pixel, is equal.

    Args:
        examples: of a split, such as `data.examples["train"]`.
    """
    return [hashlib.blake2b(content, digest_size=16).digest() for content in examples.contents()]


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
