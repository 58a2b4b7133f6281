"""Gradients of several replicas, summed before they are clipped or accumulated."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

__all__: list[str] = []


def reduce_gradients_first(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer clip, accumulate and check the gradient of the whole batch.

    Keras clips, accumulates and looks for infinities in each replica's own gradient, and sums what is left: with a
    `global_clipnorm` the weights then depend on the number of replicas, and with loss scaling one worker skips
    an update that the others make.

    Args:
        optimizer: any of Keras, also one around another (loss scaling) or several (`MultiOptimizer`).
    """
    if "apply" in vars(optimizer):
        return
    apply = optimizer.apply

    def apply_to_sum(grads: Iterable[Any], trainable_variables: Any = None) -> Any:
        grads = list(grads)
        context = tf.distribute.get_replica_context()
        present = [gradient for gradient in grads if gradient is not None]
        if context is not None and context.num_replicas_in_sync > 1 and present:
            optimizer.gathers_rows = any(isinstance(gradient, tf.IndexedSlices) for gradient in present)
            summed = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, present))
            grads = [None if gradient is None else next(summed) for gradient in grads]
            _sum_no_more(optimizer)  # now that the inner ones exist: some are made with the variables
        return apply(grads, trainable_variables)

    optimizer.apply = apply_to_sum


def gathers_rows(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether replicas exchange rows of an embedding's gradient; known once a step was traced.

    Workers exchange as many rows as a batch has tokens. TensorFlow lets this number differ between calls of a graph,
    not between steps of a loop within it.
    """
    return getattr(optimizer, "gathers_rows", False)


def _sum_no_more(optimizer: keras.optimizers.Optimizer) -> None:
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs
    for value in [*vars(optimizer).values(), *getattr(optimizer, "optimizers", ())]:
        if isinstance(value, keras.optimizers.Optimizer):
            _sum_no_more(value)
