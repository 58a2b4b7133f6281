"""The curves of a training in plain words: what they show, with the numbers, and what to try.

The rules are conservative: where the numbers do not bear a statement out, there is none.
"""

import math
from collections.abc import Mapping, Sequence

from tfconv import tasks
from tfconv.tasks import CLASSIFICATION, Task

__all__ = ["read_curves"]

_RISE = 0.1  # of the validation loss after its best epoch, as a share of it, before it counts
_FALL = 0.03  # of the training loss in the last epoch, likewise
_LEVEL = 0.01  # a training loss that moves less in two epochs has levelled off
_GAP = 0.05  # between accuracies, before it counts
_ERRORS = 3  # standard errors that a difference of accuracies must exceed


def read_curves(
    history: Mapping[str, Sequence[float]],
    *,
    validation_examples: int | None = None,
    classes: int | None = None,
    task: Task | str = CLASSIFICATION,
) -> list[str]:
    """Say what the curves of a training show.

    Args:
        history: one value an epoch of `loss`, and where there are such `accuracy`, `val_loss`, `val_accuracy`: the
            `history` of what `fit` returns, or the columns of `history.csv`. Other names are passed over.
        validation_examples: how many; without it nothing is said that needs to know what is noise.
        classes: of the labels; without it nothing is said that needs the loss of a guess, log(classes).
        task: "classification" or "multi-label", where the loss of a guess is log 2 and an accuracy over all labels has
            no simple error.

    Returns:
        Sentences, each with its numbers; none where nothing is worth saying. Epochs count from 1.

    Raises:
        ValueError: there is no `loss`, or the curves are not equally long.
    """
    if not len(history.get("loss", ())):
        raise ValueError("history must hold the loss of one epoch or more")
    curves = {
        n: [float(v) for v in history[n]] for n in ("loss", "accuracy", "val_loss", "val_accuracy") if n in history
    }
    if len({len(curve) for curve in curves.values()}) > 1:
        raise ValueError(f"the curves must be equally long, got { ({n: len(c) for n, c in curves.items()}) }")
    task = tasks.get(task)
    guess = None if classes is None else task.chance_loss(classes)
    reading = _Reading(curves, validation_examples, guess, task)
    if failed := reading.failure():
        return failed
    unrest = reading.unrest()
    under = [] if unrest else reading.under_fitting()  # a fall of one restless epoch shows nothing
    return [*reading.over_fitting(), *under, *reading.easier_validation(), *unrest, *reading.noise()]


class _Reading:
    """The curves, and a method for each thing that they may show."""

    def __init__(self, curves: dict[str, list[float]], examples: int | None, guess: float | None, task: Task) -> None:
        self.loss, self.held = curves["loss"], curves.get("val_loss", [])
        self.accuracy, self.held_accuracy = curves.get("accuracy", []), curves.get("val_accuracy", [])
        self.epochs, self.examples, self.guess = len(self.loss), examples, guess
        self.exclusive = task.exclusive

    def failure(self) -> list[str]:
        """A training that did not work at all."""
        for name, curve in (("training", self.loss), ("validation", self.held)):
            bad = next((i for i, value in enumerate(curve) if not math.isfinite(value)), None)
            if bad is not None:
                return [
                    f"The {name} loss is {curve[bad]} at epoch {bad + 1}: the training broke down. Try a tenth of the "
                    "learning rate, or clip the gradients."
                ]
        best = self.loss.index(min(self.loss))
        if self.loss[-1] > max(1.5 * self.loss[best], self.loss[0]) and best < self.epochs - 1:
            return [
                f"The training loss rose from {_n(self.loss[best])} at epoch {best + 1} to {_n(self.loss[-1])}: the "
                "training diverged. Try a tenth of the learning rate, or clip the gradients."
            ]
        if self.guess is None or self.epochs < 2 or min(self.loss) < 0.97 * self.guess:
            return []
        if self.exclusive and max([0.0, *self.accuracy, *self.held_accuracy]) > math.exp(-self.guess) + 0.1:
            return []  # it learned something; the larger class alone gives as much only where its loss is lower
        return [
            f"Nothing was learned: after {self.epochs} epochs the training loss is {_n(self.loss[-1])}, and guessing "
            f"gives {_n(self.guess)}. Check data and model (tfconv check), then look for a learning rate (tfconv "
            "lr-find): it may be far too low or too high."
        ]

    def over_fitting(self) -> list[str]:
        """The validation loss rose while the training loss fell; or the scores lie far apart."""
        if not self.held:
            return []
        best = self.held.index(min(self.held))
        low, last = self.held[best], self.held[-1]
        after = sorted(self.held[best + 1 :])
        rose = bool(after) and min(last, after[(len(after) - 1) // 2]) - low > max(_RISE * low, 0.02)
        if rose and self.loss[-1] < self.loss[best]:
            sentence = (
                f"Over-fitting: the best epoch was {best + 1} of {self.epochs}. From there the validation loss rose by "
                f"{_n(last - low)} ({_n(low)} to {_n(last)}), while the training loss fell from {_n(self.loss[best])} "
                f"to {_n(self.loss[-1])}."
            )
            if self.held_accuracy and self.held_accuracy[-1] >= self.held_accuracy[best]:
                sentence += (
                    f" The validation accuracy did not fall ({_n(self.held_accuracy[best])} to "
                    f"{_n(self.held_accuracy[-1])}): the model answers as well, but is too sure where it is wrong."
                )
            return [f"{sentence} Keep its weights (--patience does), or use more data, augmentation, dropout or decay."]
        gap = self._gap()
        if gap is None or gap < _GAP:
            return []
        return [
            f"The last training accuracy is {_n(self.accuracy[-1])}, the validation accuracy "
            f"{_n(self.held_accuracy[-1])}: the model knows what it was trained on better by {_n(gap)}, more than "
            f"chance ({_n(_ERRORS * self._error())}). More data, augmentation, dropout or weight decay may narrow that."
        ]

    def under_fitting(self) -> list[str]:
        """The training was too short, or the model has learned what it can and that is little."""
        if self.epochs < 3 or (self.accuracy and self.accuracy[-1] > 0.98):
            return []
        fall = 1 - self.loss[-1] / self.loss[-2] if self.loss[-2] > 0 else 0.0
        still_best = not self.held or self.held[-1] == min(self.held)
        if fall > _FALL and self.loss[-1] == min(self.loss) and still_best:
            held = f", and the validation loss is at its best there ({_n(self.held[-1])})" if self.held else ""
            return [
                f"Too few epochs: the training loss still fell by {fall:.0%} in the last one ({_n(self.loss[-2])} to "
                f"{_n(self.loss[-1])}){held}. More epochs, or a higher learning rate, may help."
            ]
        moved = (max(self.loss[-3:]) - min(self.loss[-3:])) / self.loss[-1] if self.loss[-1] > 0 else 0.0
        gap = self._gap()
        if self.guess is None or self.loss[-1] < self.guess / 2 or moved > _LEVEL or gap is None or abs(gap) > 0.02:
            return []
        return [
            f"Under-fitting: the training loss has levelled off at {_n(self.loss[-1])} (guessing: {_n(self.guess)}), "
            f"and training and validation accuracy are near each other ({_n(self.accuracy[-1])} and "
            f"{_n(self.held_accuracy[-1])}). Try a larger model, more epochs, another learning rate, or less "
            "regularisation."
        ]

    def easier_validation(self) -> list[str]:
        """Validation is better than training at the end."""
        gap = self._gap()
        if gap is None or gap > -0.01 or self.held[-1] >= self.loss[-1]:
            return []
        return [
            f"Validation is better than training: accuracy {_n(self.held_accuracy[-1])} against "
            f"{_n(self.accuracy[-1])}, loss {_n(self.held[-1])} against {_n(self.loss[-1])}. Dropout and augmentation "
            "are on in training only, and a training number is the mean over an epoch in which the weights improve. If "
            "that does not explain it, the validation part is easier, or shares examples with training (tfconv check)."
        ]

    def unrest(self) -> list[str]:
        """The training loss goes up and down."""
        steps = list(zip(self.loss, self.loss[1:], strict=False))
        # A rise from 0.001 to 0.002 is none: it must show on the scale of the whole curve.
        rises = [
            after / before - 1 for before, after in steps if after - before > max(0.05 * before, 0.02 * max(self.loss))
        ]
        if self.epochs < 6 or len(rises) < 2 or len(rises) < len(steps) / 3:
            return []
        return [
            f"The training loss rose by more than 5 % in {len(rises)} of {len(steps)} epochs, by up to "
            f"{max(rises):.0%}: the learning rate may be too high, or the batches too small."
        ]

    def noise(self) -> list[str]:
        """What the size of the validation split allows to tell apart."""
        if not self.held_accuracy or not self.examples or not self.exclusive:
            return []
        share, count = self.held_accuracy[-1], self.examples
        if not 0 < share < 1:
            return []
        return [
            f"With {count:,} validation examples the accuracy {_n(share)} has a standard error of "
            f"{_n(math.sqrt(share * (1 - share) / count))}: smaller differences between epochs or runs mean nothing."
        ]

    def _error(self) -> float:
        """Standard error of the validation accuracy; never 0, as it is by the formula where all or none are right."""
        if not self.examples:
            return math.inf
        share = (self.held_accuracy[-1] * self.examples + 1) / (self.examples + 2)
        return math.sqrt(share * (1 - share) / self.examples)

    def _gap(self) -> float | None:
        """Training minus validation accuracy at the end; 0 where that may be chance, `None` where it is not known."""
        if not self.accuracy or not self.held_accuracy or not self.held or not self.examples or not self.exclusive:
            return None
        gap = self.accuracy[-1] - self.held_accuracy[-1]
        return gap if abs(gap) > _ERRORS * self._error() else 0.0


def _n(value: float) -> str:
    return f"{value:.3g}"
