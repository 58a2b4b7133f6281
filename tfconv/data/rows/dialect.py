"""How a CSV file is written: delimiter, header, quoting, encoding."""

import contextlib
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfconv.data.rows.files import plain_name
from tfconv.errors import InputError

__all__ = ["LONGEST_FIELD", "Dialect", "fields_of", "usual_delimiter"]

LONGEST_FIELD = 1 << 24  # characters


def usual_delimiter(path: Path) -> str:
    """What the ending of a file's name says."""
    return "\t" if plain_name(path).suffix.lower() == ".tsv" else ","


def fields_of(lines: Iterable[str], delimiter: str, quoting: str | None) -> Iterator[list[str]]:
    """The fields of each row; iterating raises `csv.Error` at a row that cannot be read."""
    if csv.field_size_limit() < LONGEST_FIELD:  # the limit is the process's; never lowered
        csv.field_size_limit(LONGEST_FIELD)
    style: Literal[0, 3] = csv.QUOTE_NONE if quoting == "none" else csv.QUOTE_MINIMAL
    return csv.reader(lines, delimiter=delimiter, quoting=style, strict=True)


@dataclass(frozen=True)
class Dialect:
    r"""How a CSV file is written; what is None, a look at its first rows says.

    Args:
        delimiter: between the columns, one character (`"tab"` and `"\\t"` are the tab).
        header: whether the first row holds the columns' names. Columns without names are called "1", "2", ...
        quoting: `"minimal"`: a field may be in quotes, in which quotes are doubled (RFC 4180). `"none"`: quote
            marks are text.
        encoding: any of Python's, such as "latin-1". A file that begins with a byte order mark says it itself.

    Raises:
        InputError: `delimiter` is not one character, or Python knows no such `encoding`.
    """

    delimiter: str | None = None
    header: bool | None = None
    quoting: Literal["minimal", "none"] | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter in ("tab", "\\t"):
            object.__setattr__(self, "delimiter", "\t")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise InputError(f"delimiter must be one character, such as ';', or tab; got {self.delimiter!r}")
        if self.quoting not in (None, "minimal", "none"):
            raise InputError(f"quoting must be minimal or none, got {self.quoting!r}")
        if self.encoding is not None:
            try:
                with contextlib.suppress(UnicodeError):  # of a byte alone
                    b"a".decode(self.encoding)  # of no byte, Python looks up no encoding
            except (LookupError, ValueError):
                raise InputError(
                    f"encoding {self.encoding!r} is none that Python knows: give one such as latin-1, cp1252, utf-16"
                ) from None

    @property
    def known(self) -> bool:
        """Whether nothing is left to find out."""
        return None not in (self.delimiter, self.header, self.quoting, self.encoding)
