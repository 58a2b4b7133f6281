"""Virtual batches against Keras' own layer on each of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.layers import BatchNorm, GhostBatchNorm

SHAPES = [(5,), (3, 4, 5)]


def numbers(*shape):
    return np.random.default_rng(3).normal(2.0, 3.0, size=shape).astype("float32")


def with_weights(layer, x):
    layer.build(x.shape)
    layer.gamma.assign([0.5, 1.0, -2.0, 3.0, 0.1])
    layer.beta.assign([1.0, 0.0, -1.0, 2.0, 0.5])
    return layer


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("batch", "parts"), [(12, [4, 4, 4]), (11, [4, 7]), (14, [4, 4, 6]), (3, [3])])
def test_each_virtual_batch_is_normalised_as_keras_would(shape, batch, parts):
    x = numbers(batch, *shape)
    layer = with_weights(GhostBatchNorm(4, momentum=0.8), x)
    y = layer(x, training=True)
    ends = np.cumsum(parts)
    stocks = [with_weights(keras.layers.BatchNormalization(momentum=0.8), x) for _ in parts]
    pieces = [stock(x[end - n : end], training=True) for stock, end, n in zip(stocks, ends, parts, strict=True)]
    np.testing.assert_allclose(y, np.concatenate(pieces), rtol=1e-4, atol=1e-4)
    for name in ("moving_mean", "moving_variance"):
        moved = np.average([np.asarray(getattr(stock, name)) for stock in stocks], axis=0, weights=parts)
        np.testing.assert_allclose(getattr(layer, name), moved, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_keras_on_each_virtual_batch():
    x, target = tf.constant(numbers(8, 3, 4, 5)), numbers(8, 3, 4, 5)
    layer, stock = (with_weights(make, x) for make in (GhostBatchNorm(4), keras.layers.BatchNormalization()))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True) * target)
        pieces = [stock(x[i : i + 4], training=True) for i in (0, 4)]
        expected = tf.reduce_sum(tf.concat(pieces, 0) * target)
    np.testing.assert_allclose(tape.gradient(loss, x), tape.gradient(expected, x), rtol=1e-3, atol=1e-4)
    for name in ("gamma", "beta"):
        ours, theirs = getattr(layer, name).value, getattr(stock, name).value
        np.testing.assert_allclose(tape.gradient(loss, ours), tape.gradient(expected, theirs), rtol=1e-4, atol=1e-4)


def test_outside_training_it_is_batch_norm():
    x = numbers(6, 3, 4, 5)
    layer, plain = with_weights(GhostBatchNorm(2), x), with_weights(BatchNorm(), x)
    for _ in range(3):
        layer(x, training=True)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-5, atol=1e-5)
    layer.trainable = False  # frozen statistics, as in Keras
    np.testing.assert_allclose(layer(x, training=True), plain(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, plain.moving_mean)


def test_one_virtual_batch_is_batch_norm_in_training_too():
    x = numbers(6, 3, 4, 5)
    layer, plain = with_weights(GhostBatchNorm(64), x), with_weights(BatchNorm(), x)
    np.testing.assert_allclose(layer(x, training=True), plain(x, training=True), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, plain.moving_variance, rtol=1e-5)


def test_open_batch_sizes_in_a_graph():
    layer = with_weights(GhostBatchNorm(4), numbers(1, 3, 4, 5))
    traced = tf.function(
        lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, None, None, 5), tf.float32)]
    )
    for batch in (3, 9):
        x = numbers(batch, 3, 4, 5)
        np.testing.assert_allclose(traced(x), layer(x, training=True), rtol=1e-4, atol=1e-4)


def test_impossible_arguments_and_masks_are_refused():
    with pytest.raises(ValueError, match="virtual_batch_size"):
        GhostBatchNorm(0)
    with pytest.raises(ValueError, match="mask"):
        GhostBatchNorm()(numbers(2, 3, 5), mask=np.ones((2, 3), bool))
