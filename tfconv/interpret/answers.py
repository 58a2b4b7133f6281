"""What pictures are of, and what a model takes them for, as checked arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tfconv.errors import InputError

__all__ = ["Answers", "Pictures", "checked_truth"]

Pictures = Sequence[npt.NDArray] | npt.NDArray


@dataclass(frozen=True)
class Answers:
    """The truth about n pictures, and a model's answers.

    Attributes:
        truth: bool (n, C), the classes of each picture.
        shares: float64 (n, C), probabilities.
        several: a picture may have any number of labels, each a yes or no of its own.
    """

    truth: npt.NDArray[np.bool_]
    shares: npt.NDArray[np.float64]
    several: bool

    @classmethod
    def of(cls, labels: npt.ArrayLike, probabilities: npt.ArrayLike, classes: int) -> "Answers":
        """Check labels and probabilities.

        Args:
            labels: (n,) class numbers, or (n, C) of 0 and 1 where a picture has any number of labels.
            probabilities: (n, C); for two classes also (n,) or (n, 1), those of class 1.
            classes: C.

        Raises:
            InputError: labels without a class, numbers that are no probabilities, shapes that do not fit.
        """
        truth, several = checked_truth(labels, classes)
        shares = np.asarray(probabilities, np.float64)
        shares = shares[:, None] if shares.ndim == 1 else shares
        if shares.ndim == 2 and shares.shape[1] == 1 and classes == 2:
            shares = np.concatenate([1 - shares, shares], axis=1)
        if shares.shape != truth.shape:
            got = np.shape(probabilities)
            raise InputError(f"probabilities of shape {got} do not fit {len(truth)} pictures of {classes} classes")
        if not ((shares >= 0) & (shares <= 1)).all():
            raise InputError("probabilities must be from 0 to 1: give tfconv.evaluation.probabilities(logits)")
        return cls(truth, shares, several)

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: npt.NDArray) -> "Answers":
        """Return those of some pictures."""
        return Answers(self.truth[rows], self.shares[rows], self.several)

    @property
    def predicted(self) -> npt.NDArray[np.bool_]:
        """Bool (n, C): the likeliest class, or all labels over 0.5."""
        if self.several:
            return self.shares > 0.5
        return np.eye(self.shares.shape[1], dtype=bool)[self.shares.argmax(axis=1)]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Bool (n,): the class, or every label, is the true one."""
        return (self.predicted == self.truth).all(axis=1)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Float64 (n,): the probability of the predicted class, or of the least sure of the labels' yes or no."""
        if self.several:
            return np.maximum(self.shares, 1 - self.shares).min(axis=1)
        return self.shares.max(axis=1)


def checked_truth(labels: npt.ArrayLike, classes: int) -> tuple[npt.NDArray[np.bool_], bool]:
    """Bring labels into one form.

    Args:
        labels: (n,) or (n, 1) class numbers, or (n, classes) of 0 and 1.
        classes: how many there are.

    Returns:
        Which classes each picture is of, (n, classes), and whether it may have any number of them.

    Raises:
        InputError: a label without a class, or another shape.
    """
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == classes:
        if np.isin(values, (0, 1)).all():
            return values.astype(bool), True
    elif values.ndim == 1 or values.ndim == 2 and values.shape[1] == 1:
        numbers = values.reshape(-1)
        if np.isin(numbers, np.arange(classes)).all():
            return np.eye(classes, dtype=bool)[numbers.astype(np.int64)], False
        strange = numbers[~np.isin(numbers, np.arange(classes))][0]
        raise InputError(f"there is no class {strange}: labels are numbers from 0 to {classes - 1}")
    raise InputError(
        f"labels must be (n,) class numbers, or (n, {classes}) of 0 and 1, got {values.dtype} of shape {values.shape}"
    )
