"""What a training reads: the data set that settings or a run name, how its tables are written, whether it changed."""

import dataclasses
import glob
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from tfconv.errors import InputError

if TYPE_CHECKING:
    from tfconv.data import Columns, Dialect

_LARGE = 1 << 29  # bytes
DIALECT = ("delimiter", "no_header", "quoting", "encoding")  # options


def dialect_of(config: Any) -> "Dialect":
    """How the CSV files of a data set are written, as far as the settings say.

    Raises:
        InputError: an option cannot be.
    """
    from tfconv.data.rows.dialect import Dialect

    return Dialect(config.delimiter, False if config.no_header else None, config.quoting, config.encoding)


def columns_of(config: Any) -> "Columns":
    """How the examples of a data set are read, as far as the settings say.

    Raises:
        InputError: an option cannot be.
    """
    from tfconv.data.rows.columns import Columns

    names = [field.name for field in dataclasses.fields(Columns) if field.name != "dialect"]
    given = {name: getattr(config, name) for name in names if hasattr(config, name)}
    return Columns(**given, dialect=dialect_of(config))


def with_found_columns(config: Any, noun: Literal["text", "image"]) -> Any:
    """Return the settings with how a CSV file is written, and which its columns are, where that is not the usual."""
    from tfconv.data.rows.detection import detected
    from tfconv.data.rows.dialect import usual_delimiter
    from tfconv.data.source import first_csv

    path = first_csv(config.data)
    if path is None:
        return config
    before = columns_of(config)
    found = detected(path, before, noun)
    changes: dict[str, Any] = {
        "no_header": not found.dialect.header,
        noun: found.content(noun) if (found.content(noun), before.content(noun)) != (noun, None) else None,
        "label": found.label if (found.label, before.label) != ("label", None) else None,
    }
    for name, usual in (("delimiter", usual_delimiter(path)), ("quoting", "minimal"), ("encoding", "utf-8")):
        value = getattr(found.dialect, name)
        changes[name] = value if getattr(before.dialect, name) is not None or value != usual else None
    return dataclasses.replace(config, **changes)


def read_options(run: Any, names: Sequence[str], settings: type) -> "tuple[Columns, dict[str, Any]]":
    """As `options_of`: those that `columns_of` takes as `Columns`, and the others."""
    from tfconv.data.rows.columns import Columns

    found = options_of(run, names, settings)
    defaults = {"delimiter": None, "no_header": False, "quoting": None, "encoding": None}
    own = {
        name: found.pop(name)
        for name in (*DIALECT, *(field.name for field in dataclasses.fields(Columns)))
        if name in found
    }
    return columns_of(SimpleNamespace(**defaults | own)), found


def options_of(run: Any, names: Sequence[str], settings: type) -> dict[str, Any]:
    """The settings of a run by which its data were read, as far as it has them.

    Args:
        run: with `config` and `directory`.
        names: of the settings.
        settings: `TrainText` or `TrainImages`, which says of what type each is.

    Raises:
        InputError: a setting is not of its type: `config.json` was changed by hand.
    """
    hints = hints_of(settings)
    found = {name: run.config[name] for name in names if run.config.get(name) is not None}
    for name, value in found.items():
        right = fits(value, hints[name]) or (name == "size" and fits(value, list[int]))
        if not right or value == "" or (name == "seed" and not 0 <= value < 2**32):
            raise InputError(f"{run.directory / 'config.json'}: {name} cannot be {value!r:.60}: copy the run anew")
    return found


def hints_of(settings: type) -> dict[str, Any]:
    """Of what type each setting is."""
    hints = get_type_hints(settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(settings)}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is one that an option of this type can have."""
    if get_origin(hint) in (Union, UnionType):
        return any(fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return type(value) in {type(one) for one in get_args(hint)} and value in get_args(hint)
    if get_origin(hint) in (list, tuple):
        return isinstance(value, get_origin(hint)) and all(fits(one, get_args(hint)[0]) for one in value)
    if isinstance(value, bool):  # which is an int
        return hint is bool
    if hint is float:
        return isinstance(value, (int, float))
    return isinstance(value, hint)


def fingerprint(data: str) -> str | None:
    """SHA-256 of a data file, of the names and sizes of a folder's files, or those of a pattern; `None` for other data.

    A file that is too large to read for this counts by size and time.
    """
    from tfconv.data.patterns import is_pattern
    from tfconv.data.rows.files import fingerprint as names_sizes_times
    from tfconv.data.rows.files import row_files

    if is_pattern(data):
        return hashlib.sha256(names_sizes_times(row_files(data)).encode("utf-8", "surrogateescape")).hexdigest()
    if Path(data).is_file():
        if Path(data).stat().st_size > _LARGE:
            return hashlib.sha256(names_sizes_times([Path(data)]).encode("utf-8", "surrogateescape")).hexdigest()
        with open(data, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not Path(data).is_dir():
        return None
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(data):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            path = os.path.join(folder, name)
            line = f"{os.path.relpath(path, data)}\0{os.stat(path).st_size if os.path.exists(path) else None}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def unchanged_source(run: Any) -> str:
    """Return what a run was trained on, as it was named.

    Raises:
        InputError: the run does not say, or the file has other bytes now, so that other rows would be held out.
    """
    source = run.config.get("data")
    if not isinstance(source, str) or not source:
        raise InputError(f"{run.directory} does not say what it was trained on: give DATA")
    then, now = run.config.get("data_sha256"), fingerprint(source)
    if then and now and then != now:
        raise InputError(f"{source} changed since training, so its held-out rows are unknown: give DATA")
    return source


def check_known(source: str, known: Sequence[str], files: str) -> None:
    """Refuse what is no data set by its name alone, before TensorFlow is imported to read it.

    Args:
        source: a file, a folder, a pattern, `tfds:NAME`, or one of `known`.
        known: names of data sets.
        files: which files it may be, for the message.

    Raises:
        InputError: there is no such file or folder.
    """
    from tfconv.data.patterns import is_pattern

    if source in known or source.startswith("tfds:") or Path(source).exists() or is_pattern(source):
        return
    raise InputError(f"{source}: no such file or folder; give {files}, {', '.join(known)} or tfds:NAME")


def files_below(folder: str, endings: tuple[str, ...]) -> list[str]:
    """The files with such endings in a folder and the folders in it.

    Raises:
        InputError: there is none.
    """
    from tfconv.data.patterns import matching_files

    try:
        found = matching_files(f"{glob.escape(folder)}/**")
    except InputError:
        found = []
    names = [str(path) for path in found if path.suffix.lower() in endings]
    if not names:
        raise InputError(f"{folder} holds no such file: {', '.join(endings)}")
    return names
