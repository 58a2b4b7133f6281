"""Training: the loop, its checkpoints, and the run directory."""

from tfconv.training import optimizers, schedules, strategy
from tfconv.training.accumulation import GradientAccumulation
from tfconv.training.averaging import EMAWeights, StochasticWeightAveraging
from tfconv.training.batch_size import BatchSizeTrial, probe_batch_sizes
from tfconv.training.cross_validation import CrossValidation, cross_validate
from tfconv.training.discriminative import DiscriminativeRates, discriminative
from tfconv.training.engine import NonFiniteLossError
from tfconv.training.evaluate import evaluate
from tfconv.training.features import precompute
from tfconv.training.finetune import gradual_unfreeze
from tfconv.training.fused_adam import FusedAdam
from tfconv.training.interrupt import Interrupted
from tfconv.training.layer_groups import freeze_batch_norm, freeze_to, layer_groups
from tfconv.training.lazy_adam import LazyAdam
from tfconv.training.lookahead import Lookahead
from tfconv.training.loop import fit
from tfconv.training.losses import SmoothedCrossentropy
from tfconv.training.lr_finder import LearningRateSweep, lr_find
from tfconv.training.muon import Muon
from tfconv.training.new_head import split_head, with_input_shape, with_new_head
from tfconv.training.overfit import OverfitCheck, overfit_one_batch
from tfconv.training.precision import KeptModelError, check_answers, in_float32
from tfconv.training.progress import ProgressLines
from tfconv.training.resized import resized_batches
from tfconv.training.result import write_result
from tfconv.training.run import Run, load_run
from tfconv.training.scheduled_sgd import ScheduledSGD
from tfconv.training.soft_labels import SoftLabelAccuracy, soft_label_objective
from tfconv.training.weight_decay import decay_kernels_only
from tfconv.training.workers import WorkerLostError

__all__ = [
    "BatchSizeTrial",
    "CrossValidation",
    "DiscriminativeRates",
    "EMAWeights",
    "FusedAdam",
    "GradientAccumulation",
    "Interrupted",
    "KeptModelError",
    "LazyAdam",
    "LearningRateSweep",
    "Lookahead",
    "Muon",
    "NonFiniteLossError",
    "OverfitCheck",
    "ProgressLines",
    "Run",
    "ScheduledSGD",
    "SmoothedCrossentropy",
    "SoftLabelAccuracy",
    "StochasticWeightAveraging",
    "WorkerLostError",
    "check_answers",
    "cross_validate",
    "decay_kernels_only",
    "discriminative",
    "evaluate",
    "fit",
    "freeze_batch_norm",
    "freeze_to",
    "gradual_unfreeze",
    "in_float32",
    "layer_groups",
    "load_run",
    "lr_find",
    "optimizers",
    "overfit_one_batch",
    "precompute",
    "probe_batch_sizes",
    "resized_batches",
    "schedules",
    "soft_label_objective",
    "split_head",
    "strategy",
    "with_input_shape",
    "with_new_head",
    "write_result",
]
