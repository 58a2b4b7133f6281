"""Labelled texts from CSV, JSON Lines and Parquet files."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tfconv.data.assembly import assemble
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.detection import detected
from tfconv.data.rows.files import file_format
from tfconv.data.rows.labelled import LabelledRow, labelled_rows
from tfconv.data.rows.records import memory_named
from tfconv.data.text.dataset import TextData
from tfconv.errors import InputError

__all__ = ["csv", "jsonl", "parquet", "table", "table_rows"]


def csv(path: str | Path, columns: Columns = DEFAULT_COLUMNS) -> TextData:
    r"""Read labelled texts from a CSV file.

        data = tfconv.data.csv("reviews.csv", Columns(text="review", label="stars", validation=0.2))

    Quotes are doubled inside quotes, and line breaks allowed there. What a look at the first rows finds beside the
    usual (commas, a header, columns `text` and `label`, UTF-8) is printed in one line on standard error; what they do
    not tell is told by `Columns(dialect=Dialect(...))`.

    Args:
        path: the file. Its stem names the data set.
        columns: the columns of texts, labels and splits, and which rows are held out; every class keeps its share.

    Returns:
        Splits train, validation unless that fraction is 0, and test where one was given or asked for.

    Raises:
        InputError: the file cannot be read, a column is missing; or a row is bad (no text or label, labels of mixed
            kinds, a label that occurs once or in no training row, not UTF-8, a field too many) and `columns.skip` is
            false.
    """
    return table(path, columns, form="csv")


def jsonl(path: str | Path, columns: Columns = DEFAULT_COLUMNS) -> TextData:
    """Read labelled texts from a file with one JSON object a line.

    Args:
        path: the file. Its stem names the data set.
        columns: as in `csv`, of which the names are keys. Labels are strings, numbers or booleans; with `multi_label` a
            list of them, or one string with separators.

    Raises:
        InputError: as `csv`; also a line that is no JSON object.
    """
    return table(path, columns, form="jsonl")


def parquet(path: str | Path, columns: Columns = DEFAULT_COLUMNS) -> TextData:
    """Read labelled texts from a Parquet file (needs the extra `parquet`).

    Args:
        path: the file. Its stem names the data set.
        columns: as in `csv`. Labels are strings, numbers or booleans; with `multi_label` a list column, or strings with
            separators.

    Raises:
        InputError: as `csv`; also a file that is not Parquet, or pyarrow not installed.
    """
    return table(path, columns, form="parquet")


def table(path: str | Path, columns: Columns = DEFAULT_COLUMNS, *, form: str | None = None) -> TextData:
    """Read labelled texts from a table of any of the three formats.

    Args:
        path: the file. Its stem names the data set.
        columns: as in `csv`.
        form: `"csv"`, `"jsonl"` or `"parquet"`; default: by the file's ending. A test file may then be of another
            format than the first.

    Raises:
        InputError: as `csv`.
    """
    skipped: list[str] | None = [] if columns.skip else None
    rows = table_rows(path, columns, form=form, skipped=skipped)
    return assemble(rows, columns, where=str(path), skipped=skipped or ()).text_data(Path(path).stem)


def table_rows(
    path: str | Path,
    columns: Columns,
    *,
    noun: str = "text",
    form: str | None = None,
    skipped: list[str] | None,
    checked: Callable[[Path, list[LabelledRow]], list[LabelledRow]] | None = None,
) -> list[LabelledRow]:
    """The rows of a table, and of the file to test on where there is one.

    Args:
        path: the file.
        columns: as in `csv`.
        noun: what is classified: `"text"` or `"image"`.
        form: as in `table`.
        skipped: takes one line for each bad row; None: a bad row is an error.
        checked: sees the rows of each file with its path, and returns those to use.

    Raises:
        InputError: as `csv`.
    """

    def read(file: str | Path, columns: Columns) -> list[LabelledRow]:
        before = len(skipped or ())
        with memory_named(file):
            found = list(labelled_rows(file, columns, noun=noun, form=form, skipped=skipped))
        if not found and len(skipped or ()) == before:
            raise InputError(f"{file}: no rows, only a header or blank lines; give a file with rows")
        return checked(Path(file), found) if checked else found

    apart = replace(columns, split=None)  # for a test file, which may be written in another way
    if (form or file_format(Path(path))) == "csv":
        columns = detected(Path(path), columns, noun)
        apart = replace(columns, split=None, dialect=apart.dialect)
    rows = read(path, columns)
    if columns.test is not None and any(row.split == "test" for row in rows):
        raise InputError(
            f"{path}: column {columns.split!r} has test rows, and test={str(columns.test)!r} is given too; choose one"
        )
    if columns.test_file is not None:
        if Path(columns.test_file).exists() and os.path.samefile(path, columns.test_file):
            raise InputError(
                f"test={str(columns.test_file)!r} is the training file itself; give another file, or a fraction"
            )
        rows += [row._replace(split="test") for row in read(columns.test_file, apart)]
    return rows
