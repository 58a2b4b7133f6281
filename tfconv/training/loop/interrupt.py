"""Ctrl-C and SIGTERM as requests, so that a training step is never torn in the middle."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["Interrupted"]

PATIENCE_SECONDS = 10.0  # for a step's end; a launcher, Slurm and Kubernetes wait 20 s and more before they kill


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop, and did so after a checkpoint where there is a run; the message says how to resume.

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
def interruptible(asked: Asked, *, several: bool = False) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a flag; a second one acts at once. Outside the main thread: never set.

    Args:
        asked: gets the flag.
        several: whether other processes train with this one. Then the process ends where it has not come to look at
            the flag within `PATIENCE_SECONDS`: a step waits for the others in C, for ever where one of them hangs.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
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
    posix = os.name == "posix"  # Windows has no wakeup pipe: there a second Ctrl-C ends a process that waits
    with _ended_where_unheard(asked) if several and posix else contextlib.nullcontext():
        try:
            yield
        finally:
            restore()


@contextlib.contextmanager
def _ended_where_unheard(asked: Asked) -> Iterator[None]:
    """End the process where a signal has come and `asked` is not set in time, so that its handler has not been called.

    Python's part in C writes the number of a signal into a pipe at once, and its handler is called later, between two
    instructions of the main thread.
    """
    numbers, written = os.pipe()
    os.set_blocking(written, False)
    over = threading.Event()

    def watch() -> None:
        with os.fdopen(numbers, "rb", buffering=0) as pipe:
            while number := pipe.read(1):
                if number[0] not in (signal.SIGINT, signal.SIGTERM) or over.wait(PATIENCE_SECONDS) or asked.signal:
                    continue
                print("stopped while waiting for another worker, which does not answer", file=sys.stderr, flush=True)
                os._exit(128 + number[0])

    threading.Thread(target=watch, daemon=True).start()
    before = signal.set_wakeup_fd(written, warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(written)
