"""Progress bars for long passes over files or examples."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["WatchedFile", "progress"]


@contextlib.contextmanager
def progress(
    doing: str, what: str, total: int | None, unit: str = "", *, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar with the time left on a terminal's standard error, one line elsewhere.

    Args:
        doing: such as "counting words of".
        what: such as the name of a data set; of an address or path the bar shows the last part.
        total: how much there is to do; None: unknown.
        unit: what is counted, such as "texts"; without it: bytes.
        done: how much of it is done already.

    Yields:
        A function to be told how much more is done.
    """
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        amount = "" if total is None else f" ({total:,} {unit})" if unit else f" ({total / 1e6:,.1f} MB)"
        console.print(f"{doing} {what}{amount}", soft_wrap=True, highlight=False, markup=False)
    counts = (bars.MofNCompleteColumn(),) if unit else (bars.DownloadColumn(), bars.TransferSpeedColumn())
    columns = (
        bars.TextColumn("{task.description}", markup=False),
        bars.BarColumn(),
        *counts,
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        number = bar.add_task(f"{doing} {what.rsplit('/', 1)[-1]}", total=total, completed=done)
        yield lambda more: bar.advance(number, more)


class WatchedFile(io.FileIO):
    """A file open for reading that tells how many bytes were read.

    Args:
        path: the file.
        read: is told the number of bytes each time some are read.
    """

    def __init__(self, path: str | Path, read: Callable[[int], None] | None) -> None:
        super().__init__(path)
        self._read = read

    def readinto(self, buffer: Any) -> int | None:
        """As `io.FileIO.readinto`."""
        count = super().readinto(buffer)
        if self._read is not None and count:
            self._read(count)
        return count
