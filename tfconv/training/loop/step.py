"""Many steps of training or evaluation in one call of a graph, under any `tf.distribute` strategy."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfconv.training.loop.feed import part

__all__: list[str] = []

Runner = Callable[[Any, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def make_runner(model: keras.Model, strategy: tf.distribute.Strategy, *, training: bool) -> Runner:
    """Make a function (iterator, steps) -> (steps done, last loss) around `model.train_step` or `model.test_step`.

    A step computes what it does in Keras, so a model that overrides `train_step` works unchanged. The number of steps
    is a tensor: one trace serves every number. The loop ends early with the data, and in training after the first step
    whose running mean loss is not finite (that of this process: with several, all continue, since one that stopped
    alone would leave the others waiting). Several steps share one call, because starting a step of a few milliseconds
    from Python takes as long again.
    """
    step = model.train_step if training else model.test_step
    watched = training and not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    replicas = strategy.num_replicas_in_sync

    def loss_of(data: object) -> tf.Tensor:
        logs = step(data)
        return tf.cast(tf.convert_to_tensor(logs["loss"]), tf.float32)

    @tf.autograph.experimental.do_not_convert
    def replica_loss(data: object) -> tf.Tensor:
        if replicas == 1:
            return loss_of(data)
        context = tf.distribute.get_replica_context()
        data = part(data, context.replica_id_in_sync_group, replicas, training=training)
        if training:
            return loss_of(data)
        # The mean over no example is NaN, which would stay in the running mean of the whole evaluation.
        examples = tf.shape(tf.nest.flatten(data)[0])[0]
        return tf.cond(examples > 0, lambda: loss_of(data), lambda: 0.0)

    @tf.autograph.experimental.do_not_convert
    def one_step(data: Any) -> tf.Tensor:
        losses = strategy.run(replica_loss, args=(data,))
        return tf.add_n(list(strategy.experimental_local_results(losses)))

    @tf.function(reduce_retracing=True)
    def run(iterator: Any, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        done = tf.constant(0)
        loss = tf.constant(0.0)
        more = tf.constant(True)
        while done < steps and more and (not watched or tf.math.is_finite(loss)):
            # next() in a graph lets operations that need no data (counting iterations) run before it fails at the end.
            batch = iterator.get_next_as_optional()
            more = batch.has_value()
            if more:
                loss = one_step(batch.get_value())
                done += 1
        return done, loss

    return run


def next_call_steps(steps_done: int, wanted: int, seconds: float, *, alone: bool = True) -> int:
    """Return the number of steps for the next call: one of 0.1 to 0.4 s, so that Ctrl-C and progress stay prompt.

    With several workers, calls are five times as long, because the workers exchange metrics and requests after each.
    """
    longer = 1.0 if alone else 5.0
    if seconds < 0.1 * longer and steps_done == wanted:
        return min(wanted * 2, 1024)
    if seconds > 0.4 * longer:
        return max(wanted // 2, 1)
    return wanted


def has_batch_hook(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback wants to be called at every step."""
    if isinstance(callback, keras.callbacks.TerminateOnNaN):
        return False  # it needs the logs, at whatever rate
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    own = [(getattr(callback, hook), getattr(keras.callbacks.Callback, hook)) for hook in hooks]
    return any(getattr(found, "__func__", None) is not inherited for found, inherited in own)
