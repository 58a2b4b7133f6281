"""Training: the loop, its checkpoints, and the run directory."""

from tfconv.training.evaluate import evaluate
from tfconv.training.fused_adam import FusedAdam
from tfconv.training.loop import NonFiniteLossError, fit
from tfconv.training.losses import SmoothedCrossentropy
from tfconv.training.precision import in_float32
from tfconv.training.progress import ProgressLines
from tfconv.training.result import write_result
from tfconv.training.run import Run, load_run

__all__ = [
    "FusedAdam",
    "NonFiniteLossError",
    "ProgressLines",
    "Run",
    "SmoothedCrossentropy",
    "evaluate",
    "fit",
    "in_float32",
    "load_run",
    "write_result",
]
