"""result.json: what a run was asked, what came out, and with which versions."""

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from tfconv.files import write_json

__all__ = ["write_result"]


def write_result(
    directory: str | Path,
    config: dict[str, Any],
    history: keras.callbacks.History,
    scores: dict[str, Any],
    seconds: float,
    *,
    reading: Sequence[str] = (),
) -> dict[str, Any]:
    """Write `result.json` into a run directory.

    Args:
        directory: the run directory.
        config: the settings, seed included.
        history: of the training.
        scores: split to metric to value.
        seconds: from the first step to the end of training and scoring.
        reading: what the curves say in words (`tfconv.evaluation.read_curves`), for later reports.

    Returns:
        What was written.
    """
    result = {
        "config": config,
        "scores": scores,
        "epochs": len(history.epoch),
        "history": history.history,
        "reading": list(reading),
        "seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("tfconv", "tensorflow", "keras", "numpy")},
        "python": platform.python_version(),
        "machine": _machine(),
        "commit": _commit(),
    }
    write_json(Path(directory) / "result.json", result)
    return result


def _machine() -> str:
    """Cores and processor, as in "2 cores, Intel(R) Xeon(R) Processor"."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    return f"{os.cpu_count()} cores, {name}"


def _commit() -> str | None:
    """The commit of the checkout that tfconv runs from; `None` when it is installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True)
    except OSError:
        return None  # no git here
    return done.stdout.strip() or None
