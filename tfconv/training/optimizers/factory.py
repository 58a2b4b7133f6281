"""An optimizer from plain settings."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from tfconv.training.optimizers.adam import FusedAdam, LazyAdam
from tfconv.training.optimizers.muon import Muon
from tfconv.training.optimizers.sgd import ScheduledSGD
from tfconv.training.optimizers.wrappers import GradientAccumulation, Lookahead

__all__ = ["decay_kernels_only", "make"]


def make(
    name: Literal["adam", "lazy-adam", "sgd", "muon"],
    learning_rate: Any,
    *,
    weight_decay: float = 0.0,
    no_decay: Sequence[str] = ("bias", "beta", "gamma"),
    clip_norm: float | None = None,
    momentum: Any = None,
    ema: float | None = None,
    lookahead: bool = False,
    accumulate: int = 1,
    head: Sequence[str] = ("logits",),
) -> keras.optimizers.Optimizer:
    """Make an optimizer, and put `Lookahead` and `GradientAccumulation` around it where they are asked for.

    `fit` puts Keras' loss scaling around the whole where the model's precision is "mixed_float16". Training with `ema`
    needs the callback `EMAWeights` to score the averaged weights after each epoch.

    Args:
        name: "adam" (`FusedAdam`; with `weight_decay` it is AdamW), "lazy-adam", "sgd" with Nesterov's momentum, or
            "muon".
        learning_rate: a number or a schedule, which counts updates: batches divided by `accumulate`.
        weight_decay: decoupled, times the learning rate.
        no_decay: variables whose name holds one of these do not decay.
        clip_norm: gradients are scaled down to this global norm.
        momentum: of SGD or Muon, or `beta_1` of Adam; but for Muon it may be a schedule; default: 0.9, Muon's 0.95.
        ema: keep the average m average + (1 - m) weights of each update, with this m in (0, 1), and end with it.
        lookahead: every 6 updates go only half of the way, see `Lookahead`.
        accumulate: batches in an update.
        head: paths that hold one of these, the last layer's, get Adam where "muon" moves the rest; the heads of
            `tfconv.models` are called "logits".

    Raises:
        ValueError: no optimizer has this name, or a number is out of range; `lazy-adam` with `accumulate` or `ema`,
            which work on whole tables.
    """
    for label, value, low, high in (("weight_decay", weight_decay, 0, 1), ("ema", ema, 0, 1)):
        if value is not None and not low <= value < high:
            raise ValueError(f"{label} must be from {low} to below {high}, got {value}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be above 0, got {clip_norm}")
    if not isinstance(accumulate, int) or accumulate < 1:
        raise ValueError(f"accumulate must be a whole number from 1 on, got {accumulate}")
    if name == "lazy-adam" and (accumulate > 1 or ema is not None):
        raise ValueError("accumulate and ema must be left out with lazy-adam, whose gain they take back: use adam")
    common: dict[str, Any] = {"weight_decay": weight_decay or None, "global_clipnorm": clip_norm}
    if ema is not None:
        common |= {"use_ema": True, "ema_momentum": ema}
    optimizer: keras.optimizers.Optimizer
    match name:
        case "adam" | "lazy-adam":
            kind = FusedAdam if name == "adam" else LazyAdam
            optimizer = kind(learning_rate, 0.9 if momentum is None else momentum, **common)
        case "sgd" if isinstance(momentum, keras.optimizers.schedules.LearningRateSchedule):
            optimizer = ScheduledSGD(learning_rate, momentum, nesterov=True, **common)
        case "sgd":
            optimizer = keras.optimizers.SGD(
                learning_rate, 0.9 if momentum is None else momentum, nesterov=True, **common
            )
        case "muon":
            common |= {"adam_weight_decay": common["weight_decay"], "exclude_layers": list(head)}
            optimizer = Muon(learning_rate, momentum=0.95 if momentum is None else momentum, **common)
        case _:
            raise ValueError(f"name must be adam, lazy-adam, sgd or muon, got {name!r}")
    optimizer.exclude_from_weight_decay(var_names=list(no_decay))
    if lookahead:
        optimizer = Lookahead(optimizer)
    return GradientAccumulation(optimizer, accumulate) if accumulate > 1 else optimizer


_NORMS = tuple(
    getattr(keras.layers, name)
    for name in ("BatchNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization")
)


def decay_kernels_only(optimizer: Any, model: keras.Model) -> None:
    """Leave biases and the weights of normalisation out of an optimizer's weight decay.

    They are few, and to pull them to zero does not make a network simpler. Meant are: every weight of one axis or
    none, every weight of a normalisation layer, and what its layer calls a bias (that of an `EinsumDense` may have two
    axes). Word vectors decay.

    Args:
        optimizer: not built yet, with a `weight_decay`; what it left out before is forgotten.
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
