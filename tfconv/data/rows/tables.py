"""Labelled texts from CSV, JSON Lines and Parquet files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tfconv.data.assembly import assemble
from tfconv.data.rows.dialect import Dialect
from tfconv.data.rows.files import file_format
from tfconv.data.rows.labelled import LabelledRow, labelled_rows, settle_rows
from tfconv.data.rows.records import memory_named
from tfconv.data.text.dataset import TextData
from tfconv.errors import InputError

__all__ = ["csv", "jsonl", "parquet", "table", "table_rows"]


def csv(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    delimiter: str | None = None,
    header: bool | None = None,
    quoting: Literal["minimal", "none"] | None = None,
    encoding: str | None = None,
    skip: bool = False,
) -> TextData:
    r"""Read a CSV file: what its first rows do not say by themselves is said by `delimiter` to `encoding`.

    Quotes are doubled inside quotes, and line breaks allowed there. What a look at the first rows finds beside the
    usual (commas, a header, columns `text` and `label`, UTF-8) is printed in one line on standard error; how it looks
    is told by `tfconv.data.Dialect`.

    Args:
        path: the file. Its stem names the data set.
        text: the column of the texts; by default "text", or what a look at the rows finds.
        label: the column of the labels, by default "label", or found: words, or numbers (sorted by value), two
            classes or more.
        split: a column that says train, validation (or val, valid, dev) or test for each row.
        test: another file of the same columns to test on; or a fraction of the rows to hold out for testing.
        validation: the fraction of the training rows to hold out, unless the split column has validation rows.
        seed: decides which rows are held out; the split keeps every class's share.
        multi_label: a text may have any number of labels; an empty label then means none of them.
        separator: what stands between the labels of one text.
        delimiter: what stands between the columns, such as `;` or `tab`.
        header: whether the first row holds names; columns without names are called "1", "2", ...
        quoting: `"minimal"`, or `"none"` where quote marks are text.
        encoding: such as "latin-1"; by default UTF-8, or what a byte order mark says (UTF-16).
        skip: leave bad rows out, one line each in `TextData.skipped`, in place of an error.

    Returns:
        Splits train, validation unless `validation` is 0, and test where one was given or asked for.

    Raises:
        InputError: the file cannot be read, a column is missing; or a row is bad (no text or label, labels of mixed
            kinds, a label seen only once or in no training row, not UTF-8, a field too many) and `skip` is false.
    """
    return table(
        path, form="csv", text=text, label=label, split=split, test=test, validation=validation, seed=seed,
        multi_label=multi_label, separator=separator, dialect=Dialect(delimiter, header, quoting, encoding), skip=skip,
    )  # fmt: skip


def jsonl(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    skip: bool = False,
) -> TextData:
    """Read a file with one JSON object a line.

    Args: as `csv`; `text`, `label` and `split` are keys. Labels are strings, numbers or booleans; with `multi_label` a
    list of them, or one string with separators.

    Raises:
        InputError: as `csv`; also a line that is no JSON object.
    """
    return table(
        path, form="jsonl", text=text, label=label, split=split, test=test, validation=validation, seed=seed,
        multi_label=multi_label, separator=separator, skip=skip,
    )  # fmt: skip


def parquet(
    path: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    skip: bool = False,
) -> TextData:
    """Read a Parquet file (needs the extra `parquet`).

    Args: as `csv`. Labels are strings, numbers or booleans; with `multi_label` a list column, or strings with
    separators.

    Raises:
        InputError: as `csv`; also a file that is not Parquet, or pyarrow not installed.
    """
    return table(
        path, form="parquet", text=text, label=label, split=split, test=test, validation=validation, seed=seed,
        multi_label=multi_label, separator=separator, skip=skip,
    )  # fmt: skip


def table(
    path: str | Path,
    *,
    form: str | None = None,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    skip: bool = False,
) -> TextData:
    """Read a table of any of the three formats.

    Args: as `csv`; `form` is `"csv"`, `"jsonl"` or `"parquet"`, by default what the file's ending says. A test file
    may be of another format than the first when `form` is None. `dialect` says how a CSV file is written.

    Raises:
        InputError: as `csv`.
    """
    skipped: list[str] | None = [] if skip else None
    rows, held_out = table_rows(
        path, form=form, text=text, label=label, split=split, test=test, multi_label=multi_label, separator=separator,
        dialect=dialect, skipped=skipped,
    )  # fmt: skip
    done = assemble(
        rows, where=str(path), multi_label=multi_label, validation=validation, test=held_out, seed=seed,
        skipped=skipped or (), skip=skip,
    )  # fmt: skip
    return done.text_data(Path(path).stem)


def table_rows(
    path: str | Path,
    *,
    text: str | None,
    label: str | None,
    split: str | None,
    test: str | Path | float | None,
    multi_label: bool,
    separator: str,
    dialect: Dialect | None,
    skipped: list[str] | None,
    form: str | None = None,
    noun: str = "text",
    checked: Callable[[Path, list[LabelledRow]], list[LabelledRow]] | None = None,
) -> tuple[list[LabelledRow], float]:
    """The rows of a table, and of the file to test on where `test` names one.

    Args: as `table`; `noun` is what messages call the value of column `text`; `checked` sees the rows of each file
    with its path, and returns those to use.

    Returns:
        The rows, and the share of them to hold out for testing.

    Raises:
        InputError: as `csv`.
    """

    def read(file: str | Path, split_column: str | None, dialect: Dialect | None) -> list[LabelledRow]:
        before = len(skipped or ())
        with memory_named(file):
            found = list(
                labelled_rows(
                    file,
                    text=text,
                    label=label,
                    split=split_column,
                    multi_label=multi_label,
                    separator=separator,
                    dialect=dialect,
                    form=form,
                    skipped=skipped,
                    noun=noun,
                )
            )
        if not found and len(skipped or ()) == before:
            raise InputError(f"{file}: no rows, only a header or blank lines; give a file with rows")
        return checked(Path(file), found) if checked else found

    if (form or file_format(Path(path))) == "csv":
        settled = settle_rows(Path(path), dialect, text, label, split, noun=noun)
        text, label = settled.text, settled.label
        rows = read(path, split, settled.dialect)
    else:
        rows = read(path, split, dialect)
    held_out = 0.0
    if test is not None and any(row.split == "test" for row in rows):
        raise InputError(f"{path}: column {split!r} has test rows, and test={str(test)!r} is given too; choose one")
    if isinstance(test, (str, os.PathLike)):
        if Path(test).exists() and os.path.samefile(path, test):
            raise InputError(f"test={str(test)!r} is the training file itself; give another file, or a fraction")
        rows += [row._replace(split="test") for row in read(test, None, dialect)]
    elif test is not None:
        held_out = test
    return rows, held_out
