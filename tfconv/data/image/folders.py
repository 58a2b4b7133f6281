"""Labelled images from folders of image files, one folder a class."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tfconv.data.image.dataset import ImageData
from tfconv.data.image.files import case_twins, image_data, image_files
from tfconv.data.image.store import check_decoding
from tfconv.data.patterns import is_folder
from tfconv.data.rows.columns import Columns
from tfconv.data.rows.labelled import LabelledRow
from tfconv.data.rows.records import reject
from tfconv.data.text.folders import NAME_OF_NO_CLASS, class_folders, shown
from tfconv.errors import InputError

__all__ = ["image_folder"]

_NO_IMAGES = {"thumbs.db", "desktop.ini"}  # Windows leaves them in folders of images, unasked


def image_folder(
    directory: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Literal["crop", "stretch"] = "crop",
    channels: int | None = None,
    validation: float = 0.1,
    test: float = 0.0,
    seed: int = 0,
    skip: bool = False,
) -> ImageData:
    """Read labelled images from a folder with one folder a class.

    Files are `<class>/*`, or `train/<class>/*` beside `test/...` and, if there is one,
    `validation/...`. Split folders may have other usual names: training, Train_png, val, Valid, dev, testing.

    JPEG, PNG, BMP, GIF and WebP files, told by their content and not by their ending; of an animation the first
    image. They are decoded and resized once, by the graph that an exported model uses, and cached as an array in
    `decoded/` of the data folder (the variable TFCONV_DATA_DIR, else ~/.cache/tfconv); the array stays on disk, so
    memory does not grow with the images. It is made anew when a file's path, size or time of change differs.

    TensorFlow's decoder decides what the pixels are: grey and palettes become colours, transparency is dropped (what
    is under it shows), 16 bits become 8, CMYK becomes RGB without its colour profile. A JPEG is turned by its EXIF
    orientation, here as when the model serves. A JPEG that is damaged inside but has
    its end is decoded as far as it goes.

    Args:
        directory: the folder of the class folders, or of the split folders. Its name names the data set.
        size: what images are resized to, one number or (height, width). By default the size they have where all
            have the same and it is not above 64, otherwise 64.
        fit: for images of another shape: `"crop"` cuts off what sticks out, `"stretch"` squeezes.
        channels: 3, or 1 for grey. By default 1 where all files are grey (not: grey in three equal channels), else 3.
        validation: the fraction of the training images to hold out, unless there is a validation folder.
        test: the fraction to hold out for testing, unless there is a test folder.
        seed: decides which images are held out; the split keeps every class's share.
        skip: leave bad files out, one line each in `ImageData.skipped`, in place of an error.

    Returns:
        Classes are the folder names (numbers sorted by value); images are in the order of the file names. Folders
        within class folders are not read, and noted in `ImageData.skipped`; names that begin with a dot are ignored.

    Raises:
        InputError: no such folder or no class folders, an argument out of range; or (unless `skip`) a file
            that is no image, broken, cut short, empty, unreadable or of more than 89 million pixels, two names that
            differ only in case, a class without images, with a single one, or with none in train.
    """
    decoding = check_decoding(size, fit, channels)
    directory = Path(directory)
    notes: list[str] = []
    skipped = notes if skip else None
    folders = class_folders(directory, "image_table", notes)
    twins = case_twins(sorted({folder.name for folder, _ in folders}))
    rows: list[LabelledRow] = []
    for folder, split in folders:
        problem, remedy = _bad_class(folder.name, twins)
        if problem:
            reject(shown(str(folder)), problem, remedy, skipped)
        else:
            rows += _class_rows(folder, split, notes, skipped)
    if not rows and not notes:
        raise InputError(f"{directory} has no folders of images; put each class's images in a folder named for it")
    path = directory.resolve()
    source = shown(str(path))
    columns = Columns(validation=validation, test=test, seed=seed, skip=skip)
    return image_data(
        shown(path.name), rows, functools.partial(image_files, source), decoding, columns,
        where=shown(str(directory)), skipped=notes, one_kind=False,
    )  # fmt: skip


def _bad_class(name: str, twins: dict[str, str]) -> tuple[str | None, str]:
    if not name.isprintable():  # half a surrogate pair, that is bytes that are not UTF-8, or control characters
        return NAME_OF_NO_CLASS
    if name in twins:
        return f"the class differs only in case from {twins[name]!r}", "rename or merge them"
    return None, ""


def _class_rows(folder: Path, split: str | None, notes: list[str], skipped: list[str] | None) -> Iterator[LabelledRow]:
    """One row for each file; the files themselves are read later."""
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        reject(shown(str(folder)), f"cannot be read ({error.strerror})", "check its permissions", skipped)
        return
    names = [name for name, is_inner in found if not is_inner and name.lower() not in _NO_IMAGES]
    deeper = [f"{folder}/{name}" for name, is_inner in found if is_inner]
    notes += [f"{shown(path)}: a folder within a class" for path in deeper]
    if not names:
        what = "has only folders in it" if deeper else "has no images"
        reject(shown(str(folder)), f"the class {what}", "put its images there, or remove the folder", skipped)
    twins = case_twins(names)
    for number, name in enumerate(names, 1):
        path = f"{folder}/{name}"
        if name in twins:
            problem = f"the name differs only in case from {shown(twins[name])!r}, so other systems cannot hold both"
            reject(shown(path), problem, "rename one", skipped)
        else:
            yield LabelledRow(number, shown(path), {"image": path}, (folder.name,), split)
