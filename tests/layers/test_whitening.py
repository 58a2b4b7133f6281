"""Whitened patches are uncorrelated and of unit variance; the kernel against the formula in NumPy."""

import keras
import numpy as np
import pytest

from tfconv.errors import InputError
from tfconv.layers import WhiteningConv2D


def smooth_images(n=200, size=12):
    """Images whose neighbouring pixels and channels are alike."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(n, size + 2, size + 2, 3)) @ rng.normal(size=(3, 3))
    return sum(noise[:, i : size + i, j : size + j] for i in range(3) for j in range(3)).astype("float32")


def patches(images, size):
    windows = np.lib.stride_tricks.sliding_window_view(images.astype("float64"), (size, size), axis=(1, 2))
    return np.moveaxis(windows, 3, -1).reshape(-1, size * size * images.shape[-1])  # rows, columns, channels


@pytest.mark.parametrize("size", [1, 2, 3])
def test_whitened_patches_have_identity_covariance(size):
    images = smooth_images()
    layer = WhiteningConv2D(size, epsilon=1e-12)
    layer.adapt(images)
    y = np.asarray(layer(images), "float64").reshape(-1, 2 * 3 * size * size)
    half = y.shape[1] // 2
    np.testing.assert_allclose(y[:, half:], -y[:, :half], atol=1e-5)
    np.testing.assert_allclose(y[:, :half].T @ y[:, :half] / len(y), np.eye(half), atol=2e-3)


def test_kernel_is_the_formula():
    images, epsilon = smooth_images(20), 0.3
    p = patches(images, 2)
    variances, vectors = np.linalg.eigh(p.T @ p / len(p))
    layer = WhiteningConv2D(epsilon=epsilon)
    layer.adapt(images)
    kernel = np.asarray(layer.kernel).reshape(12, 24)[:, :12]
    expected = (vectors / np.sqrt(variances + epsilon))[:, ::-1]
    np.testing.assert_allclose(np.abs(np.sum(kernel * expected, 0)), np.sum(expected**2, 0), rtol=1e-4)  # but for signs
    np.testing.assert_allclose(np.sum(kernel**2, 0), np.sum(expected**2, 0), rtol=1e-4)


def test_before_adapt_it_gives_patches_and_their_negatives():
    images = smooth_images(3)
    y = np.asarray(WhiteningConv2D()(images)).reshape(-1, 24)
    np.testing.assert_allclose(y, np.concatenate([patches(images, 2), -patches(images, 2)], 1), rtol=1e-5)


def test_only_the_bias_is_trained_and_the_kernel_is_saved(tmp_path):
    images = smooth_images(30)
    layer = WhiteningConv2D()
    layer.adapt(images)
    layer.bias.assign(np.arange(24.0))
    assert [weight.name for weight in layer.trainable_weights] == ["bias"]
    model = keras.Sequential([keras.Input(images.shape[1:]), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(images), model(images))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((3, 8, 8), "float32"),
        np.zeros((0, 8, 8, 3), "float32"),
        np.zeros((3, 1, 8, 3), "float32"),
        np.zeros((3, 8, 8, 1), "float32"),
        np.full((3, 8, 8, 3), np.nan, "float32"),
    ],
)
def test_images_that_do_not_fit_are_refused(images):
    layer = WhiteningConv2D()
    layer.build((None, 8, 8, 3))
    before = np.asarray(layer.kernel)
    with pytest.raises(InputError, match="adapt"):
        layer.adapt(images)
    np.testing.assert_array_equal(layer.kernel, before)


@pytest.mark.parametrize("arguments", [{"kernel_size": 0}, {"epsilon": 0.0}])
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        WhiteningConv2D(**arguments)


def test_directions_without_variance_get_no_filter():
    grey = np.repeat(smooth_images(50)[..., :1], 3, axis=-1)
    layer = WhiteningConv2D(epsilon=1e-12)
    layer.adapt(grey)
    kernel = np.asarray(layer.kernel).reshape(12, 24)
    assert (np.abs(kernel).sum(axis=0) > 0).tolist() == [True] * 4 + [False] * 8 + [True] * 4 + [False] * 8
    y = np.asarray(layer(grey), "float64").reshape(-1, 24)[:, :4]
    np.testing.assert_allclose(y.T @ y / len(y), np.eye(4), atol=2e-3)
    layer.adapt(np.zeros((3, 8, 8, 3), "float32"))
    assert not np.asarray(layer.kernel).any()


def test_kernel_holds_under_a_16_bit_policy_what_its_arithmetic_holds():
    images = smooth_images(50)
    layer = WhiteningConv2D(dtype="mixed_bfloat16")
    layer.adapt(images)
    kernel = np.asarray(layer.kernel)
    assert kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, np.asarray(keras.ops.cast(keras.ops.cast(kernel, "bfloat16"), "float32")))
