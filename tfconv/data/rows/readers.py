"""Records of CSV, JSON Lines and TFRecord files, streamed."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfconv.data.rows.dialect import LONGEST_FIELD, Dialect, fields_of
from tfconv.data.rows.files import open_rows, plain_name
from tfconv.data.rows.records import DecodedLines, Record, missing_column, reject
from tfconv.errors import InputError

__all__ = ["csv_records", "jsonl_records", "tfrecord_records"]

_FRAME = 16  # bytes of length and checksums about each record
_NOT_UTF8 = object()


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
        dialect: from `detected`, all of it known.
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


def jsonl_records(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Stream the named keys of a file with one JSON object a line. Blank lines are no rows. A .gz file is unpacked.

    Raises:
        InputError: a bad line (no JSON, no object, a key missing) and `skipped` is None; or a .gz file is cut short.
    """
    with open_rows(path, read) as file:
        lines = DecodedLines(file)
        for line in lines:
            problem, lines.problem = lines.problem, None
            if not problem and not line.strip():
                continue
            where, remedy = f"{path} row {lines.number}", "write one JSON object a line, in UTF-8"
            value: Any = None
            if not problem:
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError) as error:
                    problem = f"not JSON ({error})"
                    if line.strip() == "[":
                        remedy = "the file is one JSON list; write one object a line (jq -c '.[]')"
            if not problem and not isinstance(value, dict):
                problem = f"a JSON {type(value).__name__}, not an object"
            if not problem:
                absent = [column for column in columns if column not in value]
                if absent:
                    problem, remedy = missing_column(absent[0], list(value), "key"), "add it"
            if problem:
                reject(where, problem, remedy, skipped)
            else:
                yield Record(lines.number, where, [value[column] for column in columns])


def tfrecord_records(
    path: Path,
    columns: Sequence[str],
    *,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Stream the named features of a file of `tf.train.Example`; the first record is row 1. A .gz file is unpacked.

    A feature of one value is that value, of none or several a list; bytes are UTF-8 strings. A missing feature is null.

    Raises:
        InputError: the file is no TFRecord, damaged or cut short; no record has a feature of that name; or a record is
            no `tf.train.Example`, or its bytes are not UTF-8, and `skipped` is None.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    options = tf.io.TFRecordOptions("" if plain_name(path) == path else "GZIP")
    number, size = 0, 0
    seen: set[str] = set()
    try:
        # Not a tf.data.Dataset: that would start TensorFlow's threads before their number can be set.
        for content in tf.compat.v1.io.tf_record_iterator(str(path), options):
            number, size = number + 1, size + len(content) + _FRAME
            if read is not None:
                read(len(content) + _FRAME)
            where = f"{path} row {number}"
            try:
                features = tf.train.Example.FromString(content).features.feature
            except DecodeError:
                reject(where, "no tf.train.Example", "write rows as tf.train.Example", skipped)
                continue
            if len(seen) < 1000:
                seen.update(features)
            values = [_feature_value(features[column]) if column in features else None for column in columns]
            if any(value is _NOT_UTF8 for value in values):
                reject(where, "not UTF-8", "write strings as UTF-8", skipped)
                continue
            if number == 1 and (absent := [column for column in columns if column not in features]):
                reject(where, missing_column(absent[0], sorted(features), "feature"), "add it", skipped)
                continue
            yield Record(number, where, values)
        if size != _size(path, size):
            raise tf.errors.DataLossError(None, None, "something else follows")  # TensorFlow takes it for the end
    except tf.errors.OpError as error:
        reason = str(error.message).partition("' failed with")[0].replace("'", "")
        raise InputError(
            f"{path}: not a TFRecord file, or damaged or cut short after {number:,} records ({reason:.80}); "
            "write it anew"
        ) from error
    if number and (absent := [column for column in columns if column not in seen]):
        raise InputError(f"{path}: {missing_column(absent[0], sorted(seen), 'feature')}")


def _size(path: Path, expected: int) -> int:
    """The bytes of a file when unpacked."""
    if plain_name(path) == path:
        return path.stat().st_size
    with open(path, "rb") as file:
        file.seek(-min(4, path.stat().st_size), 2)
        if int.from_bytes(file.read(4), "little") == expected % 2**32:  # RFC 1952: where nothing was appended
            return expected
    with open_rows(path) as file:
        return sum(len(block) for block in iter(lambda: file.read(1 << 20), b""))


def _feature_value(feature: Any) -> Any:
    field = feature.WhichOneof("kind")
    values = list(getattr(feature, field).value) if field else []
    if field == "bytes_list":
        try:
            values = [value.decode() for value in values]
        except UnicodeDecodeError:
            return _NOT_UTF8
    return values[0] if len(values) == 1 else values
