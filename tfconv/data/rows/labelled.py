"""Labelled rows of CSV, JSON Lines, Parquet and TFRecord files, streamed.

No reader holds more than one row, or one Parquet batch. A row's number is what a spreadsheet or an editor shows: in CSV
the header is row 1 and a quoted text with line breaks is still one row; in JSON Lines it is the line; in Parquet the
first row is 1.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tfconv.data.labels import Bad, BadLabel, Label, label_key, label_name, parse_labels
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.detection import detected
from tfconv.data.rows.files import check_row_file, file_format
from tfconv.data.rows.parquet import parquet_records
from tfconv.data.rows.readers import csv_records, jsonl_records, tfrecord_records
from tfconv.data.rows.records import reject
from tfconv.errors import InputError

__all__ = [
    "LabelledRow",
    "labelled_rows",
    "no_training_rows",
    "read_rows",
    "row_is_good",
    "split_name",
    "text_problem",
]


class LabelledRow(NamedTuple):
    """A row that passed its checks.

    Args:
        number: its number in the file.
        where: file and row, for messages.
        values: what is classified, by what it is: `{"text": "..."}`, or `{"image": "a path"}`.
        labels: as they are in the file.
        split: the name of its split; None where no split column says it.
    """

    number: int
    where: str
    values: dict[str, Any]
    labels: tuple[Label, ...]
    split: str | None


def read_rows(
    path: str | Path, columns: Columns = DEFAULT_COLUMNS, *, skipped: list[str] | None = None
) -> Iterator[tuple[int, str, str | tuple[str, ...]]]:
    """Stream (row number, text, class name) from a file; the reader goes by the file's ending.

    Args:
        path: a .csv, .tsv, .jsonl, .ndjson, .parquet, .pq or .tfrecord file, of which all but Parquet may be packed
            (.jsonl.gz); a file with another ending is read as CSV where it looks like it.
        columns: the columns and how they are written; in TFRecords of `tf.train.Example` the text is a feature of one
            string, the label one of a string or number. With `multi_label` a tuple of class names takes the place of
            the class name.
        skipped: takes one line for each bad row; without it, and without `columns.skip`, a bad row is an error.

    Raises:
        InputError: the file cannot be read, a column is missing, or a row is bad and not to be skipped.
    """
    if columns.skip and skipped is None:
        skipped = []
    for row in labelled_rows(path, columns, skipped=skipped):
        names = tuple(label_name(item) for item in row.labels)
        yield row.number, row.values["text"], names if columns.multi_label else names[0]


def labelled_rows(
    path: str | Path,
    columns: Columns,
    *,
    noun: str = "text",
    form: str | None = None,
    skipped: list[str] | None = None,
    read: Callable[[int], None] | None = None,
) -> Iterator[LabelledRow]:
    """Stream the checked rows of a file, with the labels as they are in the file.

    Args:
        path: the file.
        columns: which columns to read, and how.
        noun: what is classified: `"text"` or `"image"`.
        form: `"csv"`, `"jsonl"`, `"parquet"` or `"tfrecord"`; default: by the file's ending.
        skipped: takes one line for each bad row; without it a bad row is an error.
        read: is told now and then how many more bytes of the file have been read.

    Raises:
        InputError: as `read_rows`; also a split that is none of train, validation, test.
    """
    path = Path(path)
    form = form or file_format(path)
    check_row_file(path)
    if form == "csv":
        columns = detected(path, columns, noun)
    names = [columns.content(noun) or noun, columns.label or "label", *([columns.split] if columns.split else [])]
    if form == "csv":
        found = csv_records(path, names, dialect=columns.dialect, skipped=skipped, read=read)
    else:
        readers = {"jsonl": jsonl_records, "parquet": parquet_records, "tfrecord": tfrecord_records}
        found = readers[form](path, names, skipped=skipped, read=read)
    for record in found:
        problem = text_problem(record.values[0], noun)
        if problem:
            reject(record.where, problem, "mend it", skipped)
            continue
        try:
            labels = parse_labels(record.values[1], columns.task, columns.separator)
        except BadLabel as error:
            reject(record.where, str(error), error.remedy, skipped)
            continue
        part = None
        if columns.split:
            part = split_name(record.values[2])
            if part is None:
                wrong = f"split {record.values[2]!r:.60} is none of train, validation, test"
                reject(record.where, wrong, f"mend column {columns.split!r}", skipped)
                continue
        yield LabelledRow(record.number, record.where, {noun: record.values[0]}, labels, part)


def row_is_good(row: LabelledRow, bad: Bad, skipped: list[str] | None) -> bool:
    """Whether a row has no bad label; one that has is noted in `skipped`.

    Raises:
        InputError: it has one, and `skipped` is None.
    """
    for label in row.labels if bad else ():
        if (words := bad.get(label_key(label))) is not None:
            reject(row.where, *words, skipped)
            return False
    return True


def no_training_rows(where: str, skipped: int, notes: Sequence[str]) -> InputError:
    """The error for data without training rows, with the number of rows left out and the first note on them."""
    first = f"; {skipped:,} were skipped, the first: {notes[0]}" if notes else ""
    return InputError(f"{where}: no rows to train on{first}; give at least two classes of two rows each")


def split_name(value: Any) -> str | None:
    """`"train"`, `"validation"` or `"test"` for the usual names of a split, else None."""
    names = {"train": "train", "training": "train", "test": "test", "testing": "test"}
    names |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
    return names.get(value.strip().lower()) if isinstance(value, str) else None


def text_problem(value: Any, noun: str = "text") -> str | None:
    """What is wrong with a text, or None: it must be a string with something in it that UTF-8 can hold."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return f"no {noun} (null)"
    if not isinstance(value, str):
        return f"the {noun} is {value!r:.60} ({type(value).__name__}) where a string is needed"
    if not value.strip():
        return f"empty {noun}"
    if "\0" in value:
        return f"the {noun} holds a NUL byte"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"the {noun} holds half a surrogate pair, which is no character"
    return None
