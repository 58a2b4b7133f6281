"""Residual block and dilated stack against stock Keras graphs, and for what each step may see."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.geometry.arithmetic import Window, receptive_field
from tfconv.layers import DilatedConv1DStack, ResidualBlock1D


def randomize(layer, seed=0):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.2, 1.0, weight.shape) - 0.5 * ("variance" not in weight.path))


def numbers(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def weights_into(stock, *parts):
    """Put the weights of a block's convolutions into stock layers, in the order given."""
    for layer, part in zip(stock, parts, strict=True):
        layer.set_weights(part.get_weights())


@pytest.mark.parametrize("channels", [4, 6])
def test_block_equals_equation(channels):
    x = numbers(2, 7, channels)
    block = ResidualBlock1D(6)
    block(x)
    randomize(block)
    assert (block.projection is None) == (channels == 6)
    parts = [block.first, block.second] + ([block.projection] if channels != 6 else [])
    conv = [keras.layers.Conv1D(6, size, padding="same", use_bias=False) for size in (3, 3, 1)[: len(parts)]]
    norm = [keras.layers.BatchNormalization() for _ in parts]
    for layer, width in zip([*conv, *norm], [channels, 6, channels][: len(parts)] + [6] * len(parts), strict=True):
        layer.build((None, None, width))
    weights_into(conv, *(part.conv for part in parts))
    weights_into(norm, *(part.norm for part in parts))
    y = norm[1](conv[1](keras.ops.relu(norm[0](conv[0](x)))))
    shortcut = norm[2](conv[2](x)) if channels != 6 else x
    np.testing.assert_allclose(block(x), keras.ops.relu(y + shortcut), rtol=1e-5, atol=1e-5)


def test_preactivated_block_equals_equation():
    x = numbers(2, 7, 6)
    block = ResidualBlock1D(6, order="norm-act-conv")
    block(x)
    randomize(block)
    conv = [keras.layers.Conv1D(6, 3, padding="same") for _ in range(2)]
    norm = [keras.layers.BatchNormalization() for _ in range(2)]
    for layer in (*conv, *norm):
        layer.build(x.shape)
    weights_into(conv, block.first.conv, block.second.conv)
    weights_into(norm, block.first.norm, block.second.norm)
    y = conv[1](keras.ops.relu(norm[1](conv[0](keras.ops.relu(norm[0](x))))))
    np.testing.assert_allclose(block(x), y + x, rtol=1e-5, atol=1e-5)


def test_strided_block_does_not_depend_on_padding():
    x = numbers(3, 7, 5)
    mask = np.array([[True] * 7, [True] * 4 + [False] * 3, [False] * 7])
    for order in ("conv-norm-act", "norm-act-conv"):
        block = ResidualBlock1D(6, strides=2, order=order)
        block(x)
        randomize(block)
        real = np.asarray(block.compute_mask(x, mask))
        assert real.sum(axis=1).tolist() == [4, 2, 0]
        short = np.asarray(block(x, mask=mask))
        longer = np.concatenate([x, numbers(3, 8, 5)], axis=1)
        long = np.asarray(block(longer, mask=np.pad(mask, ((0, 0), (0, 8)))))
        np.testing.assert_allclose(long[:, :4][real], short[real], rtol=1e-5, atol=1e-5)


def test_kernels_of_a_block_differ_at_the_start():
    block = ResidualBlock1D(5, kernel_initializer="he_normal")
    block.build((None, None, 5))
    assert np.any(block.first.conv.kernel.numpy() != block.second.conv.kernel.numpy())


def test_stack_equals_stock_layers():
    x = numbers(2, 9, 4)
    stack = DilatedConv1DStack(5, 3, dilations=(1, 2, 4))
    stack(x)
    randomize(stack)
    y = x
    for i, dilation in enumerate((1, 2, 4)):
        conv = keras.layers.Conv1D(5, 3, dilation_rate=dilation, padding="causal", activation="relu")
        conv.build(y.shape)
        conv.set_weights(stack.convolutions[i].get_weights())
        y = conv(y) if i == 0 else y + conv(y)  # 4 channels in, 5 out: no shortcut around the first
    np.testing.assert_allclose(stack(x), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["causal", "same"])
def test_step_sees_its_receptive_field_and_nothing_else(padding):
    stack = DilatedConv1DStack(4, 3, dilations=(1, 2, 4), padding=padding, activation=None)
    x = tf.constant(numbers(1, 41, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(stack(x)[:, 20])
    seen = np.flatnonzero(np.abs(tape.gradient(loss, x).numpy()).sum(axis=(0, 2)))
    assert stack.receptive_field == receptive_field([Window(3, 1, d) for d in (1, 2, 4)]) == 15
    expected = np.arange(6, 21) if padding == "causal" else np.arange(13, 28)
    np.testing.assert_array_equal(seen, expected)


def test_dropout_of_stack_drops_whole_channels():
    stack = DilatedConv1DStack(8, 3, dilations=(1,), residual=False, dropout=0.5, activation=None)
    y = np.asarray(stack(numbers(16, 6, 4), training=True))
    dropped = y == 0
    assert np.all(dropped.all(axis=1) == dropped.any(axis=1))
    assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResidualBlock1D(4, order="act-conv-norm"),
        lambda: ResidualBlock1D(4, normalization="group"),
        lambda: DilatedConv1DStack(4, dilations=()),
        lambda: DilatedConv1DStack(4, padding="valid"),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
