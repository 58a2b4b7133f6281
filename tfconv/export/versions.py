"""Numbered version folders, as TensorFlow Serving watches them: published in one step, old ones taken away.

A server loads every folder under the model's base folder whose name is a number. So a version is written under a name
that is none (`.tmp-...`), on the same file system, and renamed when it is whole and on the disk.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfconv.errors import InputError

__all__ = ["new_version", "remove_old_versions", "version_numbers"]

_PREFIX = ".tmp-"
_ABANDONED = 24 * 3600  # seconds after which a temporary folder belongs to a killed exporter


@dataclass
class NewVersion:
    """A version that is being written: `folder` is the temporary one and, after the block, the numbered one."""

    folder: Path


@contextlib.contextmanager
def new_version(base: str | Path) -> Iterator[NewVersion]:
    """Yield a temporary folder that becomes `base/<N>` when the block ends without an error.

    N is one more than the highest number in `base`. Two exporters at once get different numbers: a rename onto a
    folder that has files in it fails, and the next number is tried.

    Args:
        base: the model's folder; made when missing.

    Raises:
        InputError: `base` is a file.
        OSError: `base` cannot be written. Whatever the error, the temporary folder is removed.
    """
    base = Path(base)
    if base.exists() and not base.is_dir():
        raise InputError(f"{base} is a file: give the model's folder, in which each version gets a number")
    base.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(base)
    temporary = Path(tempfile.mkdtemp(dir=base, prefix=_PREFIX))
    version = NewVersion(temporary)
    try:
        yield version
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o777 & ~mask)  # mkdtemp makes 0700, and a server runs as another user
        for folder, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(folder, name))
            _sync(Path(folder))
        version.folder = _publish(temporary, base)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(base)


def version_numbers(base: str | Path) -> list[int]:
    """List the numbers taken in `base`, rising: of anything whose name is a number, a file too."""
    return sorted(int(entry.name) for entry in Path(base).iterdir() if entry.name.isascii() and entry.name.isdecimal())


def remove_old_versions(base: str | Path, keep: int, *, below: int) -> list[int]:
    """Remove versions, so that the `keep` highest stay.

    Only real folders that hold a SavedModel, have a plain number for a name and lie below the version just published
    are removed: no links, no files, nothing that another exporter has published since. Each one loses its number by a
    rename first, so that a server never meets a half-deleted version.

    Args:
        base: the model's folder.
        keep: how many versions stay.
        below: the number just published.

    Returns:
        The numbers removed.
    """
    base = Path(base)
    folders = {
        number: base / str(number)
        for number in version_numbers(base)
        if (base / str(number) / "saved_model.pb").is_file() and not (base / str(number)).is_symlink()
    }
    removed = []
    for number in sorted(folders)[:-keep]:
        if number < below:
            doomed = base / f"{_PREFIX}{uuid.uuid4().hex}"
            with contextlib.suppress(FileNotFoundError):  # another exporter was faster
                folders[number].rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)
                removed.append(number)
    return removed


def _publish(folder: Path, base: Path) -> Path:
    while True:
        target = base / str(max(version_numbers(base), default=0) + 1)
        try:
            os.rename(folder, target)
            return target
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise


def _remove_abandoned(base: Path) -> None:
    for entry in base.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if entry.is_dir() and not entry.is_symlink() and time.time() - entry.stat().st_mtime > _ABANDONED:
                shutil.rmtree(entry, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
