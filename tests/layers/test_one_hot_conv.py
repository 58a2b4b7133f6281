"""OneHotConv1D against Keras' convolution over one-hot vectors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers import OneHotConv1D, OneHotTokens
from tfconv.training import FusedAdagrad, LazyAdam


def made(**arguments) -> OneHotConv1D:
    layer = OneHotConv1D(**arguments)
    layer.build((None, None))
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=layer.kernel.shape)
    kernel[0] = 0
    layer.kernel.assign(kernel)
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


def by_keras(layer: OneHotConv1D, ids: np.ndarray) -> np.ndarray:
    """The same by one-hot vectors, Conv1D and maxima, each text alone."""
    width = layer.kernel_size
    one_hot = OneHotTokens(layer.input_dim, first=layer.first, mask_zero=False)
    convolution = keras.layers.Conv1D(layer.filters, width, padding="valid")
    convolution.build((None, None, layer.input_dim - layer.first))
    kernel = layer.kernel.numpy()[1:].reshape(-1, width, layer.filters).transpose(1, 0, 2)
    convolution.set_weights([kernel, np.zeros(layer.filters)])
    results = []
    for row in ids:
        text = np.pad(row[row != 0], width - 1)
        windows = len(text) - width + 1 if len(text) > 2 * (width - 1) else 0
        scores = convolution(one_hot(text[None]))[0].numpy() if windows else np.zeros((0, layer.filters))
        for block in range(layer.blocks):
            part = scores[windows * block // layer.blocks : windows * (block + 1) // layer.blocks]
            largest = part.max(axis=0) if len(part) else np.zeros(layer.filters)
            results.append(np.maximum(largest + layer.bias.numpy(), 0))
    return np.reshape(results, (len(ids), -1))


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    extra=st.integers(0, 3),
    width=st.integers(1, 4),
    blocks=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_equals_a_convolution_over_one_hot_vectors(lengths, extra, width, blocks, seed):
    rng = np.random.default_rng(seed)
    steps = max(max(lengths) + extra, 1)
    ids = np.where(np.arange(steps) < np.array(lengths)[:, None], rng.integers(1, 11, (len(lengths), steps)), 0)
    layer = made(input_dim=11, filters=3, kernel_size=width, blocks=blocks)
    np.testing.assert_allclose(layer(ids), by_keras(layer, ids), rtol=1e-5, atol=1e-5)


def loss_and_gradients(layer, ids, weight):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(ids) * weight)
    return loss, tape.gradient(loss, [variable.value for variable in layer.trainable_variables])


def test_gradient_is_that_of_the_whole_computation_and_holds_touched_rows_only():
    rng = np.random.default_rng(1)
    ids = rng.integers(1, 40, (6, 30)).astype("int32")
    ids[2, 10:] = ids[4] = 0
    layer = made(input_dim=5000, filters=4, kernel_size=3, blocks=2)
    weight = tf.constant(rng.normal(size=(6, 8)), tf.float32)
    loss, (kernel, bias) = loss_and_gradients(layer, ids, weight)
    assert isinstance(kernel, tf.IndexedSlices) and kernel.values.shape[0] <= 6 * 8 * 3
    assert len(np.unique(kernel.indices)) == len(kernel.indices)

    table = tf.Variable(layer.kernel.numpy())
    rows, counted = layer._windows(tf.constant(ids))
    with tf.GradientTape() as tape:
        scores = tf.reduce_sum(tf.gather(tf.convert_to_tensor(table), rows), axis=2)
        best = [tf.reduce_max(tf.where(block[:, :, None], scores, -1e30), axis=1) for block in counted]
        best = tf.concat(best, axis=1)
        best = tf.where(best > -1e29, best, 0)
        expected = tf.reduce_sum(tf.nn.relu(best + tf.tile(layer.bias.value, [2])) * weight)
    dense = tf.convert_to_tensor(tape.gradient(expected, table)).numpy()
    dense[0] = 0  # the row of zero vectors
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(tf.convert_to_tensor(kernel), dense, rtol=1e-4, atol=1e-5)
    traced = tf.function(lambda: loss_and_gradients(layer, ids, weight)[1])()
    np.testing.assert_allclose(tf.convert_to_tensor(traced[0]), dense, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(traced[1], bias, rtol=1e-5)


@pytest.mark.parametrize("make", [FusedAdagrad, lambda: LazyAdam(0.01)], ids=["adagrad", "lazy adam"])
def test_an_optimizer_moves_touched_rows_only(make):
    layer = made(input_dim=200, filters=3, kernel_size=2)
    ids = np.array([[5, 6, 7], [9, 0, 0]], "int32")
    before = layer.kernel.numpy()
    optimizer = make()
    _, gradients = loss_and_gradients(layer, ids, tf.ones((2, 3)))
    optimizer.apply(gradients, layer.trainable_variables)
    moved = np.flatnonzero(np.any(layer.kernel.numpy() != before, axis=1))
    touched = {1 + (word - 3) * 2 + k for word in (5, 6, 7, 9) for k in range(2)}
    assert len(moved) and set(moved.tolist()) <= touched


def test_many_windows_are_scored_a_few_texts_at_a_time(monkeypatch):
    from tfconv.layers import conv_max_pooling_tensorflow

    layer = made(input_dim=50, filters=3, kernel_size=2)
    ids = np.random.default_rng(0).integers(0, 50, (9, 20))
    ids = np.sort(ids)[:, ::-1].copy()  # padding at the end
    whole = layer(ids).numpy()
    monkeypatch.setattr(conv_max_pooling_tensorflow, "_CHUNK", 50)
    np.testing.assert_array_equal(layer(ids), whole)
    assert layer(ids[:0]).shape == (0, 3)
    assert layer(np.zeros((2, 0), "int32")).shape == (2, 3)


def test_two_replicas_step_as_one(two_replicas):
    ids = np.random.default_rng(0).integers(3, 30, (8, 6)).astype("int32")
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            layer = made(input_dim=30, filters=2, kernel_size=2)
            model = keras.Sequential([keras.Input((None,), dtype="int32"), layer, keras.layers.Dense(1)])
            model.layers[-1].set_weights([np.ones((2, 1)), np.zeros(1)])
        from tfconv import training

        dataset = tf.data.Dataset.from_tensor_slices((ids, np.arange(8) % 2)).batch(8)
        training.fit(model, dataset, epochs=2, optimizer=FusedAdagrad(0.1), strategy=strategy, verbose=0)
        results.append(layer.kernel.numpy())
    np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"filters": 0}, "filters=0"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"blocks": 0}, "blocks=0"),
        ({"first": 9}, "first=9"),
        ({"activation": "gelu"}, "activation='gelu'"),
    ],
)
def test_mistakes_name_the_argument(wrong, named):
    with pytest.raises(ValueError, match=named):
        OneHotConv1D(**{"input_dim": 9, "filters": 2} | wrong)
