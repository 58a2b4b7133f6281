"""Learning-rate and momentum schedules.

Each is a function of the optimizer's step count alone: it is computed in the graph, and a resumed run continues it.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops
from keras.optimizers.schedules import CosineDecay, CosineDecayRestarts, LearningRateSchedule, PiecewiseConstantDecay

from tfconv.training.optimizers.schedule_names import Name, check, check_warmup

__all__ = ["CycleEnd", "OneCycle", "Triangle", "momentum", "schedule"]


@keras.saving.register_keras_serializable(package="tfconv")
class OneCycle(LearningRateSchedule):
    """One-cycle schedule: half a cosine from `start` to `peak`, another to `end`, then constant.

    For a learning rate, `peak` is the highest value; for the momentum that moves against it, the lowest.

    Args:
        start: value at step 0.
        peak: value at step `warmup_steps`.
        end: value at step `steps` and after.
        steps: length of the cycle.
        warmup_steps: length of its first half-cosine, from 1 to `steps` - 1.

    Raises:
        ValueError: `warmup_steps` is out of range.

    Reference: Smith, "A disciplined approach to neural network hyper-parameters: Part 1", 2018, section 4.3 (learning
    rate and momentum move against each other; straight lines there, cosines here as in fastai).
    """

    def __init__(self, start: float, peak: float, end: float, steps: int, warmup_steps: int):
        if not 0 < warmup_steps < steps:
            raise ValueError(f"warmup_steps must be from 1 to steps - 1 = {steps - 1}, got {warmup_steps}")
        self.start, self.peak, self.end = start, peak, end
        self.steps, self.warmup_steps = steps, warmup_steps

    def __call__(self, step: Any) -> Any:
        """Return the value at a step (a number, or an array of any shape)."""
        step = ops.cast(step, "float32")
        rest = self.steps - self.warmup_steps
        rise = _half_cosine(ops.clip(step / self.warmup_steps, 0.0, 1.0))
        fall = _half_cosine(ops.clip((step - self.warmup_steps) / rest, 0.0, 1.0))
        # Written as means: with differences from `peak`, rounding would swamp an `end` a million times smaller.
        before = self.start * (1.0 - rise) + self.peak * rise
        after = self.peak * (1.0 - fall) + self.end * fall
        return ops.where(step < self.warmup_steps, before, after)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        names = ("start", "peak", "end", "steps", "warmup_steps")
        return {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="tfconv")
class Triangle(LearningRateSchedule):
    """Triangular cyclical schedule: linear from `lowest` to `highest` and back, repeatedly.

    Args:
        lowest: value at the ends of a cycle.
        highest: value in the middle of the first cycle.
        step_size: steps from the lowest to the highest value, half a cycle.
        decay: factor by which the height of each cycle shrinks; 1.0 is the paper's "triangular", 0.5 its
            "triangular2".

    Raises:
        ValueError: `step_size` or `decay` is not above 0.

    Reference: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.
    """

    def __init__(self, lowest: float, highest: float, step_size: int, decay: float = 1.0):
        if step_size < 1:
            raise ValueError(f"step_size must be 1 or more, got {step_size}")
        if not 0 < decay <= 1:
            raise ValueError(f"decay must be above 0 and at most 1, got {decay}")
        self.lowest, self.highest, self.step_size, self.decay = lowest, highest, step_size, decay

    def __call__(self, step: Any) -> Any:
        """Return the value at a step (a number, or an array of any shape)."""
        step = ops.cast(step, "float32")
        cycle = ops.floor(step / (2.0 * self.step_size))
        height = 1.0 - ops.abs(step / self.step_size - 2.0 * cycle - 1.0)
        return self.lowest + (self.highest - self.lowest) * height * ops.power(self.decay, cycle)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        return {name: getattr(self, name) for name in ("lowest", "highest", "step_size", "decay")}


def schedule(
    name: Name,
    learning_rate: float,
    steps: int,
    *,
    steps_per_epoch: int,
    warmup: float = 0.2,
    cycle_epochs: int = 1,
    cycle_multiplier: float = 2.0,
) -> float | LearningRateSchedule:
    """Make a learning-rate schedule by its name.

    Args:
        name: `"constant"`; `"cosine"`: a straight line up from a tenth, then half a cosine to 0 (Keras' `CosineDecay`);
            `"one-cycle"`: `OneCycle` from 1/25 up and down to 1/250,000 (the ends of fastai and PyTorch);
            `"sgdr"`: cosines to 0 with warm restarts (Keras' `CosineDecayRestarts`);
            `"triangle"`: `Triangle` from a quarter (Smith 2017, section 3.3), each cycle `cycle_epochs` long;
            `"flat-cosine"`: constant for 72 % of the steps, then half a cosine to 0 (the schedule that fastai uses with
            Ranger); `"step"`: a tenth after half of the steps and a hundredth after three quarters (He et al. 2016,
            section 4.2), Keras' `PiecewiseConstantDecay`.
        learning_rate: its highest value.
        steps: steps of the whole training; the value after them is the last.
        steps_per_epoch: turns `cycle_epochs` into steps.
        warmup: share of the steps of `"cosine"` and `"one-cycle"` that rise.
        cycle_epochs: length of the first cycle of `"sgdr"`, and of every cycle of `"triangle"`.
        cycle_multiplier: factor by which each cycle of `"sgdr"` is longer than the one before.

    Returns:
        A number for `"constant"`, otherwise a Keras schedule, which can be saved with its optimizer.

    Raises:
        ValueError: an argument is out of range.
    """
    whole = {"steps": steps, "steps_per_epoch": steps_per_epoch, "cycle_epochs": cycle_epochs}
    check(name, learning_rate, warmup=warmup, cycle_multiplier=cycle_multiplier, **whole)
    steps = max(steps, 2)
    rising = _warmup_steps(steps, warmup)
    cycle = cycle_epochs * steps_per_epoch
    if name == "cosine":
        return CosineDecay(learning_rate / 10, steps - rising, warmup_target=learning_rate, warmup_steps=rising)
    if name == "one-cycle":
        return OneCycle(learning_rate / 25, learning_rate, learning_rate / 250_000, steps, rising)
    if name == "sgdr":
        return CosineDecayRestarts(learning_rate, cycle, t_mul=float(cycle_multiplier))
    if name == "triangle":
        return Triangle(learning_rate / 4, learning_rate, max(cycle // 2, 1))
    if name == "flat-cosine":  # a warm-up to the value it starts from
        flat = int(0.72 * steps)
        return CosineDecay(learning_rate, steps - flat, warmup_target=learning_rate, warmup_steps=flat)
    if name == "step":  # Keras changes after a boundary, so the last step before each is named
        values = [learning_rate, learning_rate / 10, learning_rate / 100]
        return PiecewiseConstantDecay([steps // 2 - 1, max(steps * 3 // 4, steps // 2 + 1) - 1], values)
    return learning_rate


def momentum(
    name: Name, steps: int, *, warmup: float = 0.2, highest: float = 0.95, lowest: float = 0.85, constant: float = 0.9
) -> float | LearningRateSchedule:
    """Make the momentum that belongs to a `schedule`, such as `beta_1` of `FusedAdam`.

    Args:
        name: as in `schedule`.
        steps: steps of the whole training.
        warmup: share of the steps in which `"one-cycle"` lowers the momentum, while the learning rate rises.
        highest: at both ends of one cycle (the values of Smith 2018, section 4.3, table 2).
        lowest: where the learning rate is highest.
        constant: for every other name.

    Returns:
        `constant`, or for `"one-cycle"` a `OneCycle`.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 <= lowest <= highest < 1:
        raise ValueError(f"lowest and highest must be from 0 to below 1 in this order, got {lowest} and {highest}")
    if name != "one-cycle":
        return constant
    steps = max(steps, 2)
    return OneCycle(highest, lowest, highest, steps, _warmup_steps(steps, warmup))


class CycleEnd(keras.callbacks.Callback):
    """Call a function at the end of each cycle of `"sgdr"`, where the learning rate is 0, to save the model.

    It has no state, so it works in a resumed run.

    Args:
        function: called with the cycle's number from 1 and the model, such as
            `lambda cycle, model: model.save(f"cycle-{cycle}.keras")` for a snapshot ensemble.
        cycle_epochs: as in `schedule`.
        cycle_multiplier: as in `schedule`, a whole number: a cycle ends with an epoch.

    Raises:
        ValueError: an argument is not a whole number of 1 or more.

    References: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017; Huang et al.,
    "Snapshot Ensembles: Train 1, Get M for Free", 2017.
    """

    def __init__(self, function: Callable[[int, keras.Model], Any], cycle_epochs: int = 1, cycle_multiplier: int = 2):
        super().__init__()
        for name, value in (("cycle_epochs", cycle_epochs), ("cycle_multiplier", cycle_multiplier)):
            if value < 1 or value != int(value):
                raise ValueError(f"{name} must be a whole number of 1 or more, got {value}")
        self.function = function
        self.cycle_epochs, self.cycle_multiplier = int(cycle_epochs), int(cycle_multiplier)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Call the function if a cycle ends with this epoch (from 0)."""
        cycle, length = 1, self.cycle_epochs
        end = length
        while end < epoch + 1:
            length *= self.cycle_multiplier
            cycle, end = cycle + 1, end + length
        if end == epoch + 1:
            self.function(cycle, self.model)


def _half_cosine(share: Any) -> Any:
    """From 0 to 1 as `share` does, level at both ends."""
    return (1.0 - ops.cos(math.pi * share)) / 2.0


def _warmup_steps(steps: int, warmup: float) -> int:
    check_warmup(warmup)
    return min(max(int(warmup * steps), 1), steps - 1)
