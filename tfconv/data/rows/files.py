"""Files of rows: the files that a name, a folder or a pattern means, their formats, and opening them."""

import codecs
import contextlib
import difflib
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tfconv.data.patterns import is_pattern, matching_files
from tfconv.errors import InputError
from tfconv.progress import WatchedFile

__all__ = [
    "FORMATS",
    "Paths",
    "absolute",
    "check_row_file",
    "file_format",
    "fingerprint",
    "is_folder_of_rows",
    "encoding_of",
    "is_row_file",
    "is_text",
    "open_rows",
    "plain_name",
    "row_files",
    "several",
]

FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
FORMATS |= {".tfrecord": "tfrecord", ".tfrecords": "tfrecord"}
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BUFFER = 1 << 18


def plain_name(path: Path) -> Path:
    """The path without `.gz`: what the file is called when it is unpacked."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


@contextlib.contextmanager
def open_rows(path: Path, read: Callable[[int], None] | None = None) -> Iterator[BinaryIO]:
    """Open a file to read its bytes, those of a .gz file unpacked.

    Args:
        path: the file.
        read: is told how many bytes of the file were read, each time some are.

    Raises:
        InputError: it cannot be opened; or, while it is read, it proves not to be gzip, or cut short.
    """
    try:
        file = io.BufferedReader(WatchedFile(path, read), _BUFFER)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error
    with file:
        if plain_name(path) == path:
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield io.BufferedReader(unpacked, _BUFFER)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path}: not gzip, or cut short ({error}); compress it anew") from error


Paths = str | Path | Sequence[str | Path]


def row_files(paths: Paths) -> list[Path]:
    """The files of rows that are meant, each once, sorted by path.

    Args:
        paths: a file; a folder, whose files with a known ending are meant, not those in folders within it, nor those
            whose names begin with a dot or an underscore; a pattern of `glob` (`**` for folders within folders); or
            several of these.

    Raises:
        InputError: nothing is there, or there are files of several formats.
    """
    named = several(paths)
    if not named:
        raise InputError("no files are given: name a file, a folder or a pattern")
    each: dict[Path, Path] = {}  # a file may be named in several ways
    for path in named:
        for file in _files(path):
            each.setdefault(file.resolve(), file)
    found = sorted(each.values())
    forms = Counter(file_format(path) for path in found)
    if len(forms) > 1:
        counts = " and ".join(f"{count:,} {form}" for form, count in sorted(forms.items()))
        kind = plain_name(found[0]).suffix
        raise InputError(
            f"{_named(named)}: files of several formats ({counts}), perhaps the same rows twice; "
            f"choose one with a pattern such as '*{kind}'"
        )
    return found


def absolute(paths: Paths) -> list[str]:
    """The names as given, not the files that they stand for now, for any working directory."""
    return [os.path.realpath(os.path.expanduser(path)) for path in several(paths)]


def is_row_file(name: str) -> bool:
    """Whether a name ends as that of a file of rows."""
    return plain_name(Path(name)).suffix.lower() in FORMATS


def is_folder_of_rows(path: Path) -> bool:
    """Whether a folder holds files of rows and no folders, as a folder of classes would."""
    if not path.is_dir():
        return False
    with os.scandir(path) as entries:
        visible = [entry for entry in entries if not entry.name.startswith((".", "_"))]
    return any(is_row_file(entry.name) for entry in visible) and not any(entry.is_dir() for entry in visible)


def fingerprint(files: Sequence[Path]) -> str:
    """Names, sizes and times of the files: changes when their content does, and needs no reading."""
    lines = []
    for path in files:
        stat = path.stat()
        lines.append(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}")
    return "\n".join(lines)


def several(paths: Paths) -> list[str | Path]:
    """The paths, of which a single one need not be in a list."""
    return [paths] if isinstance(paths, (str, Path)) else list(paths)


def _files(path: str | Path) -> list[Path]:
    if is_pattern(path):
        return matching_files(path)
    path = Path(path)
    if not path.is_dir():
        return [path]  # that it is not there is the reader's to say
    with os.scandir(path) as entries:
        names = [entry.name for entry in entries if not entry.is_dir() and not entry.name.startswith((".", "_"))]
    found = [path / name for name in names if is_row_file(name)]  # also a link to nothing, which the reader names
    if not found:
        raise InputError(f"{path} holds no file of rows ({', '.join(FORMATS)}, or one of them with .gz after it)")
    return found


def _named(paths: Sequence[str | Path]) -> str:
    return str(paths[0]) + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")


def file_format(path: Path) -> str:
    """`"csv"`, `"jsonl"`, `"parquet"` or `"tfrecord"`, by the file's ending; .gz may come after it.

    A file of text with another ending is taken as CSV.

    Raises:
        InputError: another ending, and no text.
    """
    form = FORMATS.get(plain_name(path).suffix.lower())
    if form is None and path.is_file() and is_text(path):
        return "csv"  # such as it is; a look at its rows says whether it looks like it
    if form == "parquet" and plain_name(path) != path:
        raise InputError(f"{path}: Parquet is compressed within; unpack the file (gunzip)")
    if form is None:
        raise InputError(f"{path}: cannot tell its format from its ending; the endings known are {', '.join(FORMATS)}")
    return form


def check_row_file(path: Path) -> None:
    """Check that there is a file with something in it.

    Raises:
        InputError: it is a folder, absent or empty.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file; read a folder of text files with text_folder")
    if not path.exists():
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")], 1)
        raise InputError(f"{path}: no such file; " + (f"did you mean {near[0]!r}?" if near else "check the path"))
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); give a file with rows")


def is_text(path: Path) -> bool:
    """Whether a file's first bytes are those of a text."""
    with open_rows(path) as file:
        start = file.read(4096)
    return b"\0" not in start or start.startswith(tuple(_BOMS))


def encoding_of(start: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _BOMS.items() if start.startswith(mark)), None)
