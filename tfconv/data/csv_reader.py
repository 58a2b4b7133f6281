"""Records of a CSV file, streamed."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tfconv.data.compressed import open_rows
from tfconv.data.dialect import LONGEST_FIELD, Dialect, fields_of
from tfconv.data.records import DecodedLines, Record, missing_column, reject
from tfconv.errors import InputError

__all__ = ["csv_records"]


def csv_records(
    path: Path,
    columns: Sequence[str],
    *,
    dialect: Dialect,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Stream the named columns of a CSV file. Blank lines are no rows. A .gz file is unpacked.

    Args:
        path: the file.
        columns: their names; "1", "2", ... where there is no header.
        dialect: from `settle`, all of it known.
        skipped: takes one line for each bad row.
        read: is told how many more bytes were read.

    Raises:
        InputError: a column is missing or twice there, no rows, or a bad row and `skipped` is None; or a .gz file is
            cut short.
    """
    delimiter, unquoted = str(dialect.delimiter), dialect.quoting == "none"
    with open_rows(path, read) as file:
        lines = DecodedLines(file, dialect.encoding)
        reader = fields_of(lines, delimiter, dialect.quoting)
        header: list[str] = []
        positions: list[int] = []
        number = 0
        while True:
            number, first_line = number + 1, lines.number + 1
            lines.problem = None
            problem, fields = None, []
            try:
                fields = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                problem = _csv_problem(error, first_line, lines.number)
                if "quote" in problem and delimiter == "\t":
                    problem += "; where quote marks are text, say --quoting none"
            where = f"{path} row {number}" + (f" (line {first_line})" if first_line != number else "")
            problem = lines.problem or problem
            if not header:
                if problem:
                    raise InputError(f"{where}: {problem}; save the file as CSV in UTF-8")
                header = fields if dialect.header else [str(i + 1) for i in range(len(fields))]
                positions = [_position(path, header, column, delimiter) for column in columns] if header else []
                if header and not dialect.header:
                    yield Record(number, where, [fields[position] for position in positions])
            elif problem:
                reject(where, problem, "save it as CSV in UTF-8", skipped)
            elif fields and len(fields) != len(header):
                wrong = (
                    f"{len(fields)} fields where the {'header' if dialect.header else 'first row'} has {len(header)}"
                )
                remedy = "take it out" if unquoted else "quote a field that holds it"
                reject(where, wrong, f"where {delimiter!r} is text, {remedy}", skipped)
            elif fields:
                yield Record(number, where, [fields[position] for position in positions])
    if not header:
        raise InputError(f"{path} holds blank lines only; give a file with rows")


def _csv_problem(error: csv.Error, first: int, last: int) -> str:
    lines = f"line {first}" if last <= first else f"lines {first} to {last}"
    if "unexpected end" in str(error):
        return f"a quote is opened and never closed ({lines} are lost in it)"
    if "field limit" in str(error):
        return f"a field longer than {LONGEST_FIELD:,} characters ({lines}), as when a quote is never closed"
    if "new-line" in str(error):
        return f"a bare carriage return ({lines}); lines end in \\n or \\r\\n"
    return f"a closing quote is followed by text ({lines}); double a quote inside quotes"


def _position(path: Path, header: list[str], column: str, delimiter: str) -> int:
    if header.count(column) > 1:
        raise InputError(f"{path} row 1: {header.count(column)} columns are called {column!r}; rename all but one")
    if column in header:
        return header.index(column)
    hint = ""
    if len(header) == 1:
        others = [mark for mark in (";", "\t", "|", ",") if mark != delimiter and mark in header[0]]
        hint = f"; are the columns separated by {others[0]!r}? Then say delimiter={others[0]!r}" if others else ""
    raise InputError(f"{path} row 1: {missing_column(column, header)}{hint}")
