"""Seeded folds for cross-validation that keep the share of every class."""

from collections.abc import Sequence

import numpy as np

from tfconv.data.limits import check_whole
from tfconv.errors import InputError

__all__ = ["stratified_folds"]


def stratified_folds(labels: np.ndarray, k: int, seed: int | Sequence[int] = 0) -> list[np.ndarray]:
    """Deal all examples into k parts at random, each with about the same share of every class.

    One label each: the examples of a class are shuffled and dealt out in turn, going on with the next class where the
    last one ended; so the parts differ by at most one example, of each class and in all.

    Any number of labels each: iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, algorithm 1): the label
    with the fewest undealt examples next, each of its examples to the part that lacks that label most, of equals to
    the part that lacks examples most, then at random; the examples without labels fill up the rest. Rare labels are
    spread within about one example, frequent ones nearly.

    A class of fewer than k examples is missing from some parts; of a class with one example, its part is held out
    without there being any to train on.

    Args:
        labels: int (n,) class indices, or (n, classes) of 0 and 1.
        k: how many parts, from 2 to n.
        seed: the same seed, k and labels give the same parts.

    Returns:
        k arrays of ascending indices; every index is in exactly one.

    Raises:
        InputError: `k` is no whole number from 2 to n.
    """
    check_whole("the number of folds", k, 2)
    if k > len(labels):
        raise InputError(f"the number of folds must be at most that of the examples, {len(labels)}; got {k}")
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), np.int64)
    if labels.ndim == 1:
        order = rng.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]  # class by class, random within each
        fold_of[order] = np.arange(len(labels)) % k
    else:
        fold_of[:] = _folds_of_many(labels > 0, k, rng)
    return [np.flatnonzero(fold_of == fold) for fold in range(k)]


def _folds_of_many(has: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    count, left = len(has), has.sum(axis=0)
    lacking = np.full(k, count / k)  # examples that each fold still lacks
    lacking_of = np.repeat(left[None] / k, k, axis=0)  # (fold, label)
    fold_of = np.full(count, -1)
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, count + 1)))
        rows = np.flatnonzero((fold_of < 0) & has[:, label])
        for row in rng.permutation(rows):
            fold = _neediest(rng, lacking_of[:, label], lacking)
            fold_of[row] = fold
            lacking[fold] -= 1
            lacking_of[fold] -= has[row]
        left = left - has[rows].sum(axis=0)
    for row in rng.permutation(np.flatnonzero(fold_of < 0)):
        fold = _neediest(rng, lacking)
        fold_of[row] = fold
        lacking[fold] -= 1
    return fold_of


def _neediest(rng: np.random.Generator, *needs: np.ndarray) -> int:
    """The fold with the greatest need; of equals the one with the greatest second need; of those any."""
    among = np.arange(len(needs[0]))
    for need in needs:
        greatest = need[among].max()
        among = among[need[among] > greatest - 1e-9]  # sums of thirds are not exact
    return int(among[rng.integers(len(among))])
