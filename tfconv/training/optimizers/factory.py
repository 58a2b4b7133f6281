"""Optimizers by name and plain settings."""

from typing import Any, Literal

import keras

from tfconv.training.optimizers.adagrad import FusedAdagrad
from tfconv.training.optimizers.adam import FusedAdam, LazyAdam
from tfconv.training.optimizers.muon import Muon
from tfconv.training.optimizers.sgd import ScheduledSGD
from tfconv.training.optimizers.wrappers import GradientAccumulation, Lookahead

__all__ = ["decay_kernels_only", "make"]

_NORMS = tuple(
    getattr(keras.layers, name)
    for name in ("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization")
)


def make(
    name: Literal["adam", "lazy-adam", "adagrad", "sgd", "muon"],
    learning_rate: Any,
    *,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    momentum: Any = None,
    ema: float | None = None,
    lookahead: bool = False,
    accumulate: int = 1,
) -> keras.optimizers.Optimizer:
    """Make an optimizer by its name, with `Lookahead` and gradient accumulation on request.

    `fit` adds Keras' loss scaling where the model's precision is "mixed_float16". Training with `ema` needs the
    callback `EMAWeights` to score the averaged weights after each epoch.

    Args:
        name: "adam" (`FusedAdam`; with `weight_decay` it is AdamW), "lazy-adam", "adagrad" (`FusedAdagrad`, whose sums
            of squares start at 1e-8), "sgd" with Nesterov's momentum, or "muon", with Adam for the layer called
            "logits", the head of `tfconv.models`.
        learning_rate: a number or a schedule, which counts updates: batches divided by `accumulate`.
        weight_decay: decoupled weight decay, multiplied by the learning rate; variables called "bias", "beta" or
            "gamma" are excluded, see `decay_kernels_only` for more.
        clip_norm: global norm to which gradients are clipped.
        momentum: of SGD or Muon, or `beta_1` of Adam; a number or, except for Muon, a schedule. Default: 0.9, Muon's
            0.95. Adagrad has none.
        ema: momentum m in (0, 1) of an exponential moving average of the weights, average = m average + (1 - m)
            weights; training ends with the average.
        lookahead: wrap the optimizer in `Lookahead`, with k=6 and alpha=0.5.
        accumulate: number of batches whose gradients make one update.

    Raises:
        ValueError: no optimizer has this name, or a number is out of range; `lazy-adam` or `adagrad` with `accumulate`
            or `ema`, which work on whole embedding tables.
    """
    for label, value, low, high in (("weight_decay", weight_decay, 0, 1), ("ema", ema, 0, 1)):
        if value is not None and not low <= value < high:
            raise ValueError(f"{label} must be from {low} to below {high}, got {value}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be above 0, got {clip_norm}")
    if not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"accumulate must be a whole number of 1 or more, got {accumulate}")
    if name in ("lazy-adam", "adagrad") and (accumulate > 1 or ema is not None):
        raise ValueError(
            f"accumulate and ema must be left out with {name}, because they update whole embedding tables: use adam"
        )
    common: dict[str, Any] = {"weight_decay": weight_decay or None, "global_clipnorm": clip_norm}
    if ema is not None:
        common |= {"use_ema": True, "ema_momentum": ema}
    optimizer: keras.optimizers.Optimizer
    match name:
        case "adam" | "lazy-adam":
            kind = FusedAdam if name == "adam" else LazyAdam
            optimizer = kind(learning_rate, 0.9 if momentum is None else momentum, **common)
        case "adagrad":  # from nothing, as in the paper: Keras' 0.1 hides the gradients of rare words
            optimizer = FusedAdagrad(learning_rate, initial_accumulator_value=1e-8, **common)
        case "sgd" if isinstance(momentum, keras.optimizers.schedules.LearningRateSchedule):
            optimizer = ScheduledSGD(learning_rate, momentum, nesterov=True, **common)
        case "sgd":
            optimizer = keras.optimizers.SGD(
                learning_rate, 0.9 if momentum is None else momentum, nesterov=True, **common
            )
        case "muon":
            common |= {"adam_weight_decay": common["weight_decay"], "exclude_layers": ["logits"]}
            optimizer = Muon(learning_rate, momentum=0.95 if momentum is None else momentum, **common)
        case _:
            raise ValueError(f"name must be adam, lazy-adam, adagrad, sgd or muon, got {name!r}")
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    if lookahead:
        optimizer = Lookahead(optimizer)
    return GradientAccumulation(optimizer, accumulate) if accumulate > 1 else optimizer


def decay_kernels_only(optimizer: Any, model: keras.Model) -> None:
    """Exclude biases and normalisation weights from an optimizer's weight decay.

    Excluded are all weights of one axis or none, all weights of normalisation layers, and weights called "bias" (that
    of an `EinsumDense` may have two axes). Kernels and embeddings decay.

    Args:
        optimizer: not built yet, with a `weight_decay`; its earlier exclusions are replaced.
        model: built.

    Raises:
        ValueError: the model is not built.

    Reference: He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks", 2019, section
        3.1.
    """
    if not model.weights:
        raise ValueError(f"the model must be built and have weights, got {model.name!r} without")
    left_out = [weight for weight in model.weights if len(weight.shape) < 2 or weight.name == "bias"]
    for layer in model._flatten_layers():
        if isinstance(layer, _NORMS):
            left_out += layer.weights
    optimizer.exclude_from_weight_decay(var_list=left_out)
