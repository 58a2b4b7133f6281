"""The learning-rate finder: some steps with a rate that grows from tiny to absurd, and where the loss fell best."""

import dataclasses
import math
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.training.loop.engine import NonFiniteLossError
from tfconv.training.loop.feed import build, check_batches, passes
from tfconv.training.loop.fit import objective
from tfconv.training.loop.model_state import fresh_optimizer, restored
from tfconv.training.loop.step import make_runner

__all__ = ["LearningRateSweep", "lr_find"]


@dataclasses.dataclass(frozen=True, eq=False)
class LearningRateSweep:
    """Loss over the learning rate, as `lr_find` saw it.

    Attributes:
        rates: (n,) learning rate of each step.
        losses: (n,) loss of each step's batch, before the step.
        smoothed: (n,) moving average of the losses.
    """

    rates: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    smoothed: npt.NDArray[np.float64]

    def suggestions(self) -> dict[str, float]:
        """Name three learning rates, most trusted first.

        `"valley"`: a middle of the longest fall: half way into the longest falling subsequence of the smoothed
        losses (fastai's default since 2.3, `fastai.callback.schedule.valley`). `"steepest"`: where the smoothed loss
        falls fastest over the logarithm of the rate, before its lowest point (after it, a loss that explodes jumps up
        and down). `"a tenth"`: of the rate with the lowest smoothed loss. As in fastai, the first tenth of the steps
        and the last five are left out.
        """
        last = np.append(np.diff(self.rates) > 0, True)  # batches that share a rate: the last of them
        rates, smoothed = self.rates[last], self.smoothed[last]
        n = len(rates)
        if n >= 20:
            rates, smoothed = rates[n // 10 : n - 5], smoothed[n // 10 : n - 5]
        lowest = int(np.argmin(smoothed))
        slopes = np.diff(smoothed[: lowest + 1]) / np.diff(np.log(rates[: lowest + 1]))
        return {
            "valley": float(rates[_valley(smoothed)]),
            "steepest": float(rates[np.argmin(slopes) if lowest else 0]),
            "a tenth": float(rates[lowest] / 10),
        }

    @property
    def learned(self) -> bool:
        """Whether the smoothed loss fell below its start by 2 % at some rate; if not, the suggestions mean nothing."""
        return bool(self.smoothed.min() < self.smoothed[0] - 0.02 * abs(self.smoothed[0]))


def lr_find(
    model: keras.Model,
    data: tf.data.Dataset,
    *,
    optimizer: keras.optimizers.Optimizer | str | None = None,
    loss: Any = None,
    class_weight: dict[int, float] | None = None,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.98,
    strategy: tf.distribute.Strategy | None = None,
) -> LearningRateSweep:
    """Sweep the learning rate geometrically over some training steps and record the loss; the model ends as it began.

    The sweep stops when the smoothed loss is above four times its lowest, or is no number any more. Weights,
    statistics, seeds, metrics, the compiled state and the optimizer with all it remembers are bit-equal afterwards,
    also after an error or Ctrl-C. Steps are taken by an optimizer of the same settings without history. Weight decay
    follows the rate, as it does in training.

    Args:
        model: any Keras model; made under `strategy.scope()` where there are several replicas.
        data: training batches, as for `fit`; begun again where there are fewer than `steps`. The order of a data
            set with `at_epoch` (those of `tfconv.data`) is untouched; one that shuffles anew each time it is
            iterated, has been iterated.
        optimizer: default: like the one the model was compiled with, else Adam. Its learning rate is not used.
        loss: default: what the model was compiled with, else the cross-entropy that fits logits and labels.
        class_weight: weight of each class number in the loss.
        start: learning rate of the first step.
        end: learning rate of the last step.
        steps: steps at most; where the optimizer accumulates, of as many batches.
        smoothing: of the moving average of the loss, corrected for its start at 0.
        strategy: default: the strategy in force; one process.

    Returns:
        The rates and losses up to the stop, with suggestions.

    Raises:
        NonFiniteLossError: the loss is NaN or infinite within the first two steps, at the lowest rates.
        ValueError: an argument is out of range, or the data set is empty.

    References: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3; the sweep, the
    smoothing and the stop are fastai's.
    """
    if not 0 < start < end < math.inf:
        raise ValueError(f"start and end must be above 0 in this order, got {start} and {end}")
    if end / start > 1e30:  # float32 must hold it
        raise ValueError(f"end must be at most 1e30 times start, got {start} and {end}")
    if steps < 2:
        raise ValueError(f"steps must be 2 or more, got {steps}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be from 0 to below 1, got {smoothing}")
    check_batches(model, data)
    strategy = strategy or tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ValueError(
            "strategy must be of one process: a learning rate found on one holds for all of the same batch"
        )
    with strategy.scope():
        if not model.built:
            model.build(tf.nest.map_structure(lambda spec: tuple(spec.shape), data.element_spec[0]))
        with restored(model):
            rate = keras.optimizers.schedules.ExponentialDecay(start, steps - 1, end / start)
            compile_fresh(model, data, optimizer, loss).learning_rate = rate
            rates, losses, smoothed = _sweep(model, data, strategy, class_weight, steps, end, smoothing)
    if len(losses) < 2:
        raise NonFiniteLossError(
            f"the loss is NaN or infinite at the lowest learning rate, {start:g}: look for NaN in the inputs, or give "
            "a lower start"
        )
    return LearningRateSweep(np.array(rates), np.array(losses), np.array(smoothed))


def compile_fresh(
    model: keras.Model, data: tf.data.Dataset, optimizer: keras.optimizers.Optimizer | str | None, loss: Any
) -> keras.optimizers.Optimizer:
    """Compile the model, inside `restored`, for steps that no metric counts and no optimizer in use remembers.

    Args:
        model: built.
        data: batches (inputs, labels).
        optimizer: default: like the one the model was compiled with, else Adam.
        loss: default: what the model was compiled with, else what fits logits and labels.

    Returns:
        The optimizer that takes the steps.
    """
    given = optimizer or (model.optimizer if model.compiled else None)
    fresh = fresh_optimizer(keras.optimizers.get(given or "adam"))
    fresh.build(model.trainable_variables)
    objective.compile_for(model, data, fresh, loss, [])
    build(model, data)
    return fresh


def _sweep(
    model: keras.Model,
    data: tf.data.Dataset,
    strategy: tf.distribute.Strategy,
    class_weight: dict[int, float] | None,
    steps: int,
    end: float,
    smoothing: float,
) -> tuple[list[float], list[float], list[float]]:
    """Take the steps; returns rates, finite losses and their moving average."""
    prepare = partial(objective.weighted, model, class_weight)
    run = make_runner(model, strategy, training=True)
    batches = passes(data, strategy.num_replicas_in_sync, prepare, 0, 0)
    iterator = next(batches)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    # An optimizer that accumulates takes several batches in a step; the bound is for one that never takes another,
    # as float16's loss scaling does where gradients are not finite.
    for _ in range(64 * steps):
        rate = float(model.optimizer.learning_rate)
        if rate > 1.001 * end:
            break
        model.reset_metrics()  # else the loss would be the mean of all steps
        done, loss = run(iterator, tf.constant(1))
        if not int(done):
            iterator = next(batches)
            done, loss = run(iterator, tf.constant(1))
            if not int(done):
                raise ValueError("the training data set is empty")
        mean = float(loss) / strategy.num_replicas_in_sync  # the runner adds up the means of equal parts
        if not math.isfinite(mean):
            break
        objective.check_binary(model, mean)
        average = smoothing * average + (1 - smoothing) * mean
        rates.append(rate)
        losses.append(mean)
        smoothed.append(average / (1 - smoothing ** len(losses)))
        if smoothed[-1] > 4 * min(smoothed):
            break
    return rates, losses, smoothed


def _valley(losses: npt.NDArray[np.float64]) -> int:
    """Index half way into the longest falling subsequence (the first of the longest), as fastai counts it."""
    longest = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        above = longest[:i][losses[:i] > losses[i]]
        longest[i] = 1 + above.max(initial=0)
    end = int(longest.argmax())
    start, third = end - int(longest[end]), int(longest[end]) / 3
    return max(start + int(third) + int(third / 2), 0)
