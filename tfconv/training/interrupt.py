"""Ctrl-C and SIGTERM as requests, so that a training step is never torn in the middle."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["Interrupted"]


class Interrupted(KeyboardInterrupt):
    """Training stopped because it was asked to, after a checkpoint where there is a run; the message says how to go on.

    Attributes:
        signal: the signal's number: SIGINT (Ctrl-C), or SIGTERM (a preempted machine, `kill`).
    """

    def __init__(self, message: str, number: int = signal.SIGINT):
        super().__init__(message)
        self.signal = number


class Asked:
    """Whether, and by which signal, this process was asked to stop; 0 while it was not."""

    signal = 0


@contextlib.contextmanager
def interruptible() -> Iterator[Asked]:
    """Turn the first Ctrl-C or SIGTERM into a flag; a second one acts at once. Outside the main thread: never set."""
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        asked.signal = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    # `None`: set by something other than Python, and not to be replaced.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not None}
    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        restore()
