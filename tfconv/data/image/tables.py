"""Labelled images from CSV, JSON Lines and Parquet files that name the image files."""

import functools
import os
from pathlib import Path
from typing import Literal

from tfconv.data.image.dataset import ImageData
from tfconv.data.image.files import case_twins, image_data, image_files
from tfconv.data.image.store import check_decoding
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.labelled import LabelledRow
from tfconv.data.rows.records import reject
from tfconv.data.rows.tables import table_rows

__all__ = ["image_table"]


def image_table(
    path: str | Path,
    columns: Columns = DEFAULT_COLUMNS,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Literal["crop", "stretch"] = "crop",
    channels: int | None = None,
) -> ImageData:
    """Read a .csv, .tsv, .jsonl, .ndjson, .parquet or .pq file of image paths and labels.

        data = tfconv.data.image_table("photos.csv", Columns(image="file", label="species"), size=96)

    Args:
        path: the file, as `csv`, `jsonl` and `parquet` read it. Its stem names the data set.
        columns: the columns of paths, labels and splits, and which rows are held out; every class keeps its share.
        size: as in `image_folder`, and so are `fit` and `channels`.
        fit: for images of another shape.
        channels: 3, or 1 for grey. By default 1 where all files are grey (not: grey in three equal channels), else 3.

    Returns:
        Splits train, validation unless that fraction is 0, and test where one was given or asked for.

    Raises:
        InputError: as `csv` and `image_folder`; a bad image is named by its row and its path.
    """
    decoding = check_decoding(size, fit, channels)
    skipped: list[str] | None = [] if columns.skip else None

    def checked(file: Path, rows: list[LabelledRow]) -> list[LabelledRow]:
        return _located(file.parent, rows, skipped)

    rows = table_rows(path, columns, noun="image", skipped=skipped, checked=checked)
    source = str(Path(path).resolve())
    return image_data(
        Path(path).stem, rows, functools.partial(image_files, source), decoding, columns, where=str(path),
        skipped=skipped or (),
    )  # fmt: skip


def _located(folder: Path, rows: list[LabelledRow], skipped: list[str] | None) -> list[LabelledRow]:
    """The rows whose file is there, with its path; messages then name both the row and the path in the table."""
    twins = case_twins(row.values["image"] for row in rows)
    kept = []
    for row in rows:
        given = row.values["image"]
        path, where = os.path.join(folder, given), f"{row.where} ({given})"
        if given in twins:
            problem = f"the path differs only in case from {twins[given]!r}, so other systems cannot hold both"
            reject(where, problem, "rename one", skipped)
        elif os.path.exists(path):
            kept.append(row._replace(values={"image": path}, where=where))
        else:
            reject(where, "no such file", f"paths begin at {folder.resolve()}, unless they are absolute", skipped)
    return kept
