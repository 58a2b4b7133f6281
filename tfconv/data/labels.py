"""Labels as files hold them (strings, numbers, booleans, lists), and the class names they mean."""

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tfconv.errors import InputError
from tfconv.tasks import CLASSIFICATION, Task

__all__ = [
    "Bad",
    "BadLabel",
    "Key",
    "Label",
    "bad_labels",
    "check_classes",
    "label_key",
    "label_name",
    "parse_labels",
    "sorted_class_names",
]

Label = str | int | float | bool
Key = tuple[str, str]  # a label's kind and the name of its class
Bad = dict[Key, tuple[str, str]]  # labels to leave out: what is wrong with them, what to do

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_KINDS = {"number": "number", "boolean": "boolean", "text": "word"}
_SPLITS = ("train", "validation", "test")
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


class BadLabel(ValueError):
    """A value that names no class; `str()` of it says what is wrong, `.remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def parse_labels(value: Any, task: Task = CLASSIFICATION, separator: str = "|") -> tuple[Label, ...]:
    """Return the labels of one row: a tuple of one, or of any number where the task allows it.

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


@functools.lru_cache(1 << 16, typed=True)  # 1, 1.0 and True are equal, and of two kinds
def label_key(label: Label) -> Key:
    """The kind of a label and the name of its class."""
    return _kind(label), label_name(label)


def _kind(label: Label) -> str:
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


def check_classes(names: tuple[str, ...], task: Task, where: str, noun: str) -> None:
    """Check that there is something to decide.

    Args:
        names: of the classes.
        task: one class an example, or any number of labels.
        where: the file or folder, for messages.
        noun: what is classified: `"text"` or `"image"`.

    Raises:
        InputError: there is no class, or a single one that each example has.
    """
    if len(names) < (2 if task.exclusive else 1):
        found = f"the only class is {names[0]!r}" if names else f"no {noun} has a label"
        raise InputError(f"{where}: {found}; a classifier needs two or more, so check the label column")


def bad_labels(
    counts: Mapping[Key, Counter[str]], first: Mapping[Key, str], *, one_kind: bool = True, rare: bool = False
) -> Bad:
    """Find labels of another kind than most; where all are of one kind, those that occur once or never in training.

    Args:
        counts: how many examples of each split bear each label.
        first: where each label occurs first, for messages.
        one_kind: refuse a mixture of numbers, booleans and other strings.
        rare: labels may occur once, or in no training example.
    """
    kinds: Counter[str] = Counter()
    for (kind, _), splits in counts.items():
        kinds[kind] += splits.total()
    if one_kind and len(kinds) > 1:
        usual = kinds.most_common(1)[0][0]
        example = next(first[key] for key in counts if key[0] == usual)
        return {
            key: (
                f"the label {key[1]!r} is a {_KINDS[key[0]]} where most are {_KINDS[usual]}s, as in {example}",
                "write every label in the same way",
            )
            for key in counts
            if key[0] != usual
        }
    found: Bad = {}
    for key, splits in counts.items() if not rare else ():
        if splits.total() == 1:
            found[key] = f"the label {key[1]!r} is seen only here", "mend a misspelling or give more examples"
        elif not splits["train"]:
            where = " and ".join(split for split in _SPLITS if splits[split])
            problem = f"the label {key[1]!r} is in no training row, only in {where} ({splits.total()} rows)"
            found[key] = problem, "add training rows of it"
    return found
