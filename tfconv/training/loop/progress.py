"""Progress of a training: a bar with the time left on a terminal, one line an epoch elsewhere."""

import sys
import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["ProgressLines"]

_QUIET = 60.0  # seconds after which a long epoch shows a sign of life


class ProgressLines(keras.callbacks.Callback):
    """Print one line an epoch; within it draw a progress bar on a terminal, or write a line a minute elsewhere.

    Args:
        bar: draw the bar; default: where standard error is a terminal.
    """

    def __init__(self, bar: bool | None = None):
        super().__init__()
        console = Console(stderr=True)
        shown = console.is_terminal if bar is None else bar
        self._progress = None
        if shown:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[logs]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the bar."""
        if self._progress:
            self._progress.start()
            self._task = self._progress.add_task("", total=None, logs="")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Reset the bar and the clock."""
        self._epoch, self._begin = epoch, time.monotonic()
        self._written = self._begin
        if self._progress:
            text = f"epoch {epoch + 1}/{self.params['epochs']}"
            self._progress.reset(self._task, description=text, total=self.params["steps"], logs="")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar, or write the minute's line."""
        if self._progress:
            self._progress.update(self._task, completed=batch + 1, logs=_figures(logs))
        elif (now := time.monotonic()) - self._written >= _QUIET:
            self._written = now
            steps = f"/{self.params['steps']}" if self.params["steps"] else ""
            epoch = f"epoch {self._epoch + 1}/{self.params['epochs']}"
            print(f"{epoch}, step {batch + 1}{steps}  {now - self._begin:.0f} s  {_figures(logs)}", flush=True)

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Show that the model is validated."""
        if self._progress:
            self._progress.update(self._task, description=f"epoch {self._epoch + 1}: validating")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's line."""
        seconds = time.monotonic() - self._begin
        line = f"epoch {epoch + 1}/{self.params['epochs']}  {seconds:.1f} s  {_figures(logs)}"
        if self._progress:
            self._progress.console.print(line, highlight=False)
        else:
            print(line, flush=True)

    def close(self) -> None:
        """Stop the bar, also after an error."""
        if self._progress:
            self._progress.stop()
        sys.stderr.flush()


def _figures(logs: dict[str, Any] | None) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
