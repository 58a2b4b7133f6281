"""Training: the loop, its checkpoints, and the run directory."""

from tfconv.training.evaluate import evaluate
from tfconv.training.fused_adam import FusedAdam
from tfconv.training.loop import NonFiniteLossError, fit
from tfconv.training.progress import ProgressLines
from tfconv.training.result import write_result
from tfconv.training.run import Run, load_run

__all__ = ["FusedAdam", "NonFiniteLossError", "ProgressLines", "Run", "evaluate", "fit", "load_run", "write_result"]
