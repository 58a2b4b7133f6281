"""What the readers of tables share: a record, decoded lines, and what is done about bad rows."""

import codecs
import contextlib
import difflib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tfconv.data.rows.files import encoding_of
from tfconv.errors import InputError

__all__ = ["DecodedLines", "Record", "memory_named", "missing_column", "reject"]


class Record(NamedTuple):
    """One row as it was read: its number, where it is (`"a.csv row 7"`), the values of the columns asked for."""

    number: int
    where: str
    values: list[Any]


@contextlib.contextmanager
def memory_named(path: str | Path) -> Iterator[None]:
    """Where memory ends, say what was being read, and how large it is.

    Raises:
        MemoryError: in place of one that says nothing.
    """
    try:
        yield
    except MemoryError as error:
        size = f", {os.stat(path).st_size / 1e6:,.1f} MB" if os.path.isfile(path) else ""
        raise MemoryError(f"while {path} was read{size}") from error


def reject(where: str, problem: str, remedy: str, skipped: list[str] | None) -> None:
    """Note a bad row in `skipped`, or, where that is None, raise the error that names it.

    Raises:
        InputError: `skipped` is None.
    """
    if skipped is None:
        raise InputError(f"{where}: {problem}; {remedy}, or leave such examples out with skip=True (--skip)")
    skipped.append(f"{where}: {problem}")


def missing_column(name: str, there: Sequence[str], noun: str = "column") -> str:
    """Say that a column is missing, which ones there are, and which of them is the closest."""
    by_lower = {other.strip().lower(): other for other in there}
    near = difflib.get_close_matches(name.strip().lower(), list(by_lower), 1)
    shown = ", ".join(repr(other) for other in there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    guess = f"; did you mean {by_lower[near[0]]!r}?" if near else ""
    return f"no {noun} {name!r}; there are {shown or 'none'}{guess}"


class DecodedLines:
    """Decoded lines of a file; remembers the first bad byte since `problem` was last cleared."""

    def __init__(self, file: BinaryIO, encoding: str | None = None) -> None:
        """`encoding` is that of a file without a byte order mark; by default UTF-8."""
        self.file = file
        self.number = 0
        self.problem: str | None = None
        self.encoding = encoding or "utf-8"

    def __iter__(self) -> Iterator[str]:
        self.encoding = encoding_of(self.file.peek(4)[:4]) or self.encoding  # type: ignore[attr-defined]
        if codecs.lookup(self.encoding).name != "utf-8":
            yield from self._transcoded()
            return
        for line in self.file:
            self.number += 1
            if self.number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} of line {self.number}"
                self.problem = self.problem or f"not UTF-8 ({byte}); name its encoding, such as --encoding latin-1"
                text = line.decode(errors="replace")
            if "\0" in text:
                self.problem = self.problem or f"a NUL byte in line {self.number}"
            yield text

    def _transcoded(self) -> Iterator[str]:
        lines = io.TextIOWrapper(self.file, self.encoding, errors="replace", newline="\n")
        try:
            for text in lines:
                self.number += 1
                if "\ufffd" in text:
                    self.problem = self.problem or f"line {self.number} is not {self.encoding.upper()}"
                if "\0" in text:
                    self.problem = self.problem or f"a NUL byte in line {self.number}"
                yield text
        finally:
            with contextlib.suppress(ValueError):  # closed already
                lines.detach()  # it is closed by who opened it
