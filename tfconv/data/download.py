"""Download and unpack files: checked, resumable, and safe with several processes."""

import contextlib
import gzip
import hashlib
import http.client
import io
import os
import re
import shutil
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from tfconv.errors import InputError
from tfconv.progress import WatchedFile, progress

__all__ = ["data_directory", "download", "unpack"]

_CHUNK = 1 << 18
_READ_AT_ONCE = 1 << 20


def data_directory(directory: str | Path | None = None) -> Path:
    """Return the folder of data sets: the argument, else the variable TFCONV_DATA_DIR, else ~/.cache/tfconv.

    Raises:
        InputError: the path begins with the home folder of a user who has none.
    """
    path = Path(directory or os.environ.get("TFCONV_DATA_DIR") or "~/.cache/tfconv")
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path}: there is no home folder {path.parts[0]}; name the folder in full, here or in TFCONV_DATA_DIR"
        ) from error


def download(
    url: str,
    path: str | Path,
    *,
    md5: str | None = None,
    sha256: str | None = None,
    size: int | None = None,
    attempts: int = 4,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Download a file; it appears under `path` only when it is complete and its checksum is right.

    What has arrived is in `path` + ".part", where the next call continues (HTTP Range); a server that knows no ranges
    sends it all again. Processes that want the same file wait for the first.

    Args:
        url: an http or https address.
        path: where the file shall be. If it is there already, nothing is done.
        md5: its MD5 checksum in hexadecimal.
        sha256: its SHA-256 checksum in hexadecimal.
        size: its size in bytes.
        attempts: how often in a row to try without a byte of progress, when the server fails or breaks off.
        pause: seconds before the second attempt, doubled with each one after that.
        timeout: seconds to wait for the server's next bytes.

    Returns:
        `path`.

    Raises:
        InputError: no connection, the server refuses or breaks off, a wrong size or checksum, or `path` cannot be
            written. What arrived is kept, unless it is wrong.
    """
    path = Path(path)
    if path.exists():
        return path
    with _locked_part(path) as part:
        if path.exists():  # another process downloaded it
            part.truncate(0)
            return path
        while True:
            resumed = part.seek(0, os.SEEK_END) > 0
            _fetch_patiently(url, part, size, attempts, pause, timeout)
            problem = _problem(part, md5, sha256, size)
            if not problem:
                break
            part.truncate(0)
            if not resumed:  # what lay there before may have been another file's; a fresh copy has no such excuse
                raise InputError(f"{url}: {problem}; what arrived was removed: try again, or get the file elsewhere")
        os.fsync(part.fileno())
        os.replace(part.name, path)
    return path


@contextlib.contextmanager
def _locked_part(path: Path) -> Iterator[BinaryIO]:
    """Open the part of a file that has arrived, to read and continue it, while no other process does."""
    part = Path(f"{path}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(_lock_of(path)):
            try:
                with open(part, "a+b") as file:  # "a": every write goes to the end, which truncate moves
                    yield file
            finally:
                if part.exists() and part.stat().st_size == 0:
                    part.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error


def _lock_of(path: Path) -> Path:
    """The lock file beside what several processes may want to make; it is not removed."""
    return path.with_name(f".{path.name}.lock")


def _fetch_patiently(url: str, part: BinaryIO, size: int | None, attempts: int, pause: float, timeout: float) -> None:
    failures, arrived = 0, -1
    while True:
        try:
            return _fetch(url, part, size, timeout)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", None) or error
            now = part.seek(0, os.SEEK_END)
            failures = failures + 1 if now <= arrived else 1
            arrived = now
            if failures >= attempts or (isinstance(error, urllib.error.URLError) and arrived == 0):
                kept = f"; {arrived:,} bytes are kept, a new call goes on from there" if arrived else ""
                raise InputError(f"{url} cannot be downloaded: {reason}{kept}") from error
            time.sleep(pause * 2 ** (failures - 1))


def _fetch(url: str, part: BinaryIO, size: int | None, timeout: float) -> None:
    """Ask once for what is missing and append it to `part`."""
    start = part.seek(0, os.SEEK_END)
    if size is not None and start >= size:
        if start == size:
            return
        start = part.truncate(0)
    headers = {"User-Agent": "tfconv", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # nothing after `start`: complete, if that is the file's length
                if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                    return
                part.truncate(0)
                raise ConnectionError("the server has fewer bytes than were kept") from error
            if error.code >= 500:
                raise ConnectionError(f"the server answers {error.code} {error.reason}") from error
            raise InputError(f"{url}: the server answers {error.code} {error.reason}; check the address") from error
    with response:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if start and not (response.status == 206 and span and int(span[1]) == start):
            start = part.truncate(0)
            if response.status == 206:
                raise ConnectionError("the server sent another range than it was asked for")
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        if size is not None and total is not None and total != size:
            part.truncate(0)
            raise InputError(f"{url}: the server offers {total:,} bytes where {size:,} are expected; get it elsewhere")
        with progress("downloading", url, total or size, done=start) as advance:
            while chunk := response.read(_CHUNK):
                part.write(chunk)
                part.flush()
                advance(len(chunk))
        arrived = part.seek(0, os.SEEK_END)
        if total is not None and arrived < total:
            raise ConnectionError(f"the connection broke after {arrived:,} of {total:,} bytes")


def _problem(part: BinaryIO, md5: str | None, sha256: str | None, size: int | None) -> str | None:
    arrived = part.seek(0, os.SEEK_END)
    if size is not None and arrived != size:
        return f"{arrived:,} bytes arrived where {size:,} are expected"
    for name, expected in (("md5", md5), ("sha256", sha256)):
        if expected is not None:
            part.seek(0)
            digest = hashlib.new(name, usedforsecurity=False)
            while chunk := part.read(_CHUNK):
                digest.update(chunk)
            found = digest.hexdigest()
            if found != expected.lower():
                return f"its {name} is {found} where {expected} is expected"
    return None


def unpack(archive: Path, folder: Path, check: Callable[[Path], None]) -> None:
    """Unpack an archive into a folder that appears only when it is complete; a second process waits.

    Args:
        archive: a .tar.gz file that holds a folder of the name of `folder`.
        folder: where that shall be.
        check: raises an InputError if the unpacked folder, which is handed to it, is not what it should be.

    Raises:
        InputError: the archive is broken, cut short, or fails the check; or there is no room.
    """
    temporary: str | None = None
    try:
        with filelock.FileLock(_lock_of(folder)):
            if folder.is_dir():
                return
            temporary = tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.")
            with (
                progress("unpacking", archive.name, archive.stat().st_size) as read,
                io.BufferedReader(WatchedFile(archive, read), _READ_AT_ONCE) as file,
                gzip.open(file) as unzipped,
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
    """Extract every member, to the end: tarfile alone takes a damaged header for the end and reads no checksum."""
    try:
        tar.extractall(folder, filter="data")
    except (LookupError, ValueError, OverflowError, RecursionError) as error:  # a link to no member, a senseless date
        raise tarfile.ReadError(str(error)) from error
    unzipped.seek(tar.offset)
    end = 0
    while chunk := unzipped.read(_READ_AT_ONCE):  # to the end, where gzip compares length and checksum
        if chunk.strip(b"\0"):
            raise tarfile.ReadError(f"a damaged header after {tar.offset + end:,} bytes")
        end += len(chunk)
    if end < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("no end mark")
