"""Labelled texts from CSV, JSON Lines and Parquet files."""

import os
from collections.abc import Callable
from pathlib import Path

from tfconv.data.assembly import assemble
from tfconv.data.examples import TextData
from tfconv.data.row_readers import LabelledRow, labelled_rows
from tfconv.errors import InputError

__all__ = ["csv", "jsonl", "parquet", "table", "table_rows"]


def csv(
    path: str | Path,
    *,
    text: str = "text",
    label: str = "label",
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    delimiter: str | None = None,
    skip: bool = False,
) -> TextData:
    r"""Read a CSV file with a header: UTF-8, quotes doubled inside quotes, line breaks allowed inside quotes.

    Args:
        path: the file. Its stem names the data set.
        text: the column of the texts.
        label: the column of the labels: words, or numbers (sorted by value), two classes or more.
        split: a column that says train, validation (or val, valid, dev) or test for each row.
        test: another file of the same columns to test on; or a fraction of the rows to hold out for testing.
        validation: the fraction of the training rows to hold out, unless the split column has validation rows.
        seed: decides which rows are held out; the split keeps every class's share.
        multi_label: a text may have any number of labels; an empty label then means none of them.
        separator: what stands between the labels of one text.
        delimiter: what stands between the columns: by default `,`, and a tab in a file that ends in .tsv.
        skip: leave bad rows out, one line each in `TextData.skipped`, in place of an error.

    Returns:
        Splits train, validation unless `validation` is 0, and test where one was given or asked for.

    Raises:
        InputError: the file cannot be read, a column is missing; or a row is bad (no text or label, labels of mixed
            kinds, a label seen only once or in no training row, not UTF-8, a field too many) and `skip` is false.
    """
    return table(
        path, form="csv", text=text, label=label, split=split, test=test, validation=validation, seed=seed,
        multi_label=multi_label, separator=separator, delimiter=delimiter, skip=skip,
    )  # fmt: skip


def jsonl(
    path: str | Path,
    *,
    text: str = "text",
    label: str = "label",
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
    text: str = "text",
    label: str = "label",
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
    text: str = "text",
    label: str = "label",
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    delimiter: str | None = None,
    skip: bool = False,
) -> TextData:
    """Read a table of any of the three formats.

    Args: as `csv`; `form` is `"csv"`, `"jsonl"` or `"parquet"`, by default what the file's ending says. A test file
    may be of another format than the first when `form` is None.

    Raises:
        InputError: as `csv`.
    """
    skipped: list[str] | None = [] if skip else None
    rows, held_out = table_rows(
        path, form=form, text=text, label=label, split=split, test=test, multi_label=multi_label, separator=separator,
        delimiter=delimiter, skipped=skipped,
    )  # fmt: skip
    done = assemble(
        rows, where=str(path), multi_label=multi_label, validation=validation, test=held_out, seed=seed,
        skipped=skipped or (), skip=skip,
    )  # fmt: skip
    return done.text_data(Path(path).stem)


def table_rows(
    path: str | Path,
    *,
    text: str,
    label: str,
    split: str | None,
    test: str | Path | float | None,
    multi_label: bool,
    separator: str,
    delimiter: str | None,
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

    def read(file: str | Path, split_column: str | None) -> list[LabelledRow]:
        before = len(skipped or ())
        found = list(
            labelled_rows(
                file,
                text=text,
                label=label,
                split=split_column,
                multi_label=multi_label,
                separator=separator,
                delimiter=delimiter,
                form=form,
                skipped=skipped,
                noun=noun,
            )
        )
        if not found and len(skipped or ()) == before:
            raise InputError(f"{file}: no rows, only a header or blank lines; give a file with rows")
        return checked(Path(file), found) if checked else found

    rows = read(path, split)
    held_out = 0.0
    if test is not None and any(row.split == "test" for row in rows):
        raise InputError(f"{path}: column {split!r} has test rows, and test={str(test)!r} is given too; choose one")
    if isinstance(test, (str, os.PathLike)):
        if Path(test).exists() and os.path.samefile(path, test):
            raise InputError(f"test={str(test)!r} is the training file itself; give another file, or a fraction")
        rows += [row._replace(split="test") for row in read(test, None)]
    elif test is not None:
        held_out = test
    return rows, held_out
