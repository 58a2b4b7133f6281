"""Ctrl-C as a request, so that a training step is never torn in the middle."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

__all__: list[str] = []


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag; a second one interrupts at once. Outside the main thread: never set."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
