"""Scores of a classifier from its labels and logits, in NumPy and float64, over the whole set at once.

Not `keras.metrics`: those are made to be updated batch by batch in a graph (which `tfconv.training.fit` does); here
all logits are at hand, so that AUC and average precision can be exact (see `tfconv.evaluation.curves`) and the losses
are taken from logits, not from rounded probabilities.
"""

import numpy as np
import numpy.typing as npt

from tfconv.errors import InputError
from tfconv.evaluation.curves import auc, average_precision, checked_binary

__all__ = [
    "binary_metrics",
    "class_scores",
    "confusion_matrix",
    "label_scores",
    "many_class_metrics",
    "multi_label_metrics",
    "probabilities",
]

Floats = npt.NDArray[np.float64]


def probabilities(logits: npt.ArrayLike, *, multi_label: bool = False) -> npt.NDArray[np.float32]:
    """Turn a model's logits into probabilities, one column a class.

    Args:
        logits: (n, 1) for two classes, (n, C) for more classes or for labels.
        multi_label: each column is a yes or no of its own.

    Returns:
        float32. (n, 1) gives (n, 2), [1 - p, p] with p = sigmoid(logit); (n, C) gives its softmax; with
        `multi_label` (n, C) gives the sigmoid of each.

    Raises:
        InputError: the logits are not of rank 2, or not finite.
    """
    values = _checked_logits(logits)
    if multi_label:
        return _sigmoid(values).astype(np.float32)
    if values.shape[1] == 1:
        return np.concatenate([_sigmoid(-values), _sigmoid(values)], axis=1).astype(np.float32)
    return np.exp(values - _log_sum_exp(values)[:, None]).astype(np.float32)


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
