"""What the first rows of a CSV file tell: how it is written, and which of its columns are meant."""

import csv
import io
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tfconv.data.rows.columns import Columns
from tfconv.data.rows.dialect import Dialect, fields_of, usual_delimiter
from tfconv.data.rows.files import FORMATS, check_row_file, encoding_of, open_rows, plain_name
from tfconv.errors import InputError

__all__ = ["detected"]

_LOOKED_AT = 1 << 20  # bytes
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
_SHARE = 0.9  # of the rows that have the usual number of fields, for a table with some bad rows


def detected(path: Path, columns: Columns, noun: str = "text") -> Columns:
    """Complete `columns` for a CSV file from its first megabyte, and report what is unusual in one line.

    Where the first row has the columns that are asked for (by default `noun` and label) with the delimiter that the
    file's ending implies, a comma or in .tsv a tab, the file is taken as that. Otherwise: the first of comma, tab,
    semicolon and bar that gives nearly all rows the same number of fields. Between tabs quote marks are text where a
    file would make no sense otherwise, or has such as no writer of quoted fields leaves. There is no header where
    the first row has a class that comes again in the rows below. Of two columns the one with few, short values holds
    the labels.

    Args:
        path: the file.
        columns: what is known.
        noun: what is classified: `"text"` or `"image"`.

    Returns:
        `columns` with the column of `noun`, the label and the dialect known.

    Raises:
        InputError: the file is a folder, absent or empty; there is no header and more than two columns; or the file
            looks like no table.
    """
    check_row_file(path)
    usual, dialect = usual_delimiter(path), columns.dialect
    text, label = columns.content(noun), columns.label
    if dialect.known and text is not None and label is not None:
        return columns
    sample, encoding, cut = _sample(path, dialect.encoding)
    wanted = {text or noun, label or "label"} | ({columns.split} if columns.split else set())
    delimiter, quoting, rows = _table(sample, dialect, usual, wanted, cut)
    width = _usual_width(rows)
    if plain_name(path).suffix.lower() not in FORMATS and (width is None or width < 2):
        raise InputError(
            f"{path}: cannot tell its format from its ending, nor columns in its rows; name what stands between them "
            "(--delimiter), or give a .csv, .tsv, .jsonl, .parquet or .tfrecord file"
        )
    names_given = [name for name in (text, label, columns.split) if name is not None]
    header = dialect.header
    if header is None:
        header = _has_header(rows, names_given, {noun, "label"})
    names = (rows[0] if header else [str(i + 1) for i in range(width or 1)]) if rows else []
    body = [row for row in (rows[1:] if header else rows) if len(row) == len(names)]
    given = (text or noun, label or "label")
    text, label = _columns(names, body, text, label, noun) or (text, label)
    if not header and (text is None or label is None):
        raise InputError(
            f"{path}: no header and {len(names)} columns, the first row {' | '.join(rows[0])[:60]!r}: say which column "
            f"holds the {noun}s and which the labels, such as --{noun} {len(names)} --label 1"
        )
    found = Dialect(delimiter, header, quoting, encoding)
    said = _unusual(found, dialect, usual)
    if text is not None and label is not None and (text, label) != given:
        said.append(f"{noun}s in column {text!r}, labels in {label!r}")
    if said:
        options = f"--delimiter, --no-header, --quoting, --encoding, --{noun}, --label"
        print(f"{path}: {', '.join(said)} (to say otherwise: {options})", file=sys.stderr)
    content: dict[str, Any] = {noun: text or noun}
    return replace(columns, **content, label=label or "label", dialect=found)


def _unusual(found: Dialect, given: Dialect, usual: str) -> list[str]:
    """What was found that is not usual and was not given."""
    said = []
    if given.delimiter is None and found.delimiter != usual:
        said.append(f"separated by {_DELIMITERS[str(found.delimiter)]}")
    if given.header is None and not found.header:
        said.append("no header")
    if given.quoting is None and found.quoting == "none":
        said.append("quote marks are text")
    if given.encoding is None and found.encoding != "utf-8":
        said.append(f"in {str(found.encoding).upper()}")
    return said


def _sample(path: Path, encoding: str | None) -> tuple[str, str, bool]:
    """The first whole lines, their encoding, and whether the file goes on."""
    with open_rows(path) as file:
        start = file.read(_LOOKED_AT)
        cut = bool(file.read(1))
    marked = encoding_of(start)
    encoding = marked or encoding or "utf-8"
    text = start.decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace")
    return (text[: text.rfind("\n") + 1] or text if cut else text), encoding, cut


def _parsed(sample: str, delimiter: str, quoting: str, cut: bool) -> list[list[str]] | None:
    """The rows, without blank lines; None where they cannot be read so."""
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in fields_of(io.StringIO(sample, newline=""), delimiter, quoting) if row)
    except csv.Error as error:
        if not (cut and "unexpected end" in str(error)):
            return None
    return rows


def _table(
    sample: str, given: Dialect, usual: str, wanted: set[str], cut: bool
) -> tuple[str, Literal["minimal", "none"], list[list[str]]]:
    """Delimiter, quoting and the rows that they give."""
    fitting = []
    delimiters = [given.delimiter] if given.delimiter else list(dict.fromkeys([usual, *_DELIMITERS]))
    for delimiter in delimiters:
        quoted = None if given.quoting == "none" else _parsed(sample, delimiter, "minimal", cut)
        plain = None
        if given.quoting == "none" or (given.quoting is None and delimiter == "\t" and '"' in sample):
            plain = _parsed(sample, delimiter, "none", cut)
        # Where both give the same, quote marks are there and no field is in quotes: no writer that quotes did that.
        unquoted = plain is not None and (plain == quoted or _usual_width(quoted or []) is None)
        quoting: Literal["minimal", "none"] = "none" if unquoted or given.quoting == "none" else "minimal"
        rows = plain if quoting == "none" else quoted
        if rows and wanted <= set(rows[0]):
            return delimiter, quoting, rows
        if rows and (_usual_width(rows) or 0) > 1:
            fitting.append((delimiter, quoting, rows))
    if fitting:
        return fitting[0]
    delimiter = delimiters[0]
    first = _parsed(sample.split("\n", 1)[0].rstrip("\r"), delimiter, given.quoting or "minimal", False)
    return delimiter, given.quoting or "minimal", first or []


def _usual_width(rows: list[list[str]]) -> int | None:
    """The number of fields that nearly all rows have; None where there is none."""
    if not rows:
        return None
    (width, count), *_ = Counter(map(len, rows)).most_common(1)
    return width if count >= _SHARE * len(rows) else None


def _has_header(rows: list[list[str]], given: list[str], usual: set[str]) -> bool:
    if not rows:
        return True
    first = rows[0]
    if usual & set(first) or (given and all(name in first for name in given)):
        return True
    if given:
        return not all(name.isdecimal() and 1 <= int(name) <= len(first) for name in given)
    body = [row for row in rows[1:] if len(row) == len(first)]
    if len(body) < 3:
        return True
    for column, value in enumerate(first):
        values = {row[column] for row in body}
        if value.strip() and value in values and len(values) <= len(body) / 2:
            return False
    return True


def _columns(
    names: list[str], body: list[list[str]], text: str | None, label: str | None, noun: str
) -> tuple[str, str] | None:
    """Which column holds the texts, and which the labels; None where the rows do not tell."""
    text = text or (noun if noun in names else None)
    label = label or ("label" if "label" in names else None)
    if text is not None and label is not None:
        return text, label
    if len(names) != 2 or names[0] == names[1]:
        return None
    for known, both in ((text, lambda other: (text, other)), (label, lambda other: (other, label))):
        if known is not None:
            return both(names[1 - names.index(known)]) if known in names else None  # type: ignore[return-value]
    distinct = [len({row[column] for row in body}) for column in (0, 1)]
    length = [sum(len(row[column]) for row in body) for column in (0, 1)]
    for column in (0, 1):
        few = distinct[column] <= len(body) / 2 and distinct[column] < distinct[1 - column]
        if few and length[column] < length[1 - column]:
            return names[1 - column], names[column]
    return None
