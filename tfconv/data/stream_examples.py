"""Texts and labels that stay in their files: how they are read, and one split of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from tfconv.data.class_labels import class_indices
from tfconv.data.examples import TextExamples
from tfconv.data.kept import kept
from tfconv.data.row_files import fingerprint
from tfconv.data.row_stream import RowStream
from tfconv.data.stream_scan import Scan, checked_rows, scan
from tfconv.errors import InputError

__all__ = ["StreamReading", "StreamedTextExamples"]

_LAYOUT = 2  # of what is kept; to be raised when the same files and settings would give something else
_KEPT = "streamed"

T = TypeVar("T")


@dataclass(frozen=True)
class StreamReading:
    """The files of a stream, how to read them, and what is kept of that.

    Args:
        stream: the files, and how to read them.
        what: what they are called, for messages.
        source: how they were named: the last state of each source is kept. Which files a folder or a pattern stands
            for is a part of the state.
        skip: leave bad rows out.
        state: the files' `fingerprint`, names and splits when they were first read: all passes see the same files.
    """

    stream: RowStream
    what: str
    source: str
    skip: bool
    state: str

    @classmethod
    def of(cls, stream: RowStream, what: str, source: str, *, skip: bool) -> "StreamReading":
        """Read the files as they are now."""
        return cls(stream, what, source, skip, _state(stream))

    def scan(self) -> Scan:
        """Check all rows."""
        return scan(self.stream, self.what, skip=self.skip)

    def rows(self, found: Scan) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        """(where, text, class names, split) of the rows that the scan kept."""
        for row, names, part in checked_rows(self.stream, found, skip=self.skip):
            yield row.where, row.text, names, part

    def kept(self, what: str, settings: str, make: Callable[[Path], None], opened: Callable[[Path], T | None]) -> T:
        """What a pass over the files makes, as `kept` keeps it.

        Raises:
            InputError: the files are not as they were when first read, or as `make`.
        """

        def unchanged() -> None:
            if _state(self.stream) != self.state:
                raise InputError(f"{self.what}: files changed since they were first read; start again")

        def checked(folder: Path) -> None:
            unchanged()
            make(folder)
            unchanged()

        settings = f"{_LAYOUT} {self.source} {replace(self.stream, files=())} {self.skip} {settings}"
        return kept(_KEPT, what, settings, self.state, make=checked, opened=opened)


def _state(stream: RowStream) -> str:
    try:
        places = [f"{file.name}\0{file.split}" for file in stream.files]
        return "\n".join([fingerprint([file.path for file in stream.files]), *places])
    except OSError as error:
        return f"{error}"  # the reader says it better


@dataclass(frozen=True, eq=False, repr=False)
class StreamedTextExamples:
    """One split of streamed texts: how many, of which classes; texts and labels are read when asked for."""

    reading: StreamReading
    found: Scan
    split: str

    def __len__(self) -> int:
        return self.found.sizes[self.split]

    def __repr__(self) -> str:
        return f"StreamedTextExamples({len(self):,} texts)"

    @property
    def texts(self) -> "_Texts":
        """The texts in order, read from the files whenever they are iterated."""
        return _Texts(self)

    @property
    def labels(self) -> np.ndarray:
        """The labels as in `TextExamples`: one pass over the files, 4 bytes a text in memory."""
        names, several = self.found.class_names, self.reading.stream.multi_label
        place = {name: number for number, name in enumerate(names)}
        if not several:
            return np.fromiter((place[some[0]] for _, some in self._rows()), np.int32, len(self))
        return class_indices([some for _, some in self._rows()], names, multi_label=True)

    def take(self, indices: np.ndarray) -> TextExamples:
        """The examples at `indices`, in that order, in memory."""
        wanted = {int(index) for index in indices}
        found = {number: row for number, row in enumerate(self._rows()) if number in wanted}
        rows = [found[int(index)] for index in indices]
        labels = class_indices(
            [names for _, names in rows], self.found.class_names, multi_label=self.reading.stream.multi_label
        )
        return TextExamples([text for text, _ in rows], labels)

    def class_counts(self, classes: int) -> np.ndarray:
        """How many texts bear each label: int64 (classes,)."""
        return np.array(self.found.counts[self.split], np.int64)

    def _rows(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        return ((text, names) for _, text, names, part in self.reading.rows(self.found) if part == self.split)


class _Texts:
    def __init__(self, examples: StreamedTextExamples) -> None:
        self._examples = examples

    def __len__(self) -> int:
        return len(self._examples)

    def __iter__(self) -> Iterator[str]:
        return (text for text, _ in self._examples._rows())
