"""The processes of `tfconv launch`: started, listened to, and ended together; POSIX only (process groups)."""

import contextlib
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tfconv.errors import InputError

__all__: list[str] = []

GRACE_SECONDS = 20.0  # between asking the rest to end and killing them: time for a checkpoint
_POLL_SECONDS = 0.05
_LONGEST_LINE = 2**16
# It leads the process group that all workers join. When the launcher has ended, in whatever way, its standard input
# ends, and it kills the group: no worker is left, nor what a worker started.
_GUARD = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
os.write(1, b"!")
sys.stdin.buffer.read()
os.killpg(0, signal.SIGKILL)
"""


def run_workers(command: Sequence[str], workers: int, threads: int | None = None) -> int:
    """Run a command as several processes that train together on this machine, each with its `TF_CONFIG`.

    Worker 0 has the terminal; the lines of the others begin with `[worker 1] `. Standard input is empty. Ctrl-C,
    SIGTERM and SIGHUP go to all of them. When one fails, the rest are asked to end (SIGTERM), and killed after 20 s.

    Args:
        command: program and arguments.
        workers: number of processes.
        threads: threads an operation may use in each. Default: cores / workers.

    Returns:
        The exit status: 0, or that of the worker that failed first (128 + the signal's number where a signal ended it),
        or 128 + the number of the signal that this process got.

    Raises:
        OSError: the command cannot be started.
        InputError: this is Windows, which has no process groups that end together.
    """
    if os.name != "posix":
        raise InputError(
            "tfconv launch needs process groups, which Windows does not have: start the workers one by one"
        )
    asked: list[int] = []
    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in stopping}
    try:
        for number in stopping:
            if before[number] != signal.SIG_IGN:  # nohup
                signal.signal(number, lambda number, frame: asked.append(number))
        with contextlib.ExitStack() as stack:  # what is left is killed before its last lines are waited for
            started: list[threading.Thread] = []
            stack.callback(_join, started)
            group = stack.enter_context(_group())
            processes = _start(command, workers, threads, group)
            held: dict[int, list[bytes]] = {index: [] for index in range(1, workers)}
            started += _listeners(processes, held, _program_names(command))
            status = _wait(processes, group, asked)
        _print_held(processes, held)
        return status
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if _is_terminal(sys.stdout):
            print(end="\x1b[?25h", flush=True)  # a bar that was killed has not shown the cursor again


@contextlib.contextmanager
def _group() -> Iterator[int]:
    """A process group that ends with this process, and with the block."""
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _GUARD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    )
    with guard:  # waits for it, and closes the pipes
        guard.stdout.read(1)  # type: ignore[union-attr]  # it ignores signals now
        try:
            yield guard.pid
        finally:
            _signal(guard.pid, signal.SIGKILL)


def _start(command: Sequence[str], workers: int, threads: int | None, group: int) -> list[subprocess.Popen]:
    program, *arguments = command
    beside = Path(sys.executable).parent / program
    if shutil.which(program) is None and os.sep not in program and beside.exists():
        program = str(beside)  # `tfconv` of a virtual environment that is not on the path
    processes = []
    with _free_ports(workers) as ports:
        for index in range(workers):
            own = index == 0  # on a terminal worker 0 writes to it itself, and so shows its progress bar
            streams = [None if own and _is_terminal(stream) else subprocess.PIPE for stream in (sys.stdout, sys.stderr)]
            processes.append(
                subprocess.Popen(
                    [program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=streams[0],
                    stderr=streams[1],
                    env=_environment(index, ports, threads),
                    process_group=group,
                )
            )
    return processes


@contextlib.contextmanager
def _free_ports(count: int) -> Iterator[list[int]]:
    """Free ports, reserved within the block; below those that Linux gives to clients."""
    with contextlib.ExitStack() as held:
        ports = []
        for port in random.sample(range(20_000, 32_768), 2000):
            taken = held.enter_context(socket.socket())
            try:
                taken.bind(("", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                break
        else:
            raise OSError(f"found {len(ports)} free ports of {count}")
        yield ports


def _environment(index: int, ports: Sequence[int], threads: int | None) -> dict[str, str]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    environment = {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
    }
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = str(threads or max(cores // len(ports), 1))
    for name in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
        environment[name] = share if threads else environment.get(name, share)
    if index:
        environment.setdefault("PYTHONUNBUFFERED", "1")  # its lines come when they are written
    return environment


def _program_names(command: Sequence[str]) -> tuple[bytes, ...]:
    """Beginnings of the lines in which a program says why it ends."""
    names = {"tfconv", *(Path(word).stem for word in command[:3] if word.endswith(".py"))}
    return tuple(f"{name}: ".encode() for name in names)


def _print_held(processes: Sequence[subprocess.Popen], held: dict[int, list[bytes]]) -> None:
    """Print why the workers ended: once, where all give the same reason."""
    said = {processes[0].returncode}
    for index, lines in held.items():
        if processes[index].returncode not in said:
            for line in lines:
                print(f"[worker {index}] {line.decode(errors='replace').rstrip()}", file=sys.stderr, flush=True)
        if processes[index].returncode == 2:
            said.add(2)


def _listeners(
    processes: Sequence[subprocess.Popen], held: dict[int, list[bytes]], names: tuple[bytes, ...]
) -> list[threading.Thread]:
    lock, listeners = threading.Lock(), []
    for index, process in enumerate(processes):
        for pipe, to in ((process.stdout, sys.stdout), (process.stderr, sys.stderr)):
            if pipe is not None:
                prefix = f"[worker {index}] ".encode() if index else b""
                prefix = (
                    b"\r\x1b[K" + prefix if _is_terminal(to) else prefix
                )  # over worker 0's bar, which is drawn again
                last = held[index] if index and pipe is process.stderr else None
                arguments = (pipe, to, prefix, lock, last, names)
                listeners.append(threading.Thread(target=_pass_on, args=arguments, daemon=True))
                listeners[-1].start()
    return listeners


def _join(listeners: list[threading.Thread]) -> None:
    for listener in listeners:
        listener.join(5)  # what left the group may hold a pipe open


def _pass_on(
    pipe: IO[bytes],
    to: IO[str] | None,
    prefix: bytes,
    lock: threading.Lock,
    held: list[bytes] | None,
    names: tuple[bytes, ...],
) -> None:
    """Copy whole lines until the end, or until the output is closed, which fails the worker's next write.

    A line on why the worker ends is `held` back where there is such a list.
    """
    with pipe:
        while line := pipe.readline(_LONGEST_LINE):
            if held is not None and line.startswith(names):
                held.append(line)
                continue
            left = prefix + line.removesuffix(b"\n") + b"\n"
            with lock, contextlib.suppress(OSError):
                while left and to is not None:
                    left = left[os.write(to.fileno(), left) :]
            if left and to is not None:
                return


def _wait(processes: Sequence[subprocess.Popen], group: int, asked: list[int]) -> int:
    """Wait for all of them, and end all when one fails; `asked` receives the signals to pass on."""
    running, status, passed_on, deadline = dict(enumerate(processes)), 0, 0, math.inf
    while running:
        while passed_on < len(asked):  # each as it comes; after two that did not help, what cannot be refused
            _signal(group, asked[passed_on] if passed_on < 2 else signal.SIGKILL)
            passed_on += 1
        for index in [index for index, process in running.items() if process.poll() is not None]:
            code = running.pop(index).returncode
            if asked:
                deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
            elif code and not status:
                status = 128 - code if code < 0 else code
                how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with status {code}"
                if code != 2:  # the user's mistake, of which the worker says what it is
                    print(f"tfconv: worker {index} {how}" + ("; ending the others" if running else ""), file=sys.stderr)
                _signal(group, signal.SIGTERM)
                deadline = time.monotonic() + GRACE_SECONDS
        if running and time.monotonic() > deadline:
            _signal(group, signal.SIGKILL)
            deadline = math.inf
        time.sleep(_POLL_SECONDS if running else 0)
    return status or (128 + asked[0] if asked else 0)


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last have no name
        return f"signal {number}"


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()
