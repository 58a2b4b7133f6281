"""ScheduledSGD against the update written down, and against Keras' where the schedule stays."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import ScheduledSGD
from tfconv.training.optimizers.schedules import OneCycle

CYCLE = OneCycle(0.95, 0.5, 0.95, 8, 3)


def after(optimizer, gradients):
    variable = keras.Variable(np.ones(4, "float32"))
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    for gradient in gradients:
        step(tf.constant(gradient))
    return variable.numpy()


@pytest.mark.parametrize("nesterov", [False, True])
def test_equals_the_update_written_down(nesterov):
    gradients = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    weights, velocity = np.ones(4), np.zeros(4)
    for gradient, momentum in zip(gradients, CYCLE(np.arange(8)).numpy(), strict=True):
        velocity = momentum * velocity - 0.1 * gradient
        weights += momentum * velocity - 0.1 * gradient if nesterov else velocity
    optimizer = ScheduledSGD(0.1, CYCLE, nesterov=nesterov)
    loaded = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    for one in (optimizer, loaded):
        np.testing.assert_allclose(after(one, gradients), weights, rtol=1e-5)


def test_a_schedule_that_stays_is_a_number():
    gradients = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")
    rest = {"nesterov": True, "weight_decay": 0.1, "global_clipnorm": 1.0}
    constant = keras.optimizers.schedules.ExponentialDecay(0.8, 1, 1.0)
    ours, kerass = ScheduledSGD(0.1, constant, **rest), keras.optimizers.SGD(0.1, 0.8, **rest)
    np.testing.assert_allclose(after(ours, gradients), after(kerass, gradients), rtol=1e-5)
    with pytest.raises(ValueError, match="momentum must be a schedule .* got 0.9"):
        ScheduledSGD(0.1, 0.9)


def test_two_replicas_equal_one(two_replicas):
    x, y = np.random.default_rng(0).normal(size=(8, 3)).astype("float32"), np.ones((8, 1), "float32")
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
            model.compile(ScheduledSGD(0.1, CYCLE), "mse", jit_compile=False)
        model.fit(x, y, batch_size=8, epochs=5, shuffle=False, verbose=0)
        results.append(model.get_weights()[0])
    np.testing.assert_allclose(*results, rtol=1e-5)
