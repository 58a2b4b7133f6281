"""Labelled pictures from CSV, JSON Lines and Parquet files that name the picture files."""

import os
from pathlib import Path
from typing import Literal

from tfconv.data.image.dataset import ImageData
from tfconv.data.image.files import case_twins, check_decoding, image_data, picture_files
from tfconv.data.rows.dialect import Dialect
from tfconv.data.rows.labelled import LabelledRow
from tfconv.data.rows.records import pictures_named, reject
from tfconv.data.rows.tables import table_rows

__all__ = ["image_table"]


@pictures_named()
def image_table(
    path: str | Path,
    *,
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | Path | float | None = None,
    validation: float = 0.1,
    seed: int = 0,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    size: int | tuple[int, int] | None = None,
    fit: Literal["crop", "stretch"] = "crop",
    channels: int | None = None,
    skip_broken: bool = False,
) -> ImageData:
    """Read a .csv, .tsv, .jsonl, .ndjson, .parquet or .pq file of picture paths and labels.

    Args:
        path: the file, as `csv`, `jsonl` and `parquet` read it. Its stem names the data set.
        image: the column of the pictures' paths, by default "image", or what a look at a CSV file finds; paths that are
            not absolute begin at the table's folder.
        label: the column of the labels, by default "label", or found.
        split: a column that says train, validation (or val, valid, dev) or test for each row.
        test: another table to test on, or a fraction of the rows to hold out for testing.
        validation: the fraction of the training rows to hold out, unless the split column has validation rows.
        seed: decides which rows are held out; the split keeps every class's share.
        multi_label: a picture may have any number of labels; an empty label then means none of them.
        separator: what stands between the labels of one picture.
        dialect: how a CSV file is written; by default a look at its first rows says.
        size: as in `image_folder`, and so are `fit` and `channels`.
        fit: for pictures of another shape.
        channels: 3, or 1 for grey. By default 1 where all files are grey (not: grey in three equal channels), else 3.
        skip_broken: leave bad rows and pictures out, one line each in `ImageData.skipped`, in place of an error.

    Returns:
        Splits train, validation unless `validation` is 0, and test where one was given or asked for.

    Raises:
        InputError: as `csv` and `image_folder`; a bad picture is named by its row and its path.
    """
    decoding = check_decoding(size, fit, channels)
    skipped: list[str] | None = [] if skip_broken else None

    def checked(file: Path, rows: list[LabelledRow]) -> list[LabelledRow]:
        return _located(file.parent, rows, skipped)

    rows, held_out = table_rows(
        path, text=image, label=label, split=split, test=test, multi_label=multi_label, separator=separator,
        dialect=dialect, skipped=skipped, noun="image", checked=checked,
    )  # fmt: skip
    source = str(Path(path).resolve())
    return image_data(
        Path(path).stem, rows, lambda kept: picture_files(source, kept), decoding, where=str(path),
        multi_label=multi_label, validation=validation, test=held_out, seed=seed, skipped=skipped or (),
        skip=skip_broken,
    )  # fmt: skip


def _located(folder: Path, rows: list[LabelledRow], skipped: list[str] | None) -> list[LabelledRow]:
    """The rows whose file is there, with its path, and with the name that the table gives it where the row stands."""
    twins = case_twins(row.text for row in rows)
    kept = []
    for row in rows:
        path, where = os.path.join(folder, row.text), f"{row.where} ({row.text})"
        if row.text in twins:
            problem = f"the path differs only in case from {twins[row.text]!r}, so other systems cannot hold both"
            reject(where, problem, "rename one", skipped)
        elif os.path.exists(path):
            kept.append(row._replace(text=path, where=where))
        else:
            reject(where, "no such file", f"paths begin at {folder.resolve()}, unless they are absolute", skipped)
    return kept
