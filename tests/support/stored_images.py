"""Images in a store, for the tests of what is made of them."""

import numpy as np

from tfconv.data import ImageData, ImageExamples


def numbered(n, *, height=5, width=4, channels=3):
    """Random images whose first pixel is their number."""
    store = np.random.default_rng(0).integers(0, 256, (n, height, width, channels), np.uint8)
    store[:, 0, 0, 0] = np.arange(n)
    return store


def three_classes(n=60, **kwargs):
    every = ImageExamples(numbered(n, **kwargs), (np.arange(n) % 3).astype(np.int32))
    parts = {"train": np.arange(0, n, 2), "validation": np.arange(1, n, 4), "test": np.arange(3, n, 4)[::-1]}
    examples = {split: every.take(rows) for split, rows in parts.items()}
    return ImageData("x", ("a", "b", "c"), examples)
