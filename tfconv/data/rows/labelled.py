"""Rows of CSV, JSON Lines and Parquet files, streamed: no reader holds more than one row, or one Parquet batch.

A row's number is what a spreadsheet or an editor shows: in CSV the header is row 1 and a quoted text with line breaks
is still one row; in JSON Lines it is the line; in Parquet the first row is 1.
"""

import difflib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tfconv.data.labels import BadLabel, Label, label_name, parse_labels
from tfconv.data.rows.dialect import Dialect, Settled, settle
from tfconv.data.rows.files import FORMATS, file_format, plain_name
from tfconv.data.rows.readers import csv_records, jsonl_records, parquet_records, tfrecord_records
from tfconv.data.rows.records import reject
from tfconv.errors import InputError

__all__ = [
    "LabelledRow",
    "labelled_rows",
    "rows",
    "settle_rows",
    "split_name",
    "text_problem",
]


class LabelledRow(NamedTuple):
    """A row that passed its checks: where it stands, its text, its labels as the file has them, its split's name."""

    number: int
    where: str
    text: str
    labels: tuple[Label, ...]
    split: str | None


def rows(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    skipped: list[str] | None = None,
) -> Iterator[tuple[int, str, str | tuple[str, ...]]]:
    """Stream (row number, text, class name) from a file; the reader goes by the file's ending.

    Args:
        path: a .csv, .tsv, .jsonl, .ndjson, .parquet, .pq or .tfrecord file, of which all but Parquet may be packed
            (.jsonl.gz); a file with another ending is read as CSV where it looks like it.
        text: the column of the texts, by default "text", or what a look at a CSV file finds; in TFRecords of
            `tf.train.Example` a feature of one string.
        label: the column of the labels, by default "label", or found; in TFRecords a feature of a string or number.
        multi_label: yield a tuple of any number of class names in place of one name.
        separator: what stands between the labels of a text where they are one string.
        dialect: how a CSV file is written; by default a look at its first rows says.
        skipped: a list that takes one line for each bad row; without it a bad row is an error.

    Raises:
        InputError: the file cannot be read, a column is missing, or a row is bad and `skipped` is None.
    """
    options = {"multi_label": multi_label, "separator": separator, "dialect": dialect, "skipped": skipped}
    for row in labelled_rows(path, text=text, label=label, **options):  # type: ignore[arg-type]
        names = tuple(label_name(item) for item in row.labels)
        yield row.number, row.text, names if multi_label else names[0]


def labelled_rows(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    form: str | None = None,
    skipped: list[str] | None = None,
    noun: str = "text",
    read: Callable[[int], None] | None = None,
) -> Iterator[LabelledRow]:
    """Stream the checked rows of a file, as `rows` does, with the labels as they stand and a `split` column.

    Args: as `rows`; `noun` is what messages call the value of column `text`; `read` is told now and then how many more
        bytes of the file have been read.

    Raises:
        InputError: as `rows`; also a `split` value that is none of train, validation, test.
    """
    path = Path(path)
    form = form or file_format(path)
    _check_file(path)
    if form == "csv":
        settled = settle_rows(path, dialect, text, label, split, noun=noun)
        columns = [settled.text, settled.label] if split is None else [settled.text, settled.label, split]
        found = csv_records(path, columns, dialect=settled.dialect, skipped=skipped, read=read)
    else:
        columns = [text or noun, label or "label", *([] if split is None else [split])]
        readers = {"jsonl": jsonl_records, "parquet": parquet_records, "tfrecord": tfrecord_records}
        found = readers[form](path, columns, skipped=skipped, read=read)
    for record in found:
        problem = text_problem(record.values[0], noun)
        if problem:
            reject(record.where, problem, "mend it", skipped)
            continue
        try:
            labels = parse_labels(record.values[1], multi_label=multi_label, separator=separator)
        except BadLabel as error:
            reject(record.where, str(error), error.remedy, skipped)
            continue
        part = None
        if split is not None:
            part = split_name(record.values[2])
            if part is None:
                wrong = f"split {record.values[2]!r:.60} is none of train, validation, test"
                reject(record.where, wrong, f"mend column {split!r}", skipped)
                continue
        yield LabelledRow(record.number, record.where, record.values[0], labels, part)


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


def settle_rows(
    path: Path,
    dialect: Dialect | None,
    text: str | None,
    label: str | None,
    split: str | None = None,
    *,
    noun: str = "text",
) -> Settled:
    """As `settle`, for a file that must be there.

    Raises:
        InputError: as `settle`; the file is a folder, absent or empty.
    """
    _check_file(path)
    known = plain_name(path).suffix.lower() in FORMATS
    return settle(path, dialect or Dialect(), text, label, split, noun=noun, known_ending=known)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file; read a folder of text files with text_folder")
    if not path.exists():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")], 1)
        raise InputError(f"{path}: no such file; " + (f"did you mean {near[0]!r}?" if near else "check the path"))
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); give a file with rows")
