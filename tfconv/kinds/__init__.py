"""The kinds of work, such as text and images: what one word after `tfconv train` stands for.

A new kind is a subclass of `Kind`, with its options, in a folder here, and one line in the table below; verbs,
prediction and export ask the table and know no kind by name.
"""

from typing import Any

from tfconv.errors import InputError
from tfconv.kinds.images.kind import ImageKind
from tfconv.kinds.kind import Kind
from tfconv.kinds.text.kind import TextKind

__all__ = ["KINDS", "Kind", "get", "of_preprocess", "register"]

KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Put a kind into the table: the command, prediction and export know it from now on."""
    KINDS[kind.name] = kind


for _kind in (TextKind(), ImageKind()):
    register(_kind)


def get(name: str) -> Kind:
    """The kind of that name.

    Raises:
        InputError: there is none.
    """
    if name not in KINDS:
        raise InputError(f"there is no kind of work {name!r}: there are {', '.join(KINDS)}")
    return KINDS[name]


def of_preprocess(preprocess: Any) -> Kind:
    """The kind whose raw examples a preprocessing takes; one that does not say it takes texts, as strings."""
    return get(getattr(preprocess, "kind", "text"))
