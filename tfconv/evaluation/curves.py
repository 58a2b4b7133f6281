"""Receiver operating characteristic and precision-recall curves of one yes-or-no score, exact to the last example.

Every distinct score is a threshold, so nothing depends on a grid (`keras.metrics.AUC` sums over 200 fixed thresholds
on probabilities; a confident network puts most of its scores into the first and the last of them). Scores may be
logits or probabilities: only their order counts. Logits are the better choice: float32 probabilities above
0.99999997 are all equal to one.
"""

import numpy as np
import numpy.typing as npt

from tfconv.errors import InputError

__all__ = ["auc", "average_precision", "pr_curve", "roc_curve", "threshold_counts"]

Floats = npt.NDArray[np.float64]


def roc_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Give the corners of the receiver operating characteristic.

    Args:
        labels: (n,) of 0 and 1.
        scores: (n,) logits or probabilities of label 1.

    Returns:
        false positive rate, true positive rate and threshold, each (k + 1,) for k distinct scores, from (0, 0) at
        threshold infinity to (1, 1) at the lowest score. A rate whose class does not occur is NaN.

    Raises:
        InputError: no examples, unequal lengths, a label other than 0 and 1, or a score that is NaN.
    """
    true_positives, false_positives, thresholds = _cumulative_counts(labels, scores)
    with np.errstate(invalid="ignore"):
        return false_positives / false_positives[-1], true_positives / true_positives[-1], thresholds


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Give the area under the ROC curve: P(score of a positive > score of a negative), ties counting one half.

    Computed from the ranks (the trapezoids under the exact curve are the Mann-Whitney statistic U / (n+ n-)), so it
    is exact. Arguments and errors as in `roc_curve`.

    Returns:
        A number between 0 and 1, or NaN when the labels are all of one class.
    """
    false_positive_rate, true_positive_rate, _ = roc_curve(labels, scores)
    return float(np.trapezoid(true_positive_rate, false_positive_rate))


def pr_curve(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Give precision, recall and threshold at every distinct score, highest threshold first.

    Arguments and errors as in `roc_curve`.

    Returns:
        precision, recall and threshold, each (k,) for k distinct scores; recall ends at 1. Recall is NaN when no
        label is 1.
    """
    true_positives, false_positives, thresholds = _cumulative_counts(labels, scores)
    precision = true_positives[1:] / (true_positives[1:] + false_positives[1:])
    with np.errstate(invalid="ignore"):
        return precision, true_positives[1:] / true_positives[-1], thresholds[1:]


def average_precision(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Give the area under the precision-recall curve as average precision, sum_k (R_k - R_(k-1)) P_k.

    The step sum and not the trapezoids: precision is not linear between two thresholds, so that trapezoids promise
    more than any threshold can give (Davis and Goadrich 2006, "The relationship between precision-recall and ROC
    curves"). Arguments and errors as in `roc_curve`.

    Returns:
        A number between 0 and 1 (a score that says nothing gets about the share of positives), or NaN when no label
        is 1.
    """
    precision, recall, _ = pr_curve(labels, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def threshold_counts(labels: npt.ArrayLike, probabilities: npt.ArrayLike, thresholds: int = 21) -> Floats:
    """Count at evenly spaced thresholds, in the layout of TensorBoard's precision-recall plugin.

    Args:
        labels: (n,) of 0 and 1.
        probabilities: (n,) probability of label 1; an example counts as predicted 1 at threshold t when p >= t.
        thresholds: how many, from 0 to 1 inclusive (21: steps of 0.05).

    Returns:
        (6, thresholds): true positives, false positives, true negatives, false negatives, precision, recall.
        Precision where nothing is predicted, and recall where nothing is positive, are 0.

    Raises:
        InputError: as in `roc_curve`, and when a probability lies outside [0, 1].
    """
    truth, values = checked_binary(labels, probabilities)
    if values.min() < 0 or values.max() > 1:
        raise InputError(f"probabilities must lie in [0, 1], got values from {values.min():g} to {values.max():g}")
    # The grid is compared in the probabilities' own precision: 0.05 as float32 is not 0.05 as float64.
    grid = np.linspace(0.0, 1.0, thresholds).astype(np.result_type(np.asarray(probabilities), np.float16))
    positives, negatives = np.sort(values[truth]), np.sort(values[~truth])
    true_positives = len(positives) - np.searchsorted(positives, grid, side="left")
    false_positives = len(negatives) - np.searchsorted(negatives, grid, side="left")
    predicted = true_positives + false_positives
    precision = np.divide(true_positives, predicted, out=np.zeros(thresholds), where=predicted > 0)
    recall = true_positives / max(len(positives), 1)
    false_negatives = len(positives) - true_positives
    true_negatives = len(negatives) - false_positives
    return np.stack([true_positives, false_positives, true_negatives, false_negatives, precision, recall]).astype(
        np.float64
    )


def checked_binary(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Return (n,) labels as booleans and (n,) scores as float64, or raise an `InputError` that says what is wrong."""
    truth = np.asarray(labels)
    values = np.asarray(scores, np.float64)
    if truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if truth.ndim != 1 or values.shape != truth.shape:
        raise InputError(f"labels and scores must have one shape (n,), got {truth.shape} and {values.shape}")
    if not len(truth):
        raise InputError("no examples to score: the data set is empty")
    if np.isnan(values).any():
        raise InputError(f"{int(np.isnan(values).sum())} of {len(values)} scores are NaN: the model has diverged")
    if not np.isin(truth, (0, 1)).all():
        wrong = truth[~np.isin(truth, (0, 1))][0]
        raise InputError(f"labels of two classes must be 0 or 1, got {wrong} (unlabelled examples cannot be scored)")
    return truth.astype(bool), values


def _cumulative_counts(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Count true and false positives at or above every distinct score, highest first, after a (0, 0) at infinity."""
    truth, values = checked_binary(labels, scores)
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last_of_tie = np.append(values[1:] != values[:-1], True)
    true_positives = np.cumsum(truth)[last_of_tie]
    false_positives = np.cumsum(~truth)[last_of_tie]
    return (
        np.append(0.0, true_positives),
        np.append(0.0, false_positives),
        np.append(np.inf, values[last_of_tie]),
    )
