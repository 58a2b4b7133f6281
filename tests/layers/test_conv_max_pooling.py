"""ConvMaxPooling1D against loops in NumPy and against Keras' own convolution and pooling."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers.conv_max_pooling import ConvMaxPooling1D


def brute_force(text: np.ndarray, kernel: np.ndarray, bias: np.ndarray, padding: str) -> np.ndarray:
    """One text (steps, channels) alone, by loops: relu(bias + max over windows)."""
    width, _, filters = kernel.shape
    steps = len(text)
    if steps == 0:
        return np.maximum(bias, 0)
    before = (width - 1) // 2 if padding == "same" else 0
    windows = steps if padding == "same" else max(steps - width + 1, 1)
    padded = np.concatenate([np.zeros((before, text.shape[1])), text, np.zeros((width, text.shape[1]))])
    scores = [[np.sum(padded[t : t + width] * kernel[:, :, f]) for f in range(filters)] for t in range(windows)]
    return np.maximum(np.max(scores, axis=0) + bias, 0)


def with_random_bias(layer: ConvMaxPooling1D, channels: int, rng: np.random.Generator) -> ConvMaxPooling1D:
    layer.build((None, None, channels))
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    extra=st.integers(0, 3),
    width=st.integers(1, 5),
    channels=st.integers(1, 4),
    filters=st.integers(1, 4),
    padding=st.sampled_from(["same", "valid"]),
    at_start=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_equals_each_text_alone_whatever_the_padding(lengths, extra, width, channels, filters, padding, at_start, seed):
    rng = np.random.default_rng(seed)
    steps = max(max(lengths) + extra, 1)
    x = rng.normal(size=(len(lengths), steps, channels)).astype("float32")  # padded steps hold rubbish
    mask = np.arange(steps) < np.array(lengths)[:, None]
    if at_start:
        mask = mask[:, ::-1]
    layer = with_random_bias(ConvMaxPooling1D(filters, width, padding=padding), channels, rng)
    expected = [
        brute_force(text[kept], layer.kernel.numpy(), layer.bias.numpy(), padding)
        for text, kept in zip(x, mask, strict=True)
    ]
    np.testing.assert_allclose(layer(x, mask=mask.copy()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("activation", ["relu", "linear", "tanh", "sigmoid"])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_equals_keras_in_value_and_gradient(padding, activation, width):
    rng = np.random.default_rng(width)
    x = tf.constant(rng.normal(size=(6, 21, 8)), tf.float32)
    weight = tf.constant(rng.normal(size=(6, 10)), tf.float32)
    layer = with_random_bias(ConvMaxPooling1D(10, width, padding=padding, activation=activation), 8, rng)
    convolution = keras.layers.Conv1D(10, width, padding=padding, activation=activation)
    convolution.build(x.shape)
    convolution.set_weights(layer.get_weights())
    pooling = keras.layers.GlobalMaxPooling1D()
    results = []
    for function, source in ((layer, layer), (lambda x: pooling(convolution(x)), convolution)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
            loss = tf.reduce_sum(value * weight)
        gradients = tape.gradient(loss, [x, *[v.value for v in source.trainable_variables]])
        results.append([value, *gradients])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())
