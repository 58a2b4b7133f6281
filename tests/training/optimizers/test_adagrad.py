"""FusedAdagrad against NumPy, and its rows against the dense update."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import FusedAdagrad


def numpys(table, gradients, rate=0.1, start=0.1, epsilon=1e-7):
    squares = np.full_like(table, start)
    for gradient in gradients:
        squares = squares + gradient**2
        table = table - rate * gradient / (np.sqrt(squares) + epsilon)
    return table


def slices(batch, shape):
    rows, values = batch
    return tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows), tf.constant(shape))


def dense(batch, shape):
    total = np.zeros(shape, "float32")
    np.add.at(total, batch[0], batch[1])
    return total


@pytest.mark.parametrize("traced", [False, True])
def test_rows_move_as_in_the_dense_update_and_as_in_numpy(traced):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(50, 3)).astype("float32")
    batches = [(rng.integers(0, 50, 12), rng.normal(size=(12, 3)).astype("float32")) for _ in range(5)]
    results = []
    for gradient_of in (slices, lambda *of: tf.constant(dense(*of))):
        variable, optimizer = keras.Variable(table), FusedAdagrad(0.1)
        optimizer.build([variable])
        step = lambda batch: optimizer.apply([gradient_of(batch, table.shape)], [variable])  # noqa: B023, E731
        for batch in batches:
            (tf.function(lambda: step(batch)) if traced else lambda: step(batch))()  # noqa: B023
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)
    np.testing.assert_allclose(results[0], numpys(table, [dense(batch, table.shape) for batch in batches]), rtol=1e-5)


def test_equals_keras_but_for_the_place_of_epsilon():
    rng = np.random.default_rng(1)
    table, gradients = rng.normal(size=(4, 3)), [rng.normal(size=(4, 3)) for _ in range(4)]
    results = []
    for kind in (FusedAdagrad, keras.optimizers.Adagrad):
        variable, optimizer = keras.Variable(table, dtype="float32"), kind(0.05, initial_accumulator_value=0.2)
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
        results.append(variable.numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_clipping_sees_the_sum_of_a_repeated_row():
    batch = (np.array([2, 2]), np.array([[3.0], [1.0]], "float32"))
    variable, optimizer = keras.Variable(np.zeros((4, 1))), FusedAdagrad(0.1, global_clipnorm=0.5)
    optimizer.apply([slices(batch, (4, 1))], [variable])
    np.testing.assert_allclose(variable.numpy()[2], -0.1 * 0.5 / np.sqrt(0.1 + 0.25), rtol=1e-5)


def test_saved_with_its_model(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(FusedAdagrad(0.3, initial_accumulator_value=0.01), "mse")
    model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    for one, other in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
