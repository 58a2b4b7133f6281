"""Split examples at random, with the share of every class kept: by fractions, and into folds."""

from collections.abc import Sequence

import numpy as np

from tfconv.errors import InputError, check_fraction, check_whole

__all__ = ["stratified_folds", "stratified_parts", "stratified_split"]


def stratified_split(
    labels: np.ndarray, fraction: float, *, seed: int | Sequence[int] = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a fraction of the examples at random, about the same of every class.

    One label each: round(fraction · n) examples are held out (at least one when `fraction` > 0), shared among the
    classes by largest remainders, so that a class's part differs from fraction · (its examples) by at most one.

    Any number of labels each: iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011), one label at a time:
    the label with the fewest undecided examples next, its quota what it still lacks, the rounding error carried on to
    the next label; the examples without labels fill up the rest. Rare labels get their share to within about one
    example, frequent ones nearly.

    In both every class that has an example keeps at least one in the larger part.

    Args:
        labels: int (n,) class indices, or (n, classes) of 0 and 1.
        fraction: the share to hold out, in [0, 1).
        seed: the same seed and labels give the same split.

    Returns:
        The indices kept and the indices held out, both ascending, together every index once.

    Raises:
        InputError: `fraction` is not in [0, 1).
    """
    check_fraction("fraction", fraction)
    count = len(labels)
    if fraction == 0 or count == 0:
        return np.arange(count), np.arange(0)
    rng = np.random.default_rng(seed)
    wanted = max(1, round(fraction * count))
    held = _held_of_many(labels, fraction, wanted, rng) if labels.ndim == 2 else _held(labels, fraction, wanted, rng)
    return np.flatnonzero(~held), np.flatnonzero(held)


def stratified_parts(labels: np.ndarray, *, validation: float, test: float, seed: int) -> dict[str, np.ndarray]:
    """Split all examples for training, validation and testing.

    Args:
        labels: as in `stratified_split`.
        validation: the share of all examples for validation.
        test: the share of all examples for testing.
        seed: the same seed and labels give the same parts.

    Returns:
        Ascending indices of "train", "validation" and "test", without those that get none.

    Raises:
        InputError: a share is not in [0, 1), or both together leave less than a tenth to train on.
    """
    check_fraction("validation", validation)
    check_fraction("test", test)
    if validation + test > 0.9:
        raise InputError(f"validation + test must leave a tenth to train on; got {validation} + {test}")
    rest, held = stratified_split(labels, test, seed=[seed, 1])
    # Of the rest, the share that makes `validation` of all.
    kept, checked = stratified_split(labels[rest], validation / (1 - test), seed=[seed, 0])
    parts = {"train": rest[kept], "validation": rest[checked], "test": held}
    return {split: indices for split, indices in parts.items() if len(indices)}


def _held(labels: np.ndarray, fraction: float, wanted: int, rng: np.random.Generator) -> np.ndarray:
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    exact = fraction * counts
    take = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(take - exact, kind="stable")
    with_room = by_remainder[take[by_remainder] + 1 < counts[by_remainder]]
    take[with_room[: wanted - take.sum()]] += 1

    order = rng.permutation(len(labels))
    order = order[np.argsort(codes[order], kind="stable")]  # class by class, random within each
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(labels), bool)
    held[order[rank < np.repeat(take, counts)]] = True
    return held


def _held_of_many(labels: np.ndarray, fraction: float, wanted: int, rng: np.random.Generator) -> np.ndarray:
    has = labels > 0
    desired = fraction * has.sum(axis=0)
    undecided = np.ones(len(labels), bool)
    held = np.zeros(len(labels), bool)
    left = has.sum(axis=0)
    held_counts = np.zeros_like(left)
    carried = 0.0
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, len(labels) + 1)))
        rows = np.flatnonzero(undecided & has[:, label])
        lacking = desired[label] - held_counts[label] + carried
        quota = int(np.clip(round(lacking), 0, len(rows) - 1))
        carried = float(np.clip(lacking - quota, -1, 1))  # bounded: too many of one label do not take from all others
        chosen = rng.permutation(rows)[:quota]
        held[chosen] = True
        held_counts += has[chosen].sum(axis=0)
        undecided[rows] = False
        left -= has[rows].sum(axis=0)
    rows = np.flatnonzero(undecided)
    held[rng.permutation(rows)[: max(0, wanted - int(held.sum()))]] = True

    for label in range(has.shape[1]):  # a label whose every example was held out for the sake of rarer ones
        rows = np.flatnonzero(has[:, label])
        if len(rows) and held[rows].all():
            held[rng.choice(rows)] = False
    if not held.any():
        spare = np.flatnonzero((~has | (has.sum(axis=0) > 1)).all(axis=1))
        held[rng.permutation(spare)[:1]] = True
    return held


def stratified_folds(labels: np.ndarray, k: int, seed: int | Sequence[int] = 0) -> list[np.ndarray]:
    """Split all examples into k folds at random, each with about the same share of every class.

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
