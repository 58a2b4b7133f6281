"""`evaluate`: loss and metrics of a model, under any `tf.distribute` strategy."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfconv.training.loop import feed, objective
from tfconv.training.loop.feed import build, prepared
from tfconv.training.loop.step import Runner, make_runner

__all__ = ["evaluate"]


def evaluate(
    model: keras.Model, data: tf.data.Dataset, *, strategy: tf.distribute.Strategy | None = None
) -> dict[str, float]:
    """Return loss and metrics of a model over a data set, each a mean over examples, as `model.evaluate` does.

    Args:
        model: compiled, or ready for the defaults of `fit`.
        data: batches (inputs, labels); the last may be smaller. With several workers each must be given the same.
        strategy: Default: the strategy in force.

    Raises:
        ValueError: the data set is empty or has no end, the model belongs to another strategy, or a metric gives
            several numbers.
    """
    feed.check_batches(model, data)
    if int(data.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise ValueError("the data set to evaluate on has no end: give it one, as with .take(1000)")
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        if strategy.num_replicas_in_sync > 1:  # one can score what several made
            feed.check_scope(model, strategy)
        objective.compile_for(model, data)
        build(model, data)
        runner = make_runner(model, strategy, training=False)
        return evaluated(model, runner, prepared(data, training=False), None)


def evaluated(
    model: keras.Model,
    runner: Runner,
    data: Any,
    callbacks: keras.callbacks.CallbackList | None,
    between: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Score a data set with the test runner, and call the callbacks.

    `between` is called after each call of the graph, of up to 64 batches.
    """
    if callbacks:
        callbacks.on_test_begin()
    model.reset_metrics()
    iterator, wanted, batches, more = iter(data), 1, 0, True
    while more:
        if callbacks:
            callbacks.on_test_batch_begin(batches)
        done = int(runner(iterator, tf.constant(wanted))[0])
        batches, more = batches + done, done == wanted
        wanted = min(wanted * 2, 64)
        if callbacks and done:
            callbacks.on_test_batch_end(batches - 1)
        between()
    if not batches:
        raise ValueError("the data set to evaluate on is empty")
    logs = plain(model.get_metrics_result())
    if callbacks:
        callbacks.on_test_end(logs)
    return logs


def plain(logs: dict[str, Any]) -> dict[str, float]:
    """Return logs as Python floats.

    Raises:
        ValueError: a metric gives several numbers, one a class for example.
    """
    for name, value in logs.items():
        if shape := keras.ops.shape(value):
            raise ValueError(
                f"the metric {name!r} must give one number, got shape {shape}: let it average over the classes, as "
                'keras.metrics.F1Score(average="macro") does'
            )
    return {name: float(value) for name, value in logs.items()}
