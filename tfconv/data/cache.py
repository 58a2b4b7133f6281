"""Cache on disk what is made from a data set; it is made anew when the data change."""

import atexit
import contextlib
import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import filelock

from tfconv.data.download import data_directory
from tfconv.errors import InputError
from tfconv.files import atomic_directory

__all__ = ["cached", "hold"]

T = TypeVar("T")

# Shared locks, which filelock has not; elsewhere what another process uses may be removed when the data changed.
_fcntl = importlib.import_module("fcntl") if os.name == "posix" else None
_HOME = "~/.cache/tfconv"
_IN_USE = "in-use.lock"
_held: dict[Path, BinaryIO] = {}
_temporary: list[tempfile.TemporaryDirectory[str]] = []  # they go with the process


def cached(
    kind: str,
    what: str,
    settings: str,
    identity: str | bytes,
    *,
    make: Callable[[Path], None],
    opened: Callable[[Path], T | None],
    reopened: bool = True,
) -> T:
    """Return what an earlier call made, from the cache on disk, or make it.

    The cache is the folder `kind` of `data_directory()`, or of ~/.cache/tfconv where that one cannot be written or is
    full; for each `settings` it has the last state, and earlier ones that a process has on `hold`. An entry is whole or
    absent. Processes that want the same wait for the first. Where neither folder can be used, what is made is for this
    process only, and a line says so.

    Args:
        kind: name of the folder.
        what: what is made, in the plural, for messages.
        settings: all but the data's content that decides what is made, the data's name included.
        identity: differs when the data's content does.
        make: writes it into the folder given; killed or out of room in the middle, it leaves nothing.
        opened: reads it from the folder; None where it is absent or damaged.
        reopened: whether files in the folder are opened again later on.

    Raises:
        InputError: there is no room anywhere.
    """
    key = _digest(settings)
    name = f"{key}-{_digest(identity)}"
    folders = [data_directory() / kind]
    with contextlib.suppress(InputError):  # a user without a home folder
        folders += [home for home in [data_directory(_HOME) / kind] if home not in folders]
    for folder in folders:
        if (found := opened(folder / name)) is not None:
            return found
    reasons = []
    for folder in folders:
        try:
            return _made(folder, key, name, make, opened)
        except OSError as error:  # read-only, full, no locks: another place may do
            reasons.append(f"{folder} ({error.strerror or error})")
    return _made_for_this_process(what, " nor ".join(reasons), make, opened, reopened=reopened)


def hold(folder: Path) -> None:
    """Keep a cached folder from being removed while this process runs, because it opens files in it later on.

    It comes first in `opened`. Where the folder is not there, or files cannot be locked, it does nothing.
    """
    with contextlib.suppress(OSError):
        file = open(folder / _IN_USE, "rb")
        atexit.register(file.close)
        if _fcntl is not None:
            _fcntl.flock(file, _fcntl.LOCK_SH)
        if folder in _held:  # it may have been made anew
            _held[folder].close()
        _held[folder] = file


def _made(folder: Path, key: str, name: str, make: Callable[[Path], None], opened: Callable[[Path], T | None]) -> T:
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f"{key}.lock"):
        if (found := opened(folder / name)) is not None:  # another process made it meanwhile
            return found
        shutil.rmtree(folder / name, ignore_errors=True)  # damaged: of no use to who holds it either
        for left in [*folder.glob(f".{key}-*"), *folder.glob(f"{key}-*")]:  # of killed processes, and out of date
            _remove_unless_held(left)
        try:
            with atomic_directory(folder / name) as temporary:
                make(temporary)
                (temporary / _IN_USE).touch()
        except OSError:
            if (found := opened(folder / name)) is None:  # where files cannot be locked another may have been faster
                raise
            return found
        return _read_back(opened, folder / name)  # while no other process can remove it


def _remove_unless_held(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(folder / _IN_USE, "r+b"))
            if _fcntl is not None:
                _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError:  # it was not finished, or there are no locks
            pass
        shutil.rmtree(folder, ignore_errors=True)


def _made_for_this_process(
    what: str, reason: str, make: Callable[[Path], None], opened: Callable[[Path], T | None], *, reopened: bool
) -> T:
    from rich.console import Console

    line = f"{what} are made for this process only: they can be cached neither in {reason}"
    Console(stderr=True).print(line, soft_wrap=True, highlight=False, markup=False)
    with contextlib.ExitStack() as stack:  # removes the folder at the end
        try:
            place = tempfile.TemporaryDirectory(prefix="tfconv-", ignore_cleanup_errors=True)
            make(Path(stack.enter_context(place)))
        except OSError as error:
            raise InputError(
                f"no room for {what} in {reason} nor {tempfile.gettempdir()} ({error.strerror or error}); make room, "
                "or name another folder in TFCONV_DATA_DIR"
            ) from error
        found = _read_back(opened, Path(place.name))
        if reopened:  # else: what is open outlives the names
            stack.pop_all()
            _temporary.append(place)
    return found


def _read_back(opened: Callable[[Path], T | None], folder: Path) -> T:
    found = opened(folder)
    if found is None:
        raise InputError(f"{folder}: what was just written cannot be read back; try again, or another disk")
    return found


def _digest(content: str | bytes) -> str:
    content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(content, usedforsecurity=False).hexdigest()[:20]
