"""result.json: what a run was asked, what came out, and with which versions."""

import platform
import subprocess
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
) -> dict[str, Any]:
    """Write `result.json` into a run directory.

    Args:
        directory: the run directory.
        config: the settings, seed included.
        history: of the training.
        scores: split to metric to value.
        seconds: from the first step to the end of training and scoring.

    Returns:
        What was written.
    """
    result = {
        "config": config,
        "scores": scores,
        "epochs": len(history.epoch),
        "history": history.history,
        "seconds": round(seconds, 1),
        "versions": {name: version(name) for name in ("tfconv", "tensorflow", "keras", "numpy")},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "commit": _commit(),
    }
    write_json(Path(directory) / "result.json", result)
    return result


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
