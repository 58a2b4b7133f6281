"""Scores of a classifier from its labels and logits, in NumPy and float64, over the whole set at once.

Not `keras.metrics`: those are made to be updated batch by batch in a graph (which `tfconv.training.fit` does); here
all logits are at hand, so that AUC and average precision can be exact (see `tfconv.evaluation.metrics`) and the losses
are taken from logits, not from rounded probabilities.
"""

import numpy as np
import numpy.typing as npt

from tfconv import tasks
from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, Task

__all__ = [
    "auc",
    "average_precision",
    "binary_metrics",
    "class_scores",
    "confusion_matrix",
    "label_scores",
    "many_class_metrics",
    "multi_label_metrics",
    "pr_curve",
    "probabilities",
    "roc_curve",
    "threshold_counts",
]

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
    heights = true_positive_rate[1:] + true_positive_rate[:-1]
    return float((np.diff(false_positive_rate) * heights / 2.0).sum())  # np.trapezoid, which NumPy 1 does not have


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


def probabilities(logits: npt.ArrayLike, *, task: Task | str = CLASSIFICATION) -> npt.NDArray[np.float32]:
    """Turn a model's logits into probabilities, one column a class.

    Args:
        logits: (n, 1) for two classes, (n, C) for more classes or for labels.
        task: "classification", or "multi-label": each column is a yes or no of its own.

    Returns:
        float32. (n, 1) gives (n, 2), [1 - p, p] with p = sigmoid(logit); (n, C) gives its softmax; of "multi-label"
        (n, C) gives the sigmoid of each.

    Raises:
        InputError: the logits are not of rank 2, or not finite.
    """
    return tasks.get(task).probabilities(_checked_logits(logits))


def binary_metrics(labels: npt.ArrayLike, logits: npt.ArrayLike) -> dict[str, float]:
    """Give the nine numbers of TensorFlow's original binary head, under its names.

    An example is predicted as class 1 when its probability is over 0.5, that is when its logit is over 0.

    Args:
        labels: (n,) of 0 and 1.
        logits: (n,) or (n, 1), log p / (1 - p) of class 1. (Not probabilities; `average_loss` would be wrong.)

    Returns:
        accuracy; accuracy_baseline (the share of the commoner class); auc (exact, see `curves.auc`; NaN when one
        class is missing); auc_precision_recall (average precision; NaN when class 1 is missing); average_loss (mean
        binary cross-entropy in nats); label/mean; precision (0 when nothing is predicted as class 1);
        prediction/mean (mean probability of class 1); recall (0 when class 1 is missing).

    Raises:
        InputError: no examples, unequal lengths, labels other than 0 and 1, logits that are not finite.
    """
    truth, scores = checked_binary(labels, logits)
    _checked_logits(scores[:, None])
    predicted = scores > 0
    mean = float(truth.mean())
    true_positives = float((predicted & truth).sum())
    return {
        "accuracy": float((predicted == truth).mean()),
        "accuracy_baseline": max(mean, 1 - mean),
        "auc": auc(truth, scores),
        "auc_precision_recall": average_precision(truth, scores),
        "average_loss": float(np.mean(np.logaddexp(0.0, np.where(truth, -scores, scores)))),
        "label/mean": mean,
        "precision": true_positives / max(float(predicted.sum()), 1.0),
        "prediction/mean": float(_sigmoid(scores).mean()),
        "recall": true_positives / max(float(truth.sum()), 1.0),
    }


def many_class_metrics(labels: npt.ArrayLike, logits: npt.ArrayLike, *, top_k: int = 5) -> dict[str, float]:
    """Score a classifier of one class out of C.

    Args:
        labels: (n,) class index from 0 to C - 1.
        logits: (n, C) with C of 2 or more.
        top_k: k of top-k accuracy; left out of the result when k >= C, where it is always 1.

    Returns:
        accuracy; accuracy_baseline (the share of the commonest class); top_<k>_accuracy; average_loss (mean
        cross-entropy in nats); macro/precision, macro/recall, macro/f1: plain means over the classes that occur in
        the labels or in the predictions. Equal logits count for the class that comes first, as in `argmax`.

    Raises:
        InputError: no examples, shapes that do not fit, a label outside 0 to C - 1, logits that are not finite.
    """
    values = _checked_logits(logits)
    truth = _checked_classes(labels, values.shape[1], len(values))
    if values.shape[1] < 2:
        raise InputError("many classes need two logit columns or more; with one column use binary_metrics")
    own = values[np.arange(len(values)), truth][:, None]
    columns = np.arange(values.shape[1])
    before = (values > own) | ((values == own) & (columns < truth[:, None]))
    rank = before.sum(axis=1)
    scores = class_scores(confusion_matrix(truth, values.argmax(axis=1), values.shape[1]))
    met = (scores["support"] > 0) | (scores["predicted"] > 0)
    result = {
        "accuracy": float((rank == 0).mean()),
        "accuracy_baseline": float(np.bincount(truth).max() / len(truth)),
    }
    if top_k < values.shape[1]:
        result[f"top_{top_k}_accuracy"] = float((rank < top_k).mean())
    result["average_loss"] = float(np.mean(_log_sum_exp(values) - own[:, 0]))
    return result | {f"macro/{name}": float(scores[name][met].mean()) for name in ("precision", "recall", "f1")}


def multi_label_metrics(labels: npt.ArrayLike, logits: npt.ArrayLike) -> dict[str, float]:
    """Score a classifier of C yes-or-no labels; a label is predicted when its probability is over 0.5.

    Args:
        labels: (n, C) of 0 and 1.
        logits: (n, C).

    Returns:
        accuracy (share of all n C answers that are right); accuracy_baseline (the same for the constant best answer
        of each label); subset_accuracy (share of examples with every label right); average_loss (mean binary
        cross-entropy in nats); label/mean; prediction/mean; micro/precision, micro/recall, micro/f1 (over all
        answers together); macro/precision, macro/recall, macro/f1 (mean over labels); macro/auc and
        macro/auc_precision_recall (mean over the labels for which they exist, NaN when there is none).

    Raises:
        InputError: no examples, unequal shapes, labels other than 0 and 1, logits that are not finite.
    """
    values = _checked_logits(logits)
    truth = _checked_indicators(labels, values.shape)
    predicted = values > 0
    each = label_scores(truth, values)
    share = truth.mean(axis=0)
    hits, asked, there = float((predicted & truth).sum()), float(predicted.sum()), float(truth.sum())
    result = {
        "accuracy": float((predicted == truth).mean()),
        "accuracy_baseline": float(np.maximum(share, 1 - share).mean()),
        "subset_accuracy": float((predicted == truth).all(axis=1).mean()),
        "average_loss": float(np.mean(np.logaddexp(0.0, np.where(truth, -values, values)))),
        "label/mean": float(share.mean()),
        "prediction/mean": float(_sigmoid(values).mean()),
        "micro/precision": hits / max(asked, 1.0),
        "micro/recall": hits / max(there, 1.0),
        "micro/f1": 2 * hits / max(asked + there, 1.0),
    }
    for name in ("precision", "recall", "f1", "auc", "auc_precision_recall"):
        known = each[name][~np.isnan(each[name])]
        result[f"macro/{name}"] = float(known.mean()) if len(known) else float("nan")
    return result


def label_scores(labels: npt.ArrayLike, logits: npt.ArrayLike) -> dict[str, Floats]:
    """Score each of C labels by itself: (C,) arrays named as in `class_scores`, with auc and auc_precision_recall.

    Args:
        labels: (n, C) of 0 and 1.
        logits: (n, C).
    """
    values = _checked_logits(logits)
    truth = _checked_indicators(labels, values.shape)
    predicted = values > 0
    scores = _precision_recall((predicted & truth).sum(axis=0), truth.sum(axis=0), predicted.sum(axis=0))
    columns = range(values.shape[1])
    scores["auc"] = np.array([auc(truth[:, column], values[:, column]) for column in columns])
    scores["auc_precision_recall"] = np.array(
        [average_precision(truth[:, column], values[:, column]) for column in columns]
    )
    return scores


def confusion_matrix(labels: npt.ArrayLike, predictions: npt.ArrayLike, classes: int) -> npt.NDArray[np.int64]:
    """Count examples by class: entry [i, j] is how many of class i were predicted as j; (classes, classes)."""
    truth = _checked_classes(labels, classes, None)
    answer = _checked_classes(predictions, classes, len(truth))
    return np.bincount(truth * classes + answer, minlength=classes * classes).reshape(classes, classes)


def class_scores(matrix: npt.ArrayLike) -> dict[str, Floats]:
    """Give (C,) precision, recall, f1, support (examples of the class) and predicted (examples given it).

    Args:
        matrix: (C, C) from `confusion_matrix`. A ratio without a denominator is 0.
    """
    counts = np.asarray(matrix)
    return _precision_recall(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))


def _precision_recall(hits: npt.NDArray, support: npt.NDArray, predicted: npt.NDArray) -> dict[str, Floats]:
    return {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(support, 1),
        "f1": 2 * hits / np.maximum(predicted + support, 1),
        "support": support.astype(np.float64),
        "predicted": predicted.astype(np.float64),
    }


def _checked_logits(logits: npt.ArrayLike) -> Floats:
    values = np.asarray(logits, np.float64)
    if values.ndim != 2:
        raise InputError(f"logits must have shape (n, classes), got {values.shape}")
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise InputError(f"{bad} of {len(values)} examples have NaN or infinite logits: the model has diverged")
    return values


def _checked_classes(labels: npt.ArrayLike, classes: int, count: int | None) -> npt.NDArray[np.int64]:
    truth = np.asarray(labels)
    if truth.ndim != 1 or (count is not None and len(truth) != count):
        raise InputError(f"labels must have shape ({'n' if count is None else count},), got {truth.shape}")
    if not len(truth):
        raise InputError("no examples to score: the data set is empty")
    if truth.min() < 0 or truth.max() >= classes:
        wrong = truth[(truth < 0) | (truth >= classes)][0]
        raise InputError(f"class index {wrong} is outside 0 to {classes - 1}")
    return truth.astype(np.int64)


def _checked_indicators(labels: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    truth = np.asarray(labels)
    if truth.shape != shape:
        raise InputError(f"labels of shape {truth.shape} do not fit logits of shape {shape}")
    if not truth.size:
        raise InputError("no examples to score: the data set is empty")
    if not np.isin(truth, (0, 1)).all():
        raise InputError(f"labels must be 0 or 1, got {truth[~np.isin(truth, (0, 1))][0]}")
    return truth.astype(bool)


def _sigmoid(values: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -values))


def _log_sum_exp(values: Floats) -> Floats:
    return np.logaddexp.reduce(values, axis=1)
