"""Lookahead against algorithm 1 of its paper in NumPy, and under the loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import FusedAdam, fit
from tfconv.training.optimizers.wrappers import Lookahead


def two_loops(weights, gradients, rate, momentum, k, alpha):
    """Zhang et al. 2019, algorithm 1, with SGD's momentum inside, which is kept."""
    slow, fast, m = weights.astype("float64"), weights.astype("float64"), 0.0
    for t, gradient in enumerate(gradients, 1):
        m = momentum * m - rate(t - 1) * gradient
        fast = fast + m
        if t % k == 0:
            slow = slow + alpha * (fast - slow)
            fast = slow
    return fast


@pytest.mark.parametrize(("k", "alpha"), [(6, 0.5), (1, 0.3), (5, 0.8), (4, 1.0)])
@pytest.mark.parametrize("scheduled", [False, True])
def test_equals_the_paper(k, alpha, scheduled):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(4, 3)), rng.normal(size=(17, 4, 3))
    rate = keras.optimizers.schedules.PolynomialDecay(0.1, 17, 0.01) if scheduled else 0.1
    optimizer = Lookahead(keras.optimizers.SGD(rate, momentum=0.9), k, alpha)
    variable = keras.Variable(start.astype("float32"))
    optimizer.build([variable])
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    for gradient in gradients:
        step(tf.constant(gradient, tf.float32))
    course = (lambda t: 0.1 - 0.09 * t / 17) if scheduled else (lambda t: 0.1)
    np.testing.assert_allclose(variable, two_loops(start, gradients, course, 0.9, k, alpha), rtol=1e-4, atol=1e-5)
    assert int(optimizer.iterations) == 17


def test_slow_weights_start_where_training_does():
    """Not where the optimizer was built: weights may be loaded in between."""
    variable = keras.Variable(np.zeros(2, "float32"))
    optimizer = Lookahead(keras.optimizers.SGD(0.1), k=1, alpha=0.5)
    optimizer.build([variable])
    variable.assign([1.0, 2.0])
    optimizer.apply([tf.ones(2)], [variable])
    np.testing.assert_allclose(variable, [0.95, 1.95], rtol=1e-6)


def test_accumulated_batches_count_as_one_update():
    gradients = np.random.default_rng(1).normal(size=(12, 3))
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer = Lookahead(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), k=3, alpha=0.5)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
    pairs = gradients.reshape(6, 2, 3).mean(axis=1)
    np.testing.assert_allclose(variable, two_loops(np.ones(3), pairs, lambda t: 0.1, 0.0, 3, 0.5), rtol=1e-5)


def net():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)])


def points(batch=8, n=48):
    x = np.random.default_rng(5).normal(size=(n, 6)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32"))).batch(batch)


def wrapped(**arguments):
    inner = FusedAdam(0.05, weight_decay=0.01, global_clipnorm=1.0, use_ema=True, ema_momentum=0.9, **arguments)
    optimizer = Lookahead(inner, k=4)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def test_resumes_to_the_bit_between_two_synchronisations(tmp_path):
    results = []
    for runs in ((5,), (2, 5)):  # 6 steps an epoch: 12 of them are three periods, and 5 epochs end in the middle of one
        run_dir = tmp_path / str(len(runs))
        for i, epochs in enumerate(runs):
            model = net()
            fit(model, points(), epochs=epochs, optimizer=wrapped(), run_dir=run_dir, resume=i > 0, verbose=0)
        results.append((model.get_weights(), [v.numpy() for v in model.optimizer.variables]))
    for whole, resumed in zip(results[0], results[1], strict=True):
        for one, other in zip(whole, resumed, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_learning_rate_is_the_inner_one_and_a_plateau_lowers_it():
    optimizer = Lookahead(FusedAdam(0.5))
    lower = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=0, min_delta=1e9)
    fit(net(), points(), epochs=3, optimizer=optimizer, callbacks=[lower], verbose=0)
    assert float(optimizer.learning_rate) == pytest.approx(0.005)
    assert float(optimizer.inner_optimizer.learning_rate) == pytest.approx(0.005)


def test_a_period_longer_than_training_changes_nothing():
    results = []
    for optimizer in (wrapped().inner_optimizer, Lookahead(wrapped().inner_optimizer, k=99)):
        model = net()
        fit(model, points(), epochs=2, optimizer=optimizer, verbose=0)
        results.append(model.get_weights())
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_replicas_equal_one(two_replicas):
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = net()
        optimizer = Lookahead(keras.optimizers.SGD(0.1, momentum=0.9), k=4)
        fit(model, points(), epochs=3, optimizer=optimizer, strategy=strategy, verbose=0)
        results.append(model.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_saved_with_its_model(tmp_path):
    model = net()
    fit(model, points(), epochs=1, optimizer=Lookahead(FusedAdam(0.03), 4, 0.7), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is Lookahead and type(loaded.optimizer.inner_optimizer) is FusedAdam
    assert (loaded.optimizer.k, loaded.optimizer.alpha) == (4, 0.7)
    for one in (model, loaded):
        fit(one, points(), epochs=2, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be a whole number of 1 or more, got 0"),
        ({"k": 2.5}, "k must be .* got 2.5"),
        ({"alpha": 0}, "alpha must be above 0 and at most 1, got 0"),
        ({"alpha": float("nan")}, "alpha must be .* got nan"),
    ],
)
def test_mistakes_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        Lookahead(FusedAdam(0.1), **arguments)
