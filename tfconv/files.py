"""Write files atomically: a temporary name in the same folder, fsync, rename.

A killed process or a full disk leaves the last good file, and at most a temporary whose name starts with a dot.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tfconv.errors import InputError

__all__ = ["atomic_directory", "atomic_path", "atomic_write", "check_writable", "write_json"]


def check_writable(path: str | Path, name: str) -> None:
    """Check that a file or folder can be written, before the work whose result it is for; nothing is left there.

    Args:
        path: of a file or folder, whose folders need not be there yet.
        name: of the option or argument, for the message.

    Raises:
        InputError: the nearest folder that exists takes no new one.
    """
    path = Path(path).absolute()
    folder = path if path.is_dir() else next(parent for parent in path.parents if os.path.lexists(parent))
    try:
        os.rmdir(tempfile.mkdtemp(dir=folder, prefix=".tfconv-"))
    except OSError as error:
        why = error.strerror if folder.is_dir() else f"{folder} is no folder"
        raise InputError(
            f"{name} {path} cannot be written ({why}): give one in a folder that you may write to"
        ) from None


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends without an error.

    For writers that want a name and look at its ending (`model.save`, `Figure.savefig`).

    Args:
        path: where the file shall be; its folder is made. A file of that name is replaced in one step.

    Raises:
        OSError: the disk is full, the folder is read-only; `path` is then untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes 0600; a report is for others to read too
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "wb") -> Iterator[IO[Any]]:
    r"""Open a file that appears under `path` only when the block ends without an error.

    Args:
        path: where the file shall be; its folder is made. A file of that name is replaced in one step.
        mode: `"wb"` for bytes, `"w"` for UTF-8 text with `\n` line ends.

    Raises:
        OSError: the disk is full, the folder is read-only; `path` is then untouched.
    """
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "\n")
    with atomic_path(path) as temporary, open(temporary, mode, encoding=encoding, newline=newline) as file:
        yield file


@contextlib.contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block ends without an error.

    Args:
        path: the folder to make. It must not exist, or be empty: a folder with files in it is never replaced.

    Raises:
        OSError: `path` holds files already, or cannot be written; the temporary folder is then removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        for folder, _, names in os.walk(temporary):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    os.fsync(file.fileno())
            _sync_directory(Path(folder))
        os.rename(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_directory(path.parent)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    with atomic_write(path, "w") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_directory(path: Path) -> None:
    """Make the rename itself durable (POSIX records it in the folder, not in the file; Windows opens no folder)."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
