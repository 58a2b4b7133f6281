"""The files that one name stands for: a file, a folder of files, or a pattern such as `reviews-*.jsonl`."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tfconv.data.compressed import plain_name
from tfconv.data.patterns import is_pattern, matching_files
from tfconv.data.row_readers import FORMATS, file_format
from tfconv.errors import InputError

__all__ = ["Paths", "absolute", "fingerprint", "is_folder_of_rows", "is_row_file", "row_files", "several"]

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
