"""What a data set of pictures is, from the one word that names it on a command line."""

from pathlib import Path
from typing import Any, Literal

from tfconv.data.dialect import Dialect
from tfconv.data.image_examples import ImageData
from tfconv.data.records import pictures_named
from tfconv.data.sources import TABLE_ENDINGS, fraction, number_or_name, refuse, refuse_dialect, table_format
from tfconv.errors import InputError

__all__ = ["image_source"]


@pictures_named()
def image_source(
    data: str | Path,
    *,
    image: str | None = None,
    label: str | None = None,
    split: str | None = None,
    size: int | tuple[int, int] | None = None,
    fit: Literal["crop", "stretch"] | None = None,
    channels: int | None = None,
    test: str | float | None = None,
    validation: float | None = None,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    skip_broken: bool = False,
    seed: int = 0,
) -> ImageData:
    """Open a data set of pictures by name.

    Args:
        data: a folder with one folder a class; a .csv, .tsv, .jsonl, .ndjson, .parquet or .pq file of picture paths;
            `"cifar10"`, or a folder that holds it in one of its official forms; `"synthetic"`; or `"tfds:NAME"`.
        image: the column of the paths (tfds: the feature); default "image", or what a look at a CSV file finds.
        label: the column of the labels (tfds: the feature); default "label", or found.
        split: a column that says train, validation or test for each row.
        size: what pictures are resized to, as in `image_folder`, and so are `fit` and `channels`.
        fit: for pictures of another shape; default "crop".
        channels: 3, or 1 for grey; by default 1 where all files are grey.
        test: another table to test on, or the fraction of the pictures to hold out for testing, also as a string.
        validation: the fraction of the training pictures to hold out; by default 0.1, of CIFAR-10 the last 10,000.
        multi_label: a picture may have any number of labels.
        separator: what stands between the labels of one picture.
        dialect: how a CSV file is written; by default a look at its first rows says.
        skip_broken: leave bad rows and pictures out and list them, in place of an error.
        seed: decides which pictures are held out.

    Raises:
        InputError: there is no such data set, an option does not go with it, or it is broken.
    """
    from tfconv import data as sources

    name, path, test = str(data), Path(data), number_or_name(test)
    options: dict[str, Any] = {"validation": validation, "size": size, "fit": fit, "channels": channels}
    columns: dict[str, Any] = {"split": split, "multi_label": multi_label or None}
    table = table_format(path)
    if table is not None:
        if table != "csv":
            refuse_dialect(name, dialect, "it is for CSV files")
        columns |= {"image": image, "label": label, "dialect": dialect}
        options |= {"test": test, "separator": separator, "seed": seed, "skip_broken": skip_broken}
        return sources.image_table(path, **_given(options | columns))
    refuse_dialect(name, dialect)
    if name.startswith("tfds:"):
        refuse(name, **columns)
        options |= {"image": image, "label": label, "test": _held(test, name), "seed": seed, "skip": skip_broken}
        found = sources.tfds(name[5:], **_given(options))
        if not isinstance(found, ImageData):
            raise InputError(f"{name} is read as texts, not pictures; name the feature of its pictures with --image")
        return found
    refuse(name, **columns, image=image, label=label)
    if name == "cifar10" or _holds_cifar10(path):
        refuse(name, "it has a test split of its own", test=test)
        refuse(name, "its pictures are 32 x 32 and in colour", size=size, fit=fit, channels=channels)
        return sources.cifar10(None if name == "cifar10" else path, **_given({"validation": validation, "seed": seed}))
    if name == "synthetic":
        refuse(name, "its pictures are drawn in the size asked for", fit=fit, channels=channels)
        held = {"validation": validation, "test": _held(test, name), "seed": seed, "size": size}
        return sources.synthetic_shapes(**_given(held))
    if path.is_dir():
        options |= {"test": _held(test, name), "seed": seed, "skip_broken": skip_broken}
        return sources.image_folder(path, **_given(options))
    kinds = ", ".join(TABLE_ENDINGS)
    if path.exists():
        raise InputError(f"{name}: its ending is none of {kinds}; rename it to what it is, or give a folder of classes")
    raise InputError(f"{name}: no such file or folder; give a folder, a {kinds} file, cifar10, synthetic or tfds:NAME")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {option: value for option, value in options.items() if value is not None}


def _held(test: str | float | None, name: str) -> float | None:
    return None if test is None else fraction(test, name)


def _holds_cifar10(path: Path) -> bool:
    return path.is_dir() and (path.name.startswith("cifar-10-batches-") or any(path.glob("cifar-10-*")))
