"""Unpacking of .tar.gz archives: checked to the last byte, whole or absent, once for several processes."""

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from tfconv.data.download import lock
from tfconv.errors import InputError

__all__ = ["unpack"]

_CHUNK = 1 << 20


def unpack(archive: Path, folder: Path, check: Callable[[Path], None]) -> None:
    """Unpack into a temporary folder beside, check it, rename it; a process that comes second waits.

    Args:
        archive: a .tar.gz file that holds a folder of the name of `folder`.
        folder: where that shall be.
        check: raises an InputError if the unpacked folder, which is handed to it, is not what it should be.

    Raises:
        InputError: the archive is broken, cut short, or fails the check; or there is no room.
    """
    from rich.console import Console
    from rich.progress import wrap_file

    temporary: str | None = None
    try:
        with open(archive, "rb") as file:
            lock(file)
            if folder.is_dir():
                return
            temporary = tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")
            size, task = archive.stat().st_size, f"unpacking {archive.name}"
            with (
                wrap_file(file, size, description=task, transient=True, console=Console(stderr=True)) as shown,
                gzip.open(shown) as unzipped,
                tarfile.open(fileobj=unzipped, mode="r:") as tar,
            ):
                _extract(tar, unzipped, temporary)
            unpacked = Path(temporary, folder.name)
            check(unpacked)
            os.sync()  # one for all: an fsync for each of 100,000 files takes minutes
            os.chmod(unpacked, 0o755)
            os.rename(unpacked, folder)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{archive} is broken or cut short ({error}); remove it and run again") from error
    except OSError as error:
        if folder.is_dir():  # where files cannot be locked another process may have been faster
            return
        raise InputError(f"{archive} cannot be unpacked into {folder.parent} ({error.strerror}); move it") from error
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def _extract(tar: tarfile.TarFile, unzipped: gzip.GzipFile, folder: str) -> None:
    """Extract every member; tarfile itself takes a damaged header for the end, and leaves the checksum unread."""
    try:
        tar.extractall(folder, filter="data")
    except (LookupError, ValueError, OverflowError, RecursionError) as error:  # a link to no member, a senseless date
        raise tarfile.ReadError(str(error)) from error
    unzipped.seek(tar.offset)
    end = 0
    while chunk := unzipped.read(_CHUNK):  # to the end, where gzip compares length and checksum
        if chunk.strip(b"\0"):
            raise tarfile.ReadError(f"a damaged header after {tar.offset + end:,} bytes")
        end += len(chunk)
    if end < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("no end mark")
