"""Names and options of the learning-rate schedules, without Keras: the command line checks them before it loads."""

import math
from typing import Literal, get_args

__all__: list[str] = []

Name = Literal["constant", "cosine", "one-cycle", "sgdr", "triangle", "flat-cosine", "step"]
NAMES = get_args(Name)
USED_BY = {  # an option of only some schedules, and which these are
    "warmup": ("cosine", "one-cycle"),
    "cycle_epochs": ("sgdr", "triangle"),
    "cycle_multiplier": ("sgdr",),
}


def check(name: str, learning_rate: float, *, warmup: float, cycle_multiplier: float, **whole: int) -> None:
    """Check the arguments of a schedule.

    Args:
        name: of the schedule.
        learning_rate: above 0.
        warmup: from 0 to below 1.
        cycle_multiplier: 1 or more.
        **whole: numbers that must be 1 or more, by their names.

    Raises:
        ValueError: naming the argument, the rule and the value.
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, got {name!r}")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be a number above 0, got {learning_rate}")
    for argument, value in whole.items():
        if value < 1:
            raise ValueError(f"{argument} must be 1 or more, got {value}")
    if not 1 <= cycle_multiplier < math.inf:
        raise ValueError(f"cycle_multiplier must be 1 or more, got {cycle_multiplier}")
    check_warmup(warmup)


def check_warmup(warmup: float) -> None:
    """Raise a `ValueError` where `warmup` is no fraction of the steps."""
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup must be from 0 to below 1, got {warmup}")
