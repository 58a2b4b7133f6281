"""How far a long pass over files or texts has come."""

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["progress"]


@contextlib.contextmanager
def progress(doing: str, what: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """A progress bar with the time left on a terminal's standard error, one line elsewhere.

    Args:
        doing: such as "counting words".
        what: of what, such as the name of a data set.
        total: how much there is to do.
        unit: what is counted, such as "texts"; without it: bytes.
    """
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        amount = f"{total:,} {unit}" if unit else f"{total / 1e6:,.1f} MB"
        console.print(f"{doing} of {what} ({amount})", soft_wrap=True, highlight=False, markup=False)
    count = bars.MofNCompleteColumn() if unit else bars.DownloadColumn()
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), count, bars.TimeRemainingColumn())
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda number: bar.advance(task, number)
