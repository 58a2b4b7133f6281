"""Averages of the weights over training: exponential (EMA), and stochastic weight averaging (SWA)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfconv.training.loop.feed import first_epoch

__all__ = ["EMAWeights", "StochasticWeightAveraging"]


class EMAWeights(keras.callbacks.Callback):
    """Validate with the exponential moving average of the weights that the optimizer computes.

    For optimizers with `use_ema=True`, which compute average = m average + (1 - m) weights after every step (m is
    `ema_momentum`; batch normalisation's moving statistics, averages already, are left as they are). The average is in
    the model from validation to the beginning of the next epoch, so callbacks after this one, such as
    `EarlyStopping(restore_best_weights=True)` or `ModelCheckpoint`, save the weights that were scored. At the end of
    training Keras puts the average into the model.

    It differs from `keras.callbacks.SwapEMAWeights` in three ways: weights are restored bit for bit, where Keras swaps
    by adding and subtracting; training can resume from a checkpoint that was written meanwhile; and early stopping ends
    with averaged weights.

    State for checkpoints: `raw_weights`, the trainable weights while the average is in their place, else empty.

    Raises:
        ValueError: at the beginning of training, where the optimizer has no average.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw_weights: list[np.ndarray] = []
        self._in_epoch = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Check the optimizer."""
        self.raw_weights, self._in_epoch = [], False
        if not _with_average(self.model.optimizer).use_ema:
            raise ValueError("the optimizer must keep an average for EMAWeights: give it use_ema=True, got False")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Restore the raw weights."""
        self._in_epoch = True
        for variable, value in zip(self.model.trainable_variables, self.raw_weights, strict=bool(self.raw_weights)):
            variable.assign(value)
        self.raw_weights = []

    def on_test_begin(self, logs: Any = None) -> None:
        """Put the average into the model."""
        if self._in_epoch:  # else it is an evaluation of its own, after training
            self._use_average()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Put the average into the model, for the callbacks after this one."""
        self._use_average()
        self._in_epoch = False

    def on_train_end(self, logs: Any = None) -> None:
        """Drop the raw weights: training ends with the average."""
        self.raw_weights, self._in_epoch = [], False

    def _use_average(self) -> None:
        if self.raw_weights:
            return
        variables = self.model.trainable_variables
        self.raw_weights = [variable.numpy() for variable in variables]
        averages = _with_average(self.model.optimizer)._model_variables_moving_average
        for variable, average in zip(variables, averages, strict=True):
            variable.assign(average.numpy())


def _with_average(optimizer: Any) -> keras.optimizers.Optimizer:
    """The innermost of wrapped optimizers, which has the average."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


class StochasticWeightAveraging(keras.callbacks.Callback):
    """Stochastic weight averaging: end training with the mean of the weights after each of the last epochs.

    Trainable weights are averaged in float64. Batch normalisation's moving mean and variance do not fit averaged
    weights, so they are computed again at the end of training: the mean of each batch's mean and variance over one pass
    of the training data, weighted by the size of the batch. It works best with a learning rate that stays high over the
    averaged epochs. Where training stops before `start_epoch`, nothing is averaged. Validation scores of the epochs are
    those of the weights before averaging.

    Args:
        train: the training batches (inputs, labels...), for the statistics.
        start_epoch: the first epoch to average, from 0.

    State for checkpoints: `count`, the epochs averaged, and `sums`, the sum of each trainable weight over them.

    Raises:
        ValueError: `start_epoch` is negative, `train` has no end, or training resumes after `start_epoch` with sums
            that began at another epoch.

    Reference: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018, algorithm 1
        and section 3.2.
    """

    def __init__(self, train: tf.data.Dataset, start_epoch: int) -> None:
        super().__init__()
        if start_epoch < 0:
            raise ValueError(f"start_epoch must be 0 or more, got {start_epoch}")
        if int(train.cardinality()) == tf.data.INFINITE_CARDINALITY:
            raise ValueError("train must have an end, for one pass of it: give the data set without .repeat()")
        self._train = train
        self.start_epoch = start_epoch
        self.count = 0
        self.sums: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin with no epoch."""
        self.count, self.sums = 0, []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Check that the sums of a resumed training are those of the epochs from `start_epoch`."""
        if epoch <= self.start_epoch:
            self.count, self.sums = 0, []
        elif self.count != epoch - self.start_epoch:
            raise ValueError(
                f"start_epoch must be as before to go on at epoch {epoch} with {self.count} epochs averaged: "
                f"{epoch - self.count}, got {self.start_epoch}"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the weights of this epoch."""
        if epoch < self.start_epoch:
            return
        weights = [variable.numpy().astype(np.float64) for variable in self.model.trainable_variables]
        self.sums = [a + b for a, b in zip(self.sums, weights, strict=True)] if self.count else weights
        self.count += 1

    def on_train_end(self, logs: Any = None) -> None:
        """Put the mean into the model, and statistics to match."""
        if not self.count:
            return
        for variable, total in zip(self.model.trainable_variables, self.sums, strict=True):
            variable.assign((total / self.count).astype(variable.dtype))
        renew_batch_norm_statistics(self.model, first_epoch(self._train))


def renew_batch_norm_statistics(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Set batch normalisation's moving statistics to the mean of the batches' statistics, weighted by their examples.

    Layers that are not trainable are left as they are. Everything else that a forward pass in training changes, such as
    seeds of dropout, is restored.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not layers:
        return
    statistics = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    before = [(variable, variable.numpy()) for variable in model.non_trainable_variables]
    momenta = [layer.momentum for layer in layers]
    totals, examples = [np.zeros(variable.shape) for variable in statistics], 0
    try:
        for layer in layers:
            layer.momentum = 0.0  # its moving statistics are then those of the last batch
        forward = tf.function(lambda inputs: model(inputs, training=True), reduce_retracing=True)
        for inputs, *_ in batches:
            forward(inputs)
            n = len(tf.nest.flatten(inputs)[0])
            examples += n
            totals = [total + n * variable.numpy() for total, variable in zip(totals, statistics, strict=True)]
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for variable, value in before:
            variable.assign(value)
    for variable, total in zip(statistics, totals, strict=True):
        variable.assign((total / examples).astype(variable.dtype))
