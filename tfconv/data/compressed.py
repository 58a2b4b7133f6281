"""The bytes of a file of rows: unpacked where it is compressed, and counted as they are read."""

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from tfconv.errors import InputError

__all__ = ["open_rows", "plain_name"]

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
        file = io.BufferedReader(_Watched(path, read), _BUFFER)
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


class _Watched(io.FileIO):
    def __init__(self, path: Path, read: Callable[[int], None] | None) -> None:
        super().__init__(path)
        self.told = read

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        if self.told is not None and count:
            self.told(count)
        return count
