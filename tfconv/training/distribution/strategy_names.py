"""Names of the strategies, without TensorFlow: the command line checks them before it loads."""

import re

from tfconv.errors import InputError

__all__: list[str] = []

MOST_REPLICAS = 16  # on one processor; each has a graph of its own, traced one after the other
_NAMES = "auto, cpu:N (N from 1), mirrored or multiworker"


def check(name: str) -> None:
    """Check the name of a strategy.

    Raises:
        InputError: naming the strategies there are.
    """
    if name in ("auto", "mirrored", "multiworker"):
        return
    replicas = replicas_on_processor(name)
    if replicas is None:
        raise InputError(f"the strategy must be {_NAMES}, got {name!r:.60}")
    if replicas > MOST_REPLICAS:
        raise InputError(
            f"cpu:N is for trying out training on a few devices: N must be from 1 to {MOST_REPLICAS}, got {replicas}"
        )


def replicas_on_processor(name: str) -> int | None:
    """N of `cpu:N`; `None` for other names."""
    devices = re.fullmatch(r"cpu:([1-9]\d{0,3})", name)
    return int(devices[1]) if devices else None
