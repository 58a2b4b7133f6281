"""Measure systems against each other in one run: each in its own process, taking turns so that drift cancels.

A system is a command that speaks one line at a time. It writes `ready` when it has warmed up; for each `go` on its
standard input it does its work once and writes the seconds that took; at the end of input it leaves.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, str | float]


def take_turns(
    commands: Mapping[str, Sequence[str]], turns: int, environment: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, list[float]]:
    """Return the seconds of each system's turns, A B C A B C ..., `turns` of each; print each as it is measured.

    Args:
        commands: the command line of each system.
        turns: of each system.
        environment: variables to set for a system.

    Raises:
        RuntimeError: a system stopped; the message ends with what it wrote on standard error.
    """
    systems = {}
    try:
        for name, command in commands.items():
            systems[name] = _System(name, command, (environment or {}).get(name, {}))
            systems[name].expect_ready()  # one after the other: warming up is not measured, but is done in peace
        seconds: dict[str, list[float]] = {name: [] for name in systems}
        for turn in range(turns):
            for name, system in systems.items():
                seconds[name].append(system.turn())
                print(f"turn {turn + 1} of {turns}  {seconds[name][-1]:8.3f} s  {name}", flush=True)
        return seconds
    finally:
        for system in systems.values():
            system.stop()


class _System:
    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **environment},
        )

    def _line(self) -> str:
        line = self.process.stdout.readline().strip()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            raise RuntimeError(
                f"{self.name} stopped with status {self.process.returncode}:\n{self.errors.read()[-2000:]}"
            )
        return line

    def expect_ready(self) -> None:
        while self._line() != "ready":
            pass

    def turn(self) -> float:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self._line())

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()  # closes the pipes
        self.errors.close()


def answer_turns(work: Callable[[], float]) -> None:
    """Be a system: warm up by working once, then work and answer at each turn. `work` returns seconds."""
    work()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(work(), flush=True)


def keras_turns() -> Any:
    """Be a system whose work is an epoch of one call of `fit`: a callback that waits for a turn before each epoch.

    The first epoch warms up.
    """
    import keras

    class Turns(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                print("ready", flush=True)
            if epoch and not sys.stdin.readline():
                sys.exit()
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch:
                print(time.perf_counter() - self.begin, flush=True)

    return Turns()


def rows_of(row: str, unit: str, amount: float, seconds: Mapping[str, Sequence[float]], reference: str) -> list[Row]:
    """Return one row a system: the median of amount / seconds, and `reference`'s speed-up over it.

    Args:
        row: what was done.
        unit: of the median, such as "steps/s".
        amount: what one turn does, in the unit's numerator.
        seconds: from `take_turns`.
        reference: the system to compare with the others; its own ratio is 1.
    """
    rates = {name: statistics.median(amount / turn for turn in turns) for name, turns in seconds.items()}
    return [
        {"row": row, "system": name, "median": round(rate, 3), "unit": unit, "ratio": round(rates[reference] / rate, 3)}
        for name, rate in rates.items()
    ]


def machine() -> str:
    """Return the number of cores, the name of the processor, and its widest vector instructions."""
    name, widest = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        text = Path("/proc/cpuinfo").read_text()
        found = re.search(r"model name\s*:\s*(.+)", text)
        name = found.group(1) if found else name
        flags = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if flag in text]
        widest = f" ({', '.join(flags)})" if flags else ""
    return f"{os.cpu_count()} cores, {name}{widest}"


def report(title: str, rows: Sequence[Row], target: Path | None, notes: Sequence[str] = ()) -> None:
    """Print the rows as a table of at most 100 columns and, with `target`, write them as JSON."""
    table = Table(title=title, caption="\n".join([*notes, machine()]), caption_justify="left")
    for heading in ("row", "system"):
        table.add_column(heading)
    for heading in ("median", "unit", "ratio"):
        table.add_column(heading, justify="right" if heading != "unit" else "left")
    for row in rows:
        table.add_row(row["row"], row["system"], f"{row['median']:.4g}", row["unit"], f"{row['ratio']:.2f}")
    Console(width=100).print(table)
    if target is not None:
        target.write_text(json.dumps(list(rows), indent=1) + "\n")
