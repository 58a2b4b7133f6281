"""What was made once from a data set and is kept on disk: whole or absent, and made anew when the data changed."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tfconv.data.download import data_directory, lock
from tfconv.errors import InputError
from tfconv.files import atomic_directory

__all__ = ["kept", "opened_or_made", "read_back"]

T = TypeVar("T")

_HOME = "~/.cache/tfconv"
_temporary: list[tempfile.TemporaryDirectory[str]] = []  # they go with the process


def kept(
    kind: str,
    what: str,
    settings: str,
    identity: str,
    *,
    make: Callable[[Path], None],
    opened: Callable[[Path], T | None],
) -> T:
    """Open what an earlier call made, or make it; where it can be kept nowhere, for this process, and say so in a line.

    Args:
        kind: as in `opened_or_made`.
        what: what is made, in the plural, for messages.
        settings: likewise.
        identity: likewise.
        make: likewise.
        opened: likewise.

    Raises:
        InputError: there is no room anywhere.
    """
    found, nowhere = opened_or_made(kind, settings, identity, make=make, opened=opened)
    return _made_for_this_process(what, nowhere, make, opened) if found is None else found


def opened_or_made(
    kind: str,
    settings: str,
    identity: str | bytes,
    *,
    make: Callable[[Path], None],
    opened: Callable[[Path], T | None],
) -> tuple[T | None, str]:
    """Open what an earlier call made, or make it.

    It lies in the folder `kind` of `data_directory()`, or of ~/.cache/tfconv where that one cannot be written or is
    full; the last state for each `settings` is kept. Processes that want the same wait for the first.

    Args:
        kind: name of the folder.
        settings: all but the data's content that decides what is made, the data's name included.
        identity: differs when the data's content does.
        make: writes it into the folder given; killed or out of room in the middle, it leaves nothing.
        opened: reads it from the folder; None where it is absent or damaged.

    Returns:
        What was opened, or None; then also where it cannot be kept, and why.
    """
    key = _digest(settings)
    name = f"{key}-{_digest(identity)}"
    folders = [data_directory() / kind]
    with contextlib.suppress(InputError):  # a user without a home folder
        folders += [home for home in [data_directory(_HOME) / kind] if home not in folders]
    for folder in folders:
        if (found := opened(folder / name)) is not None:
            return found, ""
    reasons = []
    for folder in folders:
        try:
            return _made(folder, key, name, make, opened), ""
        except OSError as error:  # read-only, full, no locks: another place may do
            reasons.append(f"{folder} ({error.strerror or error})")
    return None, " nor ".join(reasons)


def _made(folder: Path, key: str, name: str, make: Callable[[Path], None], opened: Callable[[Path], T | None]) -> T:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{key}.lock", "ab") as file:
        lock(file)
        if (found := opened(folder / name)) is not None:  # another process made it meanwhile
            return found
        for left in [*folder.glob(f".{key}-*"), *folder.glob(f"{key}-*")]:  # of killed processes, and out of date
            shutil.rmtree(left, ignore_errors=True)
        try:
            with atomic_directory(folder / name) as temporary:
                make(temporary)
        except OSError:
            if (found := opened(folder / name)) is None:  # where files cannot be locked another may have been faster
                raise
            return found
    return read_back(opened, folder / name)


def _made_for_this_process(
    what: str, reason: str, make: Callable[[Path], None], opened: Callable[[Path], T | None]
) -> T:
    from rich.console import Console

    line = f"{what} are made for this process only: they can be kept neither in {reason}"
    Console(stderr=True).print(line, soft_wrap=True, highlight=False, markup=False)
    try:
        place = tempfile.TemporaryDirectory(prefix="tfconv-", ignore_cleanup_errors=True)
        make(Path(place.name))
    except OSError as error:
        raise InputError(
            f"no room for {what} in {reason} nor {tempfile.gettempdir()} ({error.strerror or error}); make room, or "
            "name another folder in TFCONV_DATA_DIR"
        ) from error
    _temporary.append(place)
    return read_back(opened, Path(place.name))


def read_back(opened: Callable[[Path], T | None], folder: Path) -> T:
    """What was just written into a folder.

    Raises:
        InputError: it cannot be read.
    """
    found = opened(folder)
    if found is None:
        raise InputError(f"{folder}: what was just written cannot be read back; try again, or another disk")
    return found


def _digest(content: str | bytes) -> str:
    content = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return hashlib.sha256(content, usedforsecurity=False).hexdigest()[:20]
