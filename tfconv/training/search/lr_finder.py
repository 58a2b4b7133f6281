"""The learning-rate finder: training steps with a growing learning rate, and the rates at which the loss falls."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tfconv.training.loop import objective
from tfconv.training.loop.engine import NonFiniteLossError
from tfconv.training.loop.feed import Feed, build, build_model, check_batches
from tfconv.training.loop.model_state import fresh_optimizer, restored
from tfconv.training.loop.step import make_runner

__all__ = ["LearningRateSweep", "lr_find"]


@dataclasses.dataclass(frozen=True, eq=False)
class LearningRateSweep:
    """Loss over the learning rate, as `lr_find` measured it.

    Attributes:
        rates: (n,) learning rate of each step.
        losses: (n,) loss of each step's batch, before the step.
        smoothed: (n,) moving average of the losses.
    """

    rates: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    smoothed: npt.NDArray[np.float64]

    def suggestions(self) -> dict[str, float]:
        """Suggest three learning rates, the most reliable first.

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
    rates: tuple[float, float] = (1e-7, 10.0),
    steps: int = 100,
    smoothing: float = 0.98,
) -> LearningRateSweep:
    """Train for some steps with a learning rate that grows geometrically, and record the loss of each.

    The sweep stops when the smoothed loss is above four times its lowest value, or is NaN or infinite. The model ends
    as it began: weights, statistics, seeds, metrics, the compiled state and the optimizer are bit-equal afterwards,
    also after an error or Ctrl-C. The steps are taken by an optimizer of the same settings without history. Weight
    decay follows the rate, as it does in training. The strategy is the one in force.

    Args:
        model: any Keras model; made under `strategy.scope()` where there are several replicas.
        data: training batches, as for `fit`; started again where there are fewer than `steps`. Training data of
            `tfconv.data` keeps its order of epochs; another data set that shuffles anew has been iterated afterwards.
        optimizer: Default: like the one the model was compiled with, else Adam. Its learning rate is not used.
        loss: Default: what the model was compiled with, else as in `fit`.
        class_weight: weight of each class number in the loss.
        rates: learning rates of the first and the last step.
        steps: steps at most; an optimizer that accumulates gradients takes several batches for each.
        smoothing: decay of the moving average of the loss, which is corrected for its start at 0.

    Returns:
        The rates and losses up to the stop, with suggestions.

    Raises:
        NonFiniteLossError: the loss is NaN or infinite within the first two steps, at the lowest rates.
        ValueError: an argument is out of range, the data set is empty, or the strategy has several processes.

    References: Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3; the sweep, the
    smoothing and the stop are fastai's.
    """
    start, end = rates
    if not 0 < start < end < math.inf:
        raise ValueError(f"rates must be two numbers above 0, the second one greater, got {rates}")
    if end / start > 1e30:  # float32 must hold it
        raise ValueError(f"the second of rates must be at most 1e30 times the first, got {rates}")
    if steps < 2:
        raise ValueError(f"steps must be 2 or more, got {steps}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be from 0 to below 1, got {smoothing}")
    check_batches(model, data)
    strategy = tf.distribute.get_strategy()
    if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        raise ValueError(
            "strategy must be of one process: a learning rate found on one holds for all of the same batch"
        )
    build_model(model, data)
    with restored(model):
        rate = keras.optimizers.schedules.ExponentialDecay(start, steps - 1, end / start)
        compile_fresh(model, data, optimizer, loss).learning_rate = rate
        feed = Feed(objective.weighted(model, class_weight, data), strategy.num_replicas_in_sync)
        # An optimizer that accumulates takes several batches in a step; the bound is for one that never takes another,
        # as float16's loss scaling does where gradients are not finite.
        sweep = _sweep(model, feed, end, smoothing, most=64 * steps)
    if len(sweep.losses) < 2:
        raise NonFiniteLossError(
            f"the loss is NaN or infinite at the lowest learning rate, {start:g}: look for NaN in the inputs, or give "
            "lower rates"
        )
    return sweep


def compile_fresh(
    model: keras.Model, data: tf.data.Dataset, optimizer: keras.optimizers.Optimizer | str | None, loss: Any
) -> keras.optimizers.Optimizer:
    """Compile the model, inside `restored`, for trial steps: without metrics, and with an optimizer of their own.

    Args:
        model: built.
        data: batches (inputs, labels).
        optimizer: Default: like the one the model was compiled with, else Adam.
        loss: Default: what the model was compiled with, else as in `fit`.

    Returns:
        The optimizer that takes the steps.
    """
    given = optimizer or (model.optimizer if model.compiled else None)
    fresh = fresh_optimizer(keras.optimizers.get(given or "adam"))
    fresh.build(model.trainable_variables)
    objective.compile_for(model, data, fresh, loss, [])
    build(model, data)
    return fresh


def _sweep(model: keras.Model, feed: Feed, end: float, smoothing: float, *, most: int) -> LearningRateSweep:
    """Take the steps, of `most` batches; the losses are finite."""
    strategy = tf.distribute.get_strategy()
    run = make_runner(model, strategy, training=True)
    rates: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    for _ in range(most):
        rate = float(model.optimizer.learning_rate)
        if rate > 1.001 * end:
            break
        model.reset_metrics()  # else the loss would be the mean of all steps
        done, loss = run(feed.iterator, tf.constant(1))
        if not int(done):
            feed.start_again()
            done, loss = run(feed.iterator, tf.constant(1))
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
    return LearningRateSweep(np.array(rates), np.array(losses), np.array(smoothed))


def _valley(losses: npt.NDArray[np.float64]) -> int:
    """Index half way into the longest falling subsequence (the first of the longest), as fastai counts it."""
    longest = np.ones(len(losses), int)
    for i in range(1, len(losses)):
        above = longest[:i][losses[:i] > losses[i]]
        longest[i] = 1 + above.max(initial=0)
    end = int(longest.argmax())
    start, third = end - int(longest[end]), int(longest[end]) / 3
    return max(start + int(third) + int(third / 2), 0)
