"""FusedAdam against Adam written down in NumPy, and against Keras' own where Keras sums repeated rows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import fit
from tfconv.training.optimizers.adam import FusedAdam
from tfconv.training.optimizers.schedules import OneCycle


def by_the_book(weights, gradients, rate=0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """Kingma & Ba 2015, section 2: alpha_t = alpha sqrt(1 - beta_2^t) / (1 - beta_1^t)."""
    weights, m, v = weights.astype("float64"), 0.0, 0.0
    for t, gradient in enumerate(gradients, 1):
        m = beta_1 * m + (1 - beta_1) * gradient
        v = beta_2 * v + (1 - beta_2) * gradient**2
        weights = weights - rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)
    return weights


def with_cycled_momentum(weights, gradients, betas, rate=0.01, beta_2=0.999, epsilon=1e-7):
    """The first moment is the mean of the gradients seen, each weighted by what the later betas left of it."""
    weights, v = weights.astype("float64"), 0.0
    for t, gradient in enumerate(gradients, 1):
        shares = [(1 - betas[i]) * np.prod(betas[i + 1 : t]) for i in range(t)]
        mean = sum(share * g for share, g in zip(shares, gradients, strict=False)) / sum(shares)
        v = beta_2 * v + (1 - beta_2) * gradient**2
        correction = np.sqrt(1 - beta_2**t)
        weights = weights - rate * correction * mean / (np.sqrt(v) + epsilon)
    return weights


def after_steps(optimizer, variable, gradients):
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    for gradient in gradients:
        step(tf.constant(gradient))
    return variable.numpy()


def test_equals_the_paper_and_keras():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(5, 3)).astype("float32")
    gradients = rng.normal(size=(7, 5, 3)).astype("float32")
    results = []
    for optimizer in (FusedAdam(0.01), keras.optimizers.Adam(0.01)):
        variable = keras.Variable(start)
        optimizer.build([variable])
        results.append(after_steps(optimizer, variable, gradients))
    np.testing.assert_allclose(results[0], by_the_book(start, gradients), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5, atol=1e-6)


def test_momentum_that_changes_is_corrected_by_its_product():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(5, 3)).astype("float32")
    gradients = rng.normal(size=(12, 5, 3)).astype("float32")
    cycle = OneCycle(0.95, 0.5, 0.95, 12, 4)
    variable = keras.Variable(start)
    optimizer = FusedAdam(0.01, beta_1=cycle)
    optimizer.build([variable])
    result = after_steps(optimizer, variable, gradients)
    betas = cycle(np.arange(12)).numpy().astype("float64")
    np.testing.assert_allclose(result, with_cycled_momentum(start, gradients, betas), rtol=1e-5, atol=1e-6)
    assert len(optimizer.variables) == len(FusedAdam().variables) + 4  # two moments, beta_1 and the product
    with pytest.raises(ValueError, match="amsgrad must be False"):
        FusedAdam(beta_1=cycle, amsgrad=True)


def test_a_schedule_that_stays_is_a_number():
    gradients = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    results = []
    for beta_1 in (0.8, keras.optimizers.schedules.ExponentialDecay(0.8, 1, 1.0)):
        variable = keras.Variable(np.ones(4, "float32"))
        optimizer = FusedAdam(0.01, beta_1, weight_decay=0.1, global_clipnorm=1.0)
        optimizer.build([variable])
        results.append(after_steps(optimizer, variable, gradients))
    np.testing.assert_allclose(*results, rtol=1e-6)


def test_rows_named_twice_are_summed_first():
    start = np.ones((4, 2), "float32")
    variable = keras.Variable(start)
    parts = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]), tf.constant([4, 2]))
    dense = np.zeros((4, 2))
    dense[1] = [4, 6]
    optimizer = FusedAdam(0.01)
    for _ in range(3):
        optimizer.apply([parts], [variable])
    np.testing.assert_allclose(variable, by_the_book(start, [dense] * 3), rtol=1e-6)


@pytest.mark.parametrize("settings", [{"amsgrad": True}, {"clipnorm": 0.1}, {"weight_decay": 0.1}, {"use_ema": True}])
def test_what_surrounds_the_update_is_keras_own(settings):
    results = []
    for kind in (FusedAdam, keras.optimizers.Adam):
        variable = keras.Variable(np.ones((3, 2), "float32"))
        optimizer = kind(0.05, **settings)
        for scale in (1.0, -2.0, 0.5):
            optimizer.apply([tf.fill([3, 2], scale)], [variable])
        optimizer.finalize_variable_values([variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)


def test_learning_rate_schedules_and_half_precision_weights():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])
    variable = keras.Variable(np.ones(3, "float32"), dtype="float16")
    optimizer = FusedAdam(schedule)
    for _ in range(4):
        optimizer.apply([tf.ones(3)], [variable])
    assert variable.dtype == "float16"
    np.testing.assert_allclose(variable, np.full(3, 0.8), atol=2e-3)


@pytest.mark.parametrize("beta_1", [0.9, OneCycle(0.95, 0.85, 0.95, 3, 1)])
def test_two_replicas_equal_one(two_replicas, beta_1):
    x, y = np.random.default_rng(0).integers(1, 9, (4, 6)), np.array([0, 1, 1, 0])
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = keras.Sequential([keras.layers.Embedding(9, 4), keras.layers.Flatten(), keras.layers.Dense(1)])
            model.build((None, 6))
            model.compile(FusedAdam(0.01, beta_1), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
        fit(model, tf.data.Dataset.from_tensors((x, y[:, None])), epochs=3, strategy=strategy, verbose=0)
        results.append(model.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("beta_1", [0.9, OneCycle(0.95, 0.85, 0.95, 3, 1)])
def test_saved_with_its_model(tmp_path, beta_1):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(FusedAdam(0.02, beta_1), "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is FusedAdam
    for m in (model, loaded):
        m.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
