"""Residual blocks of images against stock Keras graphs with the same weights."""

import keras
import numpy as np
import pytest

from tfconv.layers import ResidualBlock2D
from tfconv.layers.normalization import BatchNorm


def numbers(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def built(block, shape):
    """Build a block and give all of its weights, statistics too, random numbers."""
    block.build(shape)
    rng = np.random.default_rng(0)
    for weight in block.weights:
        weight.assign(rng.uniform(0.2, 1.0, weight.shape) - 0.5 * ("variance" not in weight.path))
    return block


def convolved(x, part, strides=1):
    """Keras' convolution without padding on an explicitly padded image, with a part's kernel and bias."""
    around = part.conv.kernel.shape[0] // 2
    x = np.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    bias = 0 if part.conv.bias is None else np.asarray(part.conv.bias)
    return np.asarray(keras.ops.conv(x, part.conv.kernel, strides)) + bias


def normalized(x, norm):
    """Keras' batch normalisation, outside training, with a layer's statistics."""
    stock = keras.layers.BatchNormalization(epsilon=norm.epsilon)
    stock.build(x.shape)
    stock.set_weights(norm.get_weights())
    return np.asarray(stock(x))


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize(("channels", "strides"), [(6, 1), (4, 1), (6, 2), (4, 2)])
@pytest.mark.parametrize("sizes", [(7, 6), (8, 8)])
def test_basic_block_equals_equation(channels, strides, sizes):
    x = numbers(2, *sizes, channels)
    block = built(ResidualBlock2D(6, strides=strides), x.shape)
    y = relu(normalized(convolved(x, block.first, strides), block.first.norm))
    y = normalized(convolved(y, block.second), block.second.norm)
    shortcut = x
    if (channels, strides) != (6, 1):
        shortcut = normalized(convolved(x, block.projection, strides), block.projection.norm)
    assert (block.projection is None) == ((channels, strides) == (6, 1))
    np.testing.assert_allclose(block(x), relu(y + shortcut), rtol=1e-4, atol=1e-4)
    assert block(x).shape == block.compute_output_shape(x.shape)


@pytest.mark.parametrize("strides", [1, 2])
def test_preactivated_block_equals_equation(strides):
    x = numbers(2, 7, 6, 4)
    block = built(ResidualBlock2D(6, strides=strides, order="norm-act-conv"), x.shape)
    y = convolved(relu(normalized(x, block.first.norm)), block.first, strides)
    y = convolved(relu(normalized(y, block.second.norm)), block.second)
    np.testing.assert_allclose(block(x), y + convolved(x, block.projection, strides), rtol=1e-4, atol=1e-4)
    assert block.projection.norm is None


@pytest.mark.parametrize("strides", [1, 2])
def test_bottleneck_equals_equation(strides):
    x = numbers(2, 7, 6, 8)
    block = built(ResidualBlock2D(16, strides=strides, bottleneck=True), x.shape)
    assert [part.filters for part in block.branch] == [4, 4, 16]
    y = relu(normalized(convolved(x, block.first), block.first.norm))
    y = relu(normalized(convolved(y, block.second, strides), block.second.norm))
    y = normalized(convolved(y, block.third), block.third.norm)
    shortcut = normalized(convolved(x, block.projection, strides), block.projection.norm)
    np.testing.assert_allclose(block(x), relu(y + shortcut), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("sizes", [(7, 6), (8, 8)])
def test_padding_shortcut_takes_every_second_pixel_and_adds_channels_of_zeros(sizes):
    x = numbers(2, *sizes, 4)
    block = built(ResidualBlock2D(6, strides=2, shortcut="padding"), x.shape)
    y = relu(normalized(convolved(x, block.first, 2), block.first.norm))
    y = normalized(convolved(y, block.second), block.second.norm)
    shortcut = np.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, 2)))
    np.testing.assert_allclose(block(x), relu(y + shortcut), rtol=1e-4, atol=1e-4)
    assert sum(np.prod(w.shape) for w in block.trainable_weights) == 9 * 4 * 6 + 9 * 6 * 6 + 4 * 6


def test_windows_are_centred_on_the_pixels_of_the_shortcut():
    # Keras' "same" padding would centre the first of four windows on pixel 1 of 8; the shortcut takes pixel 0.
    block = ResidualBlock2D(2, strides=2, normalization=None, activation=None, shortcut="padding")
    block.build((None, 8, 8, 2))
    centre = np.zeros((3, 3, 2, 2), "float32")
    centre[1, 1] = np.eye(2)
    for part in block.branch:
        part.conv.kernel.assign(centre)
    x = numbers(1, 8, 8, 2)
    np.testing.assert_allclose(block(x), 2 * x[:, ::2, ::2])


def test_training_uses_the_batch_in_every_part():
    x = numbers(4, 6, 6, 4)
    block = built(ResidualBlock2D(6, strides=2), x.shape)
    before = [np.asarray(part.norm.moving_mean) for part in (*block.branch, block.projection)]
    block(x, training=True)
    for part, old in zip((*block.branch, block.projection), before, strict=True):
        assert isinstance(part.norm, BatchNorm)
        assert np.all(np.asarray(part.norm.moving_mean) != old)


def test_kernels_of_a_block_differ_at_the_start():
    block = ResidualBlock2D(5, kernel_initializer="he_normal")
    block.build((None, 8, 8, 5))
    assert np.any(np.asarray(block.first.conv.kernel) != np.asarray(block.second.conv.kernel))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResidualBlock2D(4, order="act-conv-norm"),
        lambda: ResidualBlock2D(4, normalization="group"),
        lambda: ResidualBlock2D(4, shortcut="identity"),
        lambda: ResidualBlock2D(4, kernel_size=2),
        lambda: ResidualBlock2D(4, strides=0),
        lambda: ResidualBlock2D(6, bottleneck=True),
        lambda: ResidualBlock2D(4, shortcut="padding").build((None, 8, 8, 5)),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
