"""Whole numbers that are in range."""

from numbers import Integral
from typing import Any

from tfconv.errors import InputError

__all__ = ["check_whole"]


def check_whole(name: str, value: Any, least: int = 1, bits: int = 31, *, optional: bool = False) -> None:
    """Refuse what is no whole number from `least` to 2**bits - 1 (nor None, where `optional`).

    Raises:
        InputError: naming the argument, the limits and the value.
    """
    if optional and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) < 2**bits:
        limits = f"from {least} to {2**bits - 1} (2**{bits} - 1)"
        raise InputError(f"{name} must be a whole number {limits}, got {value!r:.60}")
