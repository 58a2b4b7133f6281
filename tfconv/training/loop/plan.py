"""How long one call of `fit` trains, what an epoch is, and how often it validates."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import tensorflow as tf

__all__: list[str] = []


@dataclass(frozen=True)
class Plan:
    """The arguments of `fit` that say how many epochs and steps there are, under the same names.

    Raises:
        ValueError: an argument is out of range.
    """

    epochs: int = 1
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_freq: int | Sequence[int] = 1
    steps_per_execution: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if not _is_whole(self.epochs, 0):
            raise ValueError(f"epochs must be 0 or more, got {self.epochs}")
        if not _is_whole(self.initial_epoch, 0):
            raise ValueError(f"initial_epoch must be 0 or more, got {self.initial_epoch}")
        for name in ("steps_per_epoch", "validation_steps"):
            value = getattr(self, name)
            if value is not None and not _is_whole(value, 1):
                raise ValueError(f"{name} must be None, or 1 or more, got {value!r}")
        freq = self.validation_freq
        if not _is_whole(freq, 1) and not (isinstance(freq, list | tuple) and all(_is_whole(n, 1) for n in freq)):
            raise ValueError(f"validation_freq must be 1 or more, or a list of epochs counted from 1, got {freq!r}")
        if self.steps_per_execution != "auto" and not _is_whole(self.steps_per_execution, 1):
            raise ValueError(f"steps_per_execution must be 'auto', or 1 or more, got {self.steps_per_execution!r}")

    def validates(self, epoch: int) -> bool:
        """Whether the model is scored after an epoch, counted from 0."""
        freq = self.validation_freq
        return epoch + 1 in freq if isinstance(freq, Sequence) else (epoch + 1) % freq == 0

    def check_ends(self, train: tf.data.Dataset, validation_data: tf.data.Dataset | None) -> None:
        """Refuse data sets that no epoch can be made of; those whose size is unknown are counted as they are read.

        Raises:
            ValueError: one is empty, or has no end and no number of steps is given.
        """
        given = (
            ("training", train, "steps_per_epoch", self.steps_per_epoch),
            ("validation", validation_data, "validation_steps", self.validation_steps),
        )
        for what, data, argument, steps in given:
            size = None if data is None else int(data.cardinality())
            if size == 0:
                raise ValueError(f"the {what} data set is empty")
            if size == tf.data.INFINITE_CARDINALITY and steps is None:
                raise ValueError(
                    f"the {what} data set has no end: give {argument}, or give it an end, as with .take(1000)"
                )

    def must_match(self) -> dict[str, Any]:
        """What a resumed run must share with the run that it continues: where its epochs begin and end, by name."""
        freq = self.validation_freq
        return {
            "initial_epoch": self.initial_epoch,
            "steps_per_epoch": self.steps_per_epoch,
            "validation_steps": self.validation_steps,
            "validation_freq": [int(n) for n in freq] if isinstance(freq, Sequence) else int(freq),
        }


def warn_of_end(what: str, argument: str) -> None:
    """Warn, as Keras does, that a data set ended before the steps asked for."""
    warnings.warn(
        f"the {what} data set ended before {argument}: the epoch is shorter, and the data starts again; add .repeat() "
        "to it for epochs of equal length",
        stacklevel=2,
    )


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
