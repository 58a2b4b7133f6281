"""Labels as they stand in files (strings, numbers, booleans, lists) and the class names they mean."""

import math
import re
from collections.abc import Iterable
from typing import Any

from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, Task

__all__ = ["BadLabel", "Label", "label_kind", "label_name", "parse_labels", "sorted_class_names"]

Label = str | int | float | bool

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


class BadLabel(ValueError):
    """A value that names no class; `str()` of it says what is wrong, `.remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def parse_labels(value: Any, task: Task = CLASSIFICATION, separator: str = "|") -> tuple[Label, ...]:
    """The labels of one row: a tuple of one, or of any number where the classes do not exclude each other.

    Args:
        value: what the file holds. A string is stripped. Of any number of labels a list is taken as it is, a string is
            cut at `separator`, and an empty string or list means none of the labels.
        task: whether an example has one label, or any number.
        separator: what stands between labels in a string.

    Raises:
        BadLabel: no label (empty, null, NaN), or a value that is no string, number or boolean.
        InputError: any number of labels with an empty `separator`.
    """
    if task.exclusive:
        if isinstance(value, (list, tuple)):
            raise BadLabel(f"the label is a list, {value!r:.60}", "give one label, or say multi_label=True")
        return (_scalar(value),)
    if not separator:
        raise InputError("separator is empty; give what stands between the labels, such as | (--separator)")
    if isinstance(value, str):
        value = value.split(separator) if value.strip() else []
    elif not isinstance(value, (list, tuple)):
        value = [value]
    return tuple(dict.fromkeys(_scalar(item) for item in value))


def _scalar(value: Any) -> Label:
    if isinstance(value, str):
        value = value.strip()
        if not value:
            raise BadLabel("no label", "fill it in")
        if not value.isprintable():
            raise BadLabel(f"the label {value!r:.60} holds a control character", "take it out")
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise BadLabel(f"no label ({'null' if value is None else 'NaN'})", "fill it in")
    if isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise BadLabel(f"the label {value!r:.60} is a {type(value).__name__}", "labels are strings, numbers or booleans")


def label_kind(label: Label) -> str:
    """`"number"`, `"boolean"` or `"text"`; the string `"4"` is a number, as all values are strings in a CSV file."""
    if isinstance(label, bool):
        return "boolean"
    if isinstance(label, (int, float)) or _NUMBER.fullmatch(label):
        return "number"
    return "text"


def label_name(label: Label) -> str:
    """The class a label names: `true` and `false` for booleans, whole numbers without `.0`, others as they are."""
    if isinstance(label, bool):
        return "true" if label else "false"
    text = str(label)
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def sorted_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Class names in the order of their indices: by value where all are numbers, otherwise by code point."""
    unique = set(names)
    if all(_NUMBER.fullmatch(name) for name in unique):
        return tuple(sorted(unique, key=lambda name: (float(name), name)))
    return tuple(sorted(unique))
