"""Open a data set by the name that a command line gives it."""

import contextlib
from pathlib import Path
from typing import Any, Literal

from tfconv.data.image.dataset import ImageData
from tfconv.data.patterns import is_pattern
from tfconv.data.rows.columns import DEFAULT_COLUMNS, Columns
from tfconv.data.rows.files import FORMATS, file_format, is_folder_of_rows, is_row_file, is_text, plain_name, row_files
from tfconv.data.text.dataset import TextData
from tfconv.errors import InputError

__all__ = ["first_csv", "holds_tfrecords", "image_source", "table_format", "text_source"]

_LARGE = 1 << 29  # bytes; a larger file's texts may not fit into memory


def text_source(data: str | Path, columns: Columns = DEFAULT_COLUMNS, *, stream: bool | None = None) -> TextData:
    """Open a data set of texts by name.

    Args:
        data: a .csv, .tsv, .jsonl, .ndjson, .parquet, .pq or .tfrecord file (but for Parquet also packed, as
            .jsonl.gz), or a file of another name that looks like CSV; a folder of such files, or a pattern
            (`"reviews-*.jsonl"`), which are streamed; a folder with one folder a class; `"imdb"`, or a folder that
            holds aclImdb; `"synthetic"`; or `"tfds:NAME"`.
        columns: the columns, and which rows are held out. Sources without columns take the fractions and the seed.
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
    table = table_format(path)
    validation = columns.validation_fraction
    if is_streamed(data) if stream is None else stream:
        if not _of_files(data):
            raise InputError(f"{name} cannot be streamed (--stream): that is for files with columns, folders of them")
        return sources.text_stream(data, columns)
    if table is not None:
        if table != "csv":
            _refuse_dialect(name, columns, "it is for CSV files")
        return getattr(sources, table)(path, columns)
    if name.startswith("tfds:"):
        _refuse_dialect(name, columns)
        _refuse(name, columns, "split", "multi_label")
        _check_fraction(name, columns)
        found = sources.tfds(name[5:], columns)
        if not isinstance(found, TextData):
            raise InputError(f"{name} is read as images, not texts; name the feature of its texts with --text")
        return found
    of_classes = path.is_dir() and name != "imdb"
    _refuse_dialect(name, columns, but="encoding" if of_classes else None)
    _refuse(name, columns, "text", "label", "split", "multi_label")
    if name == "imdb" or (path / "aclImdb").is_dir() or (path / "train" / "unsup").is_dir():
        _refuse(name, columns, "test")
        return sources.imdb(None if name == "imdb" else path, validation=validation, seed=columns.seed)
    if name == "synthetic":
        _check_fraction(name, columns)
        held: dict[str, Any] = {} if columns.test is None else {"test": columns.test_fraction}
        return sources.synthetic_reviews(seed=columns.seed, validation=validation, **held)
    if path.is_dir():
        _check_fraction(name, columns)
        return sources.text_folder(
            path,
            encoding=columns.dialect.encoding,
            validation=validation,
            test=columns.test_fraction,
            seed=columns.seed,
            skip=columns.skip,
        )
    raise _unknown(path, ", ".join(FORMATS), "a {} file, a folder, imdb, synthetic or tfds:NAME")


def image_source(
    data: str | Path,
    columns: Columns = DEFAULT_COLUMNS,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Literal["crop", "stretch"] | None = None,
    channels: int | None = None,
) -> ImageData:
    """Open a data set of images by name.

    Args:
        data: a folder with one folder a class; a .csv, .tsv, .jsonl, .ndjson, .parquet or .pq file of image paths;
            `"cifar10"`, or a folder that holds it in one of its official forms; `"synthetic"`; or `"tfds:NAME"`.
        columns: the columns, and which rows are held out. Sources without columns take the fractions and the seed.
        size: what images are resized to, as in `image_folder`, and so are `fit` and `channels`.
        fit: for images of another shape; default "crop".
        channels: 3, or 1 for grey; by default 1 where all files are grey.

    Raises:
        InputError: there is no such data set, an option does not go with it, or it is broken.
    """
    from tfconv import data as sources

    name, path = str(data), Path(data)
    shape: dict[str, Any] = {"size": size, "fit": fit, "channels": channels}
    shape = {option: value for option, value in shape.items() if value is not None}
    validation = columns.validation_fraction
    table = table_format(path)
    if table is not None:
        if table != "csv":
            _refuse_dialect(name, columns, "it is for CSV files")
        return sources.image_table(path, columns, **shape)
    _refuse_dialect(name, columns)
    _refuse(name, columns, "split", "multi_label")
    if name.startswith("tfds:"):
        _check_fraction(name, columns)
        found = sources.tfds(name[5:], columns, **shape)
        if not isinstance(found, ImageData):
            raise InputError(f"{name} is read as texts, not images; name the feature of its images with --image")
        return found
    _refuse(name, columns, "image", "label")
    if name == "cifar10" or _holds_cifar10(path):
        _refuse(name, columns, "test", why="it has a test split of its own")
        _refuse_options(name, shape, "its images are 32 x 32 and in colour")
        held = {} if columns.validation is None else {"validation": columns.validation}
        return sources.cifar10(None if name == "cifar10" else path, seed=columns.seed, **held)
    if name == "synthetic":
        given = {option: value for option, value in shape.items() if option != "size"}
        _refuse_options(name, given, "its images are drawn in the size asked for")
        _check_fraction(name, columns)
        options: dict[str, Any] = {} if columns.test is None else {"test": columns.test_fraction}
        options |= {} if size is None else {"size": size}
        return sources.synthetic_shapes(seed=columns.seed, validation=validation, **options)
    if path.is_dir():
        _check_fraction(name, columns)
        return sources.image_folder(
            path,
            validation=validation,
            test=columns.test_fraction,
            seed=columns.seed,
            skip=columns.skip,
            **shape,
        )
    endings = ", ".join(ending for ending, form in FORMATS.items() if form != "tfrecord")
    raise _unknown(path, endings, "a folder, a {} file, cifar10, synthetic or tfds:NAME")


def table_format(path: Path) -> str | None:
    """The name of the function that reads a table, by its ending; `csv` for a text file with another one."""
    form = FORMATS.get(plain_name(path).suffix.lower())
    if form is None and path.is_file() and is_text(path):
        return "csv"
    return form if form != "tfrecord" else None


def first_csv(data: str | Path) -> Path | None:
    """The first CSV file of a data set that is one, a folder of them or a pattern; None for any other."""
    path = Path(data)
    if table_format(path) == "csv":
        return path
    if is_pattern(data) or is_folder_of_rows(path):
        first = row_files(data)[0]
        return first if file_format(first) == "csv" else None
    return None


def holds_tfrecords(data: str | Path) -> bool:
    """Whether a data set is read from TFRecord files, which TensorFlow reads: a file, a folder of them or a pattern."""
    with contextlib.suppress(InputError):
        if _of_files(data):
            return file_format(row_files(data)[0]) == "tfrecord"
    return False


def _of_files(data: str | Path) -> bool:
    """Whether files with columns are meant: one, a folder of them, or a pattern."""
    return is_pattern(data) or is_folder_of_rows(Path(data)) or Path(data).is_file()


def is_streamed(data: str | Path) -> bool:
    """Whether to stream where nothing is said."""
    path = Path(data)
    if not path.is_file():
        return is_pattern(data) or is_folder_of_rows(path)
    most = _LARGE // 4 if plain_name(path) != path else _LARGE
    return is_row_file(path.name) and (file_format(path) == "tfrecord" or path.stat().st_size > most)


def _holds_cifar10(path: Path) -> bool:
    return path.is_dir() and (path.name.startswith("cifar-10-batches-") or any(path.glob("cifar-10-*")))


def _unknown(path: Path, endings: str, known: str) -> InputError:
    """The error for what is no source, with the endings of files and the other sources that are known."""
    if path.exists():
        return InputError(f"{path}: its ending is none of {endings}; rename it, or give a folder of classes")
    return InputError(f"{path}: no such file or folder; give {known.format(endings)}")


def _check_fraction(name: str, columns: Columns) -> None:
    if columns.test_file is not None:
        raise InputError(
            f"test={str(columns.test_file)!r} does not go with {name}: give the fraction of its examples to test on"
        )


def _refuse(name: str, columns: Columns, *options: str, why: str = "it is for files with columns") -> None:
    """Refuse the options of `columns` that are not at their defaults and do not go with a source."""
    usual = Columns()
    given = {option: getattr(columns, option) for option in options}
    _refuse_options(name, {key: value for key, value in given.items() if value != getattr(usual, key)}, why)


def _refuse_dialect(
    name: str, columns: Columns, why: str = "it is for files with columns", *, but: str | None = None
) -> None:
    """Refuse how CSV files are written, for a source that is none."""
    given = {option: value for option, value in vars(columns.dialect).items() if value is not None and option != but}
    _refuse_options(
        name, {"no_header" if option == "header" else option: value for option, value in given.items()}, why
    )


def _refuse_options(name: str, given: dict[str, Any], why: str) -> None:
    for option in given:
        raise InputError(f"--{option.replace('_', '-')} does not go with {name}: {why}")
