"""What the readers share: a record, decoded lines, and the two ways to meet a bad row or picture."""

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from tfconv.errors import InputError

__all__ = ["BadExample", "DecodedLines", "Record", "missing_column", "open_bytes", "pictures_named", "reject"]


class Record(NamedTuple):
    """One row as it was read: its number, where it stands (`"a.csv row 7"`), the values of the columns asked for."""

    number: int
    where: str
    values: list[Any]


class BadExample(InputError):
    """A bad row, file or picture that could be left out; the parts of its message, for a reader with its own words."""

    def __init__(
        self, where: str, problem: str, remedy: str, *, leave_out: str = "such rows out with skip=True (--skip)"
    ) -> None:
        super().__init__(f"{where}: {problem}; {remedy}, or leave {leave_out}")
        self.where, self.problem, self.remedy = where, problem, remedy


@contextlib.contextmanager
def pictures_named() -> Iterator[None]:
    """Where a row is a picture, an error names the option of the image sources that leaves it out.

    Raises:
        BadExample: in place of one about rows.
    """
    try:
        yield
    except BadExample as error:
        leave_out = "such pictures out with skip_broken=True (--skip-broken)"
        raise BadExample(error.where, error.problem, error.remedy, leave_out=leave_out) from error


def reject(where: str, problem: str, remedy: str, skipped: list[str] | None) -> None:
    """Note a bad row in `skipped`, or, where that is None, raise the error that names it.

    Raises:
        BadExample: `skipped` is None.
    """
    if skipped is None:
        raise BadExample(where, problem, remedy)
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

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.number = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[str]:
        for line in self.file:
            self.number += 1
            if self.number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} of line {self.number}"
                self.problem = self.problem or f"not UTF-8 ({byte})"
                text = line.decode(errors="replace")
            if "\0" in text:
                self.problem = self.problem or f"a NUL byte in line {self.number}"
            yield text


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read its bytes.

    Raises:
        InputError: it cannot be opened.
    """
    try:
        file = open(path, "rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    with file:
        yield file
