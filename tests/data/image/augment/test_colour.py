"""Brightness and contrast: the formula's two numbers are found again in every image."""

import numpy as np
import pytest

from tfconv import InputError
from tfconv.data import augment


def fitted(image, output):
    """The c and b of y = mean + c (x - mean) + 255 b, by least squares."""
    x = image.astype(np.float64).ravel()
    scale, rest = np.polyfit(x, output.astype(np.float64).ravel(), 1)
    return scale, (rest - x.mean() * (1 - scale)) / 255


def test_contrast_and_brightness_are_linear_uniform_and_independent():
    image = np.random.default_rng(0).uniform(100, 150, (4, 5, 3)).astype(np.float32)
    outputs = augment.random_brightness_contrast(np.stack([image] * 3000), (1, 2), brightness=0.2, contrast=0.4).numpy()
    scale, shift = np.array([fitted(image, output) for output in outputs]).T
    for output, c, b in zip(outputs[:20], scale, shift, strict=False):
        np.testing.assert_allclose(output, image.mean() + c * (image - image.mean()) + 255 * b, atol=1e-3)
    fifths = [np.floor((scale - 0.6) / 0.8 * 5), np.floor((shift + 0.2) / 0.4 * 5)]
    counts = np.bincount((fifths[0] * 5 + fifths[1]).astype(int), minlength=25)
    assert len(counts) == 25
    assert np.sum((counts - 120) ** 2 / 120) < 24 + 5 * np.sqrt(48)


def test_contrast_alone_keeps_each_images_own_mean():
    images = np.random.default_rng(0).uniform(90, 160, (6, 5, 5, 3)).astype(np.float32)
    outputs = augment.random_brightness_contrast(images, (1, 2), brightness=0, contrast=0.5).numpy()
    np.testing.assert_allclose(outputs.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), atol=1e-3)
    assert not np.allclose(outputs, images, atol=1)


def test_values_stay_in_range_and_uint8_is_the_rounded_float():
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3)).astype(np.uint8)
    outputs = augment.random_brightness_contrast(images.astype(np.float32), (1, 2), 0.5, 1).numpy()
    assert outputs.min() == 0 and outputs.max() == 255
    assert np.array_equal(augment.random_brightness_contrast(images, (1, 2), 0.5, 1), np.round(outputs))
    assert np.array_equal(augment.random_brightness_contrast(images, (1, 2), 0, 0), images)


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_mistakes_name_the_argument_the_rule_and_the_value(name):
    with pytest.raises(InputError, match=f"{name} must be a number from 0 to 1, got -0.1"):
        augment.random_brightness_contrast(np.zeros((1, 2, 2, 1), np.uint8), (1, 2), **{name: -0.1})
