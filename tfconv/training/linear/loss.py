"""Cross-entropy of logits in NumPy, with its gradient."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tfconv.tasks import Task

__all__: list[str] = []

Floats = npt.NDArray[np.float32]


def targets_of(labels: npt.NDArray[Any], units: int) -> Floats:
    """Labels as zeros and ones (n, units)."""
    if labels.ndim == 2:
        return labels.astype(np.float32)  # of several labels
    if units == 1:
        return labels.astype(np.float32)[:, None]
    return np.eye(units, dtype=np.float32)[labels]


def cross_entropy(logits: Floats, targets: Floats, weights: Floats, task: Task) -> tuple[float, Floats]:
    """Cross-entropy summed over the texts with their weights, and its gradient by the logits."""
    share = weights[:, None]
    if task.exclusive and logits.shape[1] > 1:
        logits = logits - logits.max(axis=1, keepdims=True)
        exponents = np.exp(logits)
        total = exponents.sum(axis=1, keepdims=True)
        value = float((share * targets * (np.log(total) - logits)).sum(dtype=np.float64))
        return value, np.asarray(share * (exponents / total - targets), np.float32)
    value = float((share * (np.logaddexp(0, logits) - targets * logits)).sum(dtype=np.float64))
    return value, np.asarray(share * (np.exp(-np.logaddexp(0, -logits)) - targets), np.float32)
