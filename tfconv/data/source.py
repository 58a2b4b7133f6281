"""What a data set is, from the one word that names it on a command line."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Any, Literal

from tfconv.data.image.dataset import ImageData
from tfconv.data.patterns import is_pattern
from tfconv.data.rows.dialect import Dialect
from tfconv.data.rows.files import FORMATS, file_format, is_folder_of_rows, is_row_file, is_text, plain_name, row_files
from tfconv.data.rows.records import pictures_named
from tfconv.data.text.dataset import TextData
from tfconv.errors import InputError

__all__ = [
    "TABLE_ENDINGS",
    "first_csv",
    "fraction",
    "image_source",
    "number_or_name",
    "refuse",
    "refuse_dialect",
    "table_format",
    "text_source",
]


# A file's ending, and the function of tfconv.data that reads it.
TABLE_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_LARGE = 1 << 29  # bytes; a larger file's texts may not fit into memory


def text_source(
    data: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    split: str | None = None,
    test: str | float | None = None,
    validation: float = 0.1,
    multi_label: bool = False,
    separator: str = "|",
    dialect: Dialect | None = None,
    skip: bool = False,
    seed: int = 0,
    stream: bool | None = None,
) -> TextData:
    """Open a data set of texts by name.

    Args:
        data: a .csv, .tsv, .jsonl, .ndjson, .parquet, .pq or .tfrecord file (but for Parquet also packed, as
            .jsonl.gz), or a file of another name that looks like CSV; a folder of such files, or a pattern
            (`"reviews-*.jsonl"`), which are streamed; a folder with one folder a class; `"imdb"`, or a folder that
            holds aclImdb; `"synthetic"`; or `"tfds:NAME"`.
        text: the column of the texts (tfds: the feature); default "text", or what a look at a CSV file finds.
        label: the column of the labels (tfds: the feature); default "label", or found.
        split: a column that says train, validation or test for each row.
        test: another file to test on (folder or pattern, where `data` is streamed), or the fraction of the rows to
            hold out for testing, also as a string.
        validation: the fraction of the training texts to hold out.
        multi_label: a text may have any number of labels.
        separator: what stands between the labels of one text.
        dialect: how a CSV file is written; by default a look at its first rows says.
        skip: leave bad rows out and list them, in place of an error.
        seed: decides which rows are held out.
        stream: read files with memory that does not grow with them (`text_stream`). Default: files above 512 MB
            (packed: above 128 MB), TFRecords, folders of files and patterns are streamed, a smaller file is held in
            memory.

    Returns:
        `TextData`, or of streamed files `StreamedTextData`, which is one.

    Raises:
        InputError: there is no such data set, an option does not go with it, or it is broken.
    """
    from tfconv import data as sources

    name, path = str(data), Path(data)
    test = number_or_name(test)
    table = table_format(path)
    columns = {"text": text, "label": label, "split": split, "test": test}
    given: dict[str, Any] = {key: value for key, value in columns.items() if value is not None}
    more: dict[str, Any] = {"multi_label": multi_label, "separator": separator, "skip": skip}
    if _streamed(data) if stream is None else stream:
        if not _of_files(data):
            raise InputError(f"{name} cannot be streamed (--stream): that is for files with columns, folders of them")
        return sources.text_stream(data, validation=validation, seed=seed, dialect=dialect, **more, **given)
    if table is not None:
        if table != "csv":
            refuse_dialect(name, dialect, "it is for CSV files")
        elif dialect is not None:
            more |= dataclasses.asdict(dialect)
        return getattr(sources, table)(path, validation=validation, seed=seed, **more, **given)
    of_folder = path.is_dir() and name != "imdb"
    if dialect is not None and of_folder:
        refuse_dialect(name, dataclasses.replace(dialect, encoding=None))
    else:
        refuse_dialect(name, dialect)
    if name.startswith("tfds:"):
        refuse(name, split=split, multi_label=multi_label or None)
        held: dict[str, Any] = {} if test is None else {"test": fraction(test, name)}
        found = sources.tfds(name[5:], text=text, label=label, validation=validation, seed=seed, skip=skip, **held)
        if not isinstance(found, TextData):
            raise InputError(f"{name} is read as pictures, not texts; name the feature of its texts with --text")
        return found
    refuse(name, text=text, label=label, split=split, multi_label=multi_label or None)
    if name == "imdb" or (path / "aclImdb").is_dir() or (path / "train" / "unsup").is_dir():
        refuse(name, test=test)
        return sources.imdb(None if name == "imdb" else path, validation=validation, seed=seed)
    if name == "synthetic":
        return sources.synthetic_reviews(
            seed=seed, validation=validation, test=fraction(0.2 if test is None else test, name)
        )
    if path.is_dir():
        encoding = None if dialect is None else dialect.encoding
        return sources.text_folder(
            path,
            encoding=encoding,
            validation=validation,
            test=fraction(0.0 if test is None else test, name),
            seed=seed,
            skip=skip,
        )
    kinds = ", ".join(FORMATS)
    if path.exists():
        raise InputError(f"{name}: its ending is none of {kinds}; rename it to what it is, or give a folder of classes")
    raise InputError(f"{name}: no such file or folder; give a {kinds} file, a folder, imdb, synthetic or tfds:NAME")


def table_format(path: Path) -> str | None:
    """The function of `tfconv.data` that reads a table: by its ending; `csv` for a file of text with another one."""
    known = TABLE_ENDINGS.get(plain_name(path).suffix.lower())
    if known is None and path.is_file() and not is_row_file(path.name) and is_text(path):
        return "csv"
    return known


def first_csv(data: str | Path) -> Path | None:
    """The first CSV file of a data set that is one, a folder of them or a pattern; None for any other."""
    path = Path(data)
    if table_format(path) == "csv":
        return path
    if is_pattern(data) or is_folder_of_rows(path):
        first = row_files(data)[0]
        return first if file_format(first) == "csv" else None
    return None


def refuse_dialect(name: str, dialect: "Dialect | None", why: str = "it is for files with columns") -> None:
    """Refuse how CSV files are written, for a source that is none.

    Raises:
        InputError: as `refuse`.
    """
    given = {} if dialect is None else dataclasses.asdict(dialect)
    header = given.pop("header", None)
    refuse(name, why, **given, no_header=None if header is None else True)


def _of_files(data: str | Path) -> bool:
    """Whether files with columns are meant: one, a folder of them, or a pattern."""
    return is_pattern(data) or is_folder_of_rows(Path(data)) or Path(data).is_file()


def _streamed(data: str | Path) -> bool:
    """Whether to stream where nothing is said."""
    path = Path(data)
    if not path.is_file():
        return is_pattern(data) or is_folder_of_rows(path)
    most = _LARGE // 4 if plain_name(path) != path else _LARGE
    return is_row_file(path.name) and (file_format(path) == "tfrecord" or path.stat().st_size > most)


def number_or_name(test: str | float | None) -> str | float | None:
    """What a command line gives as a string: a fraction where it is a number, otherwise the name of a file."""
    if isinstance(test, str):
        with contextlib.suppress(ValueError):
            return float(test)
    return test


def fraction(test: str | float, name: str) -> float:
    """`test` as a fraction.

    Raises:
        InputError: it names a file.
    """
    if isinstance(test, str):
        raise InputError(f"test={test!r} does not go with {name}: give the fraction of its examples to test on")
    return test


def refuse(name: str, why: str = "it is for files with columns", **options: Any) -> None:
    """Refuse the options that were given and do not go with a source.

    Raises:
        InputError: naming the option and the source.
    """
    for option, value in options.items():
        if value is not None:
            raise InputError(f"--{option.replace('_', '-')} does not go with {name}: {why}")


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
