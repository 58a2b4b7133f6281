"""Ctrl-C and SIGTERM while TensorFlow waits, in C, for the other workers to start."""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python import pywrap_tfe

__all__: list[str] = []

_SECONDS = 0.2


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the process within a block in which Python calls no signal handlers.

    There TensorFlow handles SIGTERM itself, tells the other workers of it, and waits on. So a thread keeps resetting
    both signals to their default, which ends the process; after the block their handlers are those of before.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}
    main = threading.current_thread() is threading.main_thread()
    if not before or not main or os.name != "posix":  # C's `signal` is taken from the process itself, as POSIX has it
        yield
        return
    library, over = ctypes.CDLL(None), threading.Event()
    library.signal.argtypes, library.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p

    def reset() -> None:  # by C's `signal`: Python's is for the main thread
        while not over.wait(_SECONDS):
            for number in before:
                library.signal(number, None)

    watcher = threading.Thread(target=reset, daemon=True)
    for number in before:
        signal.signal(number, signal.SIG_DFL)
    watcher.start()
    try:
        with _other_threads_run():
            yield
    finally:
        over.set()
        watcher.join()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _other_threads_run() -> Iterator[None]:
    """Call TensorFlow's wait by its C interface, which releases Python's lock: its own wrapper holds it for hours."""
    wrapped = pywrap_tfe.TFE_EnableCollectiveOps
    try:
        library = ctypes.CDLL(str(Path(tf.sysconfig.get_lib()) / "libtensorflow_cc.so.2"))
        enable, new_status = library.TFE_EnableCollectiveOps, library.TF_NewStatus
        code_of, message_of = library.TF_GetCode, library.TF_Message
    except (OSError, AttributeError):  # another build of TensorFlow: SIGTERM waits for the workers there
        yield
        return
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.argtypes, pointer_of.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
    enable.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p)
    new_status.restype, code_of.argtypes, message_of.argtypes = ctypes.c_void_p, (ctypes.c_void_p,), (ctypes.c_void_p,)
    enable.restype, message_of.restype = None, ctypes.c_char_p

    def call(context: Any, server: bytes) -> None:
        status = new_status()
        enable(pointer_of(context, None), server, len(server), status)
        if code := code_of(status):
            message = message_of(status).decode(errors="replace")
            raise tf.errors.exception_type_from_error_code(code)(None, None, message)

    pywrap_tfe.TFE_EnableCollectiveOps = call
    try:
        yield
    finally:
        pywrap_tfe.TFE_EnableCollectiveOps = wrapped
