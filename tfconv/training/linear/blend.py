"""Choose how much of each of two classifiers goes into their sum."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from tfconv.tasks import CLASSIFICATION, Task
from tfconv.training.linear.loss import cross_entropy, targets_of

__all__ = ["Blend", "choose_blend"]

_WIDE, _DEEP = 2.0 ** np.arange(-1.5, 1.01, 0.25), np.append(0.0, 2.0 ** np.arange(-6, 1.01, 0.25))


@dataclass(frozen=True)
class Blend:
    """What `choose_blend` found.

    Args:
        factors: of the first and of the second classifier's logits.
        loss: mean cross-entropy of their sum.
    """

    factors: tuple[float, float]
    loss: float


def choose_blend(
    wide: npt.NDArray[np.float32],
    deep: npt.NDArray[np.float32],
    labels: npt.NDArray[Any],
    *,
    task: Task = CLASSIFICATION,
) -> Blend:
    """Choose the factors of two classifiers' logits by which their sum gives held-out labels the highest likelihood.

    The factors are the blend and its temperature at once. They are powers of 2^(1/4), that of the second from 1/64 to
    2 or zero, so that equal trainings that differ by rounding choose alike.

    Args:
        wide: logits (n, outputs) of examples that the first classifier has not seen.
        deep: those of the second one, of the same examples.
        labels: class numbers (n,), or zeros and ones (n, classes).
        task: one class an example, or any number of labels.
    """
    targets = targets_of(labels, wide.shape[1])
    weights = np.full(len(wide), 1 / max(len(wide), 1), np.float32)

    def loss(factors: tuple[float, float]) -> float:
        blended = np.float32(factors[0]) * wide + np.float32(factors[1]) * deep
        return cross_entropy(blended, targets, weights, task)[0]

    found = [Blend(factors, loss(factors)) for factors in product(_WIDE.tolist(), _DEEP.tolist())]
    return min(found, key=lambda blend: blend.loss)
