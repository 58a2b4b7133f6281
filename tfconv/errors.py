"""The error for a user's mistake, and checks of numbers that raise it."""

from numbers import Integral, Real
from typing import Any

__all__ = ["InputError", "check_fraction", "check_number", "check_whole"]


class InputError(ValueError):
    """A mistake in what the user gave: a file, a column, a name, an option.

    The message is one line that says what is wrong, where (file and row where there is one) and what to do. The
    command line prints it on stderr and exits with status 2; in Python it is an ordinary `ValueError`.
    """

    def __init__(self, message: str) -> None:
        """Keep the message on one line, whatever was interpolated into it."""
        super().__init__(" ".join(str(message).split()))


def check_whole(name: str, value: Any, least: int = 1, bits: int = 31, *, optional: bool = False) -> None:
    """Check that a value is a whole number from `least` to 2**bits - 1 (or None, where `optional`).

    Raises:
        InputError: naming the argument, the limits and the value.
    """
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**bits:
        limits = f"from {least} to {2**bits - 1} (2**{bits} - 1)"
        raise InputError(f"{name} must be a whole number {limits}, got {value!r:.60}")


def check_number(name: str, value: Any, low: float, high: float) -> None:
    """Check that a value is a number from `low` to `high`.

    Raises:
        InputError: naming the argument, the limits and the value.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r:.60}")


def check_fraction(name: str, fraction: float) -> None:
    """Check that a value is a fraction in [0, 1).

    Raises:
        InputError: naming the argument, the rule and the value.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 <= fraction < 1:
        raise InputError(f"{name} must be a fraction from 0 (none) to less than 1; got {fraction!r}")
