"""Find the files that match a pattern such as `photos/**/*.png`."""

import fnmatch
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from tfconv.errors import InputError

__all__ = ["is_folder", "is_pattern", "matching_files"]

MOST_ENTRIES = 1_000_000  # looked at for one pattern: some seconds


def is_pattern(path: str | Path) -> bool:
    """Whether a name is a pattern, not a file of that name."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def matching_files(pattern: str | Path) -> list[Path]:
    """The files that match a pattern of `glob` (`**` for folders within folders), sorted; names with a dot are hidden.

    Raises:
        InputError: there are none, or a million files and folders had to be looked at.
    """
    pattern = os.path.expanduser(pattern)
    first = "/" if pattern.startswith("/") else "."
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    looked = 0

    def entries(folder: str) -> list[os.DirEntry[str]]:
        nonlocal looked
        try:
            with os.scandir(folder) as found:
                listed = list(found)
        except OSError:  # no folder, or one that may not be read
            return []
        looked += len(listed)
        if looked > MOST_ENTRIES:
            raise InputError(
                f"{pattern}: more than {MOST_ENTRIES:,} files and folders to look at; begin it further down"
            )
        return listed

    def below(folder: str, rest: list[str], above: frozenset[str]) -> Iterator[str]:
        if not rest:
            yield folder
            return
        part, *later = rest
        if part == "**":
            yield from below(folder, later, above)
        elif not glob.has_magic(part):
            if os.path.lexists(path := os.path.join(folder, part)):
                yield from below(path, later, above)
            return
        for entry in entries(folder):
            if entry.name.startswith(".") and not part.startswith("."):
                continue
            if part != "**":
                if fnmatch.fnmatch(entry.name, part):
                    yield from below(entry.path, later, above)
            elif is_folder(entry):
                real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
                if real not in above:  # a link to a folder that it lies in
                    yield from below(entry.path, rest, above | {real})
            elif not later:
                yield entry.path

    found = {path for path in below(first, parts, frozenset([os.path.realpath(first)])) if not os.path.isdir(path)}
    if not found or pattern.endswith("/"):
        raise InputError(f"{pattern}: the pattern matches no file; check it, and the folder it starts from")
    return sorted(Path(path) for path in found)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
