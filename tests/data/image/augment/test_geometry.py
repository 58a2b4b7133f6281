"""Where pixels go: every output is one of those that NumPy makes by brute force, and each of them as often."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv import InputError
from tfconv.data import augment
from tfconv.data.image.augment.geometry import rotate_and_zoom

MANY = 4000


def some_images(n, height=5, width=7, channels=3, dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels)).astype(dtype)


def shifts(photo, pixels):
    """The image after each shift, (2 pixels + 1) ** 2 of them: down from -pixels to pixels, and right."""
    height, width, _ = photo.shape
    padded = np.pad(photo, [(pixels, pixels)] * 2 + [(0, 0)], mode="reflect")
    offsets = range(2 * pixels + 1)
    return np.stack([padded[y : y + height, x : x + width] for y in offsets for x in offsets])


def which(output, candidates):
    """The number of the one candidate that equals an output exactly."""
    (found,) = np.flatnonzero((candidates == output).all(axis=(1, 2, 3)))
    return found


def drawn(function, photo, candidates):
    """Which candidate each of many copies of an image became."""
    return [which(output, candidates) for output in function(np.repeat(photo[None], MANY, axis=0)).numpy()]


def assert_equally_likely(draws, kinds):
    """Chi-square, with kinds - 1 degrees of freedom, is within five standard deviations of its mean."""
    counts = np.bincount(draws, minlength=kinds)
    expected = len(draws) / kinds
    assert len(counts) == kinds
    assert np.sum((counts - expected) ** 2 / expected) < kinds - 1 + 5 * np.sqrt(2 * (kinds - 1))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_flip_mirrors_each_image_or_not(dtype):
    images = some_images(64, dtype=dtype)
    outputs = augment.random_flip(images, (1, 2)).numpy()
    draws = [which(output, np.stack([image, image[:, ::-1]])) for image, output in zip(images, outputs, strict=True)]
    assert 16 < sum(draws) < 48
    assert np.array_equal(augment.random_flip(images, (1, 2), p=0), images)
    assert np.array_equal(augment.random_flip(images, (1, 2), p=1), images[:, :, ::-1])


def test_flips_are_as_likely_as_said():
    photo = some_images(1)[0]
    candidates = np.stack([photo, photo[:, ::-1]])
    assert_equally_likely(drawn(lambda x: augment.random_flip(x, (1, 2)), photo, candidates), 2)
    fifth = drawn(lambda x: augment.random_flip(x, (1, 3), p=0.2), photo, candidates)
    assert abs(np.mean(fifth) - 0.2) < 5 * np.sqrt(0.2 * 0.8 / MANY)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_translate_is_numpys_reflection_cut_at_random(dtype):
    images = some_images(64, dtype=dtype)
    outputs = augment.random_translate(images, (3, 4), pixels=2).numpy()
    draws = [which(output, shifts(image, 2)) for image, output in zip(images, outputs, strict=True)]
    assert len(set(draws)) > 15


def test_every_shift_is_equally_likely():
    photo = some_images(1)[0]
    assert_equally_likely(drawn(lambda x: augment.random_translate(x, (3, 4), 2), photo, shifts(photo, 2)), 25)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_translate_at_any_size(height, width, data):
    pixels = data.draw(st.integers(0, min(height, width) - 1))
    seed = data.draw(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1)))
    image = np.arange(height * width, dtype=np.float32).reshape(height, width, 1)
    outputs = augment.random_translate(np.stack([image] * 3), seed, pixels).numpy()
    candidates = shifts(image, pixels)
    assert all((candidates == output).all(axis=(1, 2, 3)).any() for output in outputs)


def test_flip_and_translate_in_one_is_one_after_the_other():
    images = some_images(200, 9, 9)
    together = augment.random_flip_translate(images, (5, 6), pixels=3)
    assert np.array_equal(together, augment.random_translate(augment.random_flip(images, (5, 6)), (5, 6), pixels=3))


def test_every_flip_with_every_shift_is_equally_likely():
    photo = some_images(1)[0]
    candidates = np.concatenate([shifts(photo, 2), shifts(photo[:, ::-1], 2)])
    draws = drawn(lambda x: augment.random_flip_translate(x, (5, 6), 2), photo, candidates)
    assert_equally_likely(draws, 50)


def test_functions_draw_independently_of_one_seed():
    rows = np.repeat(np.arange(9, dtype=np.float32), 9).reshape(9, 9, 1)
    images = np.stack([rows] * MANY)
    shift = augment.random_translate(images, (1, 2), pixels=2)[:, 4, 4, 0] - 2  # the row that came to row 4
    top = augment.random_crop(images, (1, 2), size=7)[:, 0, 0, 0]
    assert_equally_likely(np.array(shift * 3 + top, int), 15)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_crop_cuts_every_square_equally_often(dtype):
    photo = some_images(1, dtype=dtype)[0]
    candidates = np.stack([photo[y : y + 3, x : x + 3] for y in range(3) for x in range(5)])
    assert_equally_likely(drawn(lambda x: augment.random_crop(x, (7, 8), 3), photo, candidates), 15)
    images = some_images(20, dtype=dtype)
    for image, output in zip(images, augment.random_crop(images, (9, 9), 5).numpy(), strict=True):
        which(output, np.stack([image[:, x : x + 5] for x in range(3)]))


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_symmetry_draws_all_eight_equally_often(dtype):
    photo = some_images(1, 4, 4, dtype=dtype)[0]
    candidates = np.stack([np.rot90(side, k) for side in (photo, photo[:, ::-1]) for k in range(4)])
    assert_equally_likely(drawn(lambda x: augment.random_symmetry(x, (1, 1)), photo, candidates), 8)
    images = some_images(30, 6, 6, dtype=dtype)
    for image, output in zip(images, augment.random_symmetry(images, (9, 9)).numpy(), strict=True):
        which(output, np.stack([np.rot90(side, k) for side in (image, image[:, ::-1]) for k in range(4)]))


def test_quarter_turns_are_numpys():
    images = some_images(5, 6, 6)
    radians = tf.constant([0, 0.5, 1, -0.5, 2], tf.float32) * np.pi
    expected = [np.rot90(image, turns) for image, turns in zip(images, (0, 1, 2, 3, 4), strict=True)]
    assert np.array_equal(rotate_and_zoom(tf.constant(images), radians, tf.ones(5)), expected)


def bilinear(image, radians, magnification):
    """The formula pixel by pixel: turn counter-clockwise, magnify, repeat the edge pixels in the reflection."""
    height, width, _ = image.shape
    outside = np.pad(image.astype(np.float64), [(height, height), (width, width), (0, 0)], mode="symmetric")
    cosine, sine = np.cos(radians) / magnification, np.sin(radians) / magnification
    output = np.zeros(image.shape)
    for row in range(height):
        for column in range(width):
            x, y = column - (width - 1) / 2, row - (height - 1) / 2
            from_x = cosine * x - sine * y + (width - 1) / 2 + width
            from_y = sine * x + cosine * y + (height - 1) / 2 + height
            left, top = int(np.floor(from_x)), int(np.floor(from_y))
            right, below = from_x - left, from_y - top
            output[row, column] = (1 - below) * (
                (1 - right) * outside[top, left] + right * outside[top, left + 1]
            ) + below * ((1 - right) * outside[top + 1, left] + right * outside[top + 1, left + 1])
    return output


def test_rotation_and_zoom_are_bilinear():
    rng = np.random.default_rng(1)
    images = some_images(12, 6, 8, dtype="float32")
    radians, scale = rng.uniform(-np.pi, np.pi, 12), rng.uniform(0.8, 1.5, 12)
    outputs = rotate_and_zoom(images, tf.constant(radians, tf.float32), tf.constant(scale, tf.float32))
    expected = [bilinear(*each) for each in zip(images, radians, scale, strict=True)]
    np.testing.assert_allclose(outputs, expected, atol=0.02)  # float32 places, times steps of up to 255


def test_angles_and_magnifications_are_uniform_and_independent():
    y, x = np.mgrid[-4.0:5, -5.0:6]
    ramp = np.stack([x, y], axis=2).astype(np.float32)  # interpolation is exact, so the result tells the place
    outputs = augment.random_rotation_zoom(np.stack([ramp] * MANY), (2, 3), degrees=30, zoom=(0.8, 1.4)).numpy()
    right_of_middle = outputs[:, 4, 6]
    degrees = np.rad2deg(np.arctan2(right_of_middle[:, 1], right_of_middle[:, 0]))
    scale = 1 / np.hypot(*right_of_middle.T)
    fifths = [np.floor((degrees + 30) / 60 * 5), np.floor((scale - 0.8) / 0.6 * 5)]
    assert_equally_likely((fifths[0] * 5 + fifths[1]).astype(int), 25)


def test_no_rotation_and_no_zoom_is_the_image():
    images = some_images(3)
    assert np.array_equal(augment.random_rotation_zoom(images, (1, 2), degrees=0, zoom=(1, 1)), images)


def test_uint8_is_the_rounded_float():
    images = some_images(8, 9, 9)
    exact = augment.random_rotation_zoom(images.astype("float32"), (1, 2), 45)
    assert np.array_equal(augment.random_rotation_zoom(images, (1, 2), 45), np.round(exact))


def test_gradients_pass_through_a_gather():
    images = keras.ops.convert_to_tensor(some_images(2, dtype="float32"))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(augment.random_flip(images, (1, 2)) * 2)
    assert np.array_equal(tape.gradient(total, images), np.full(images.shape, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: augment.random_flip(x, (1, 2), p=1.5), "p must be a number from 0 to 1, got 1.5"),
        (lambda x: augment.random_flip(x, (1, 2), p=float("nan")), "p must be a number from 0 to 1, got nan"),
        (lambda x: augment.random_translate(x, (1, 2), 5), "pixels must be less than .* 5 and 7, got 5"),
        (lambda x: augment.random_flip_translate(x, (1, 2), -1), "pixels must be a whole number from 0 .* got -1"),
        (lambda x: augment.random_crop(x, (1, 2), 6), "size must be at most .* 5 and 7, got 6"),
        (lambda x: augment.random_crop(x, (1, 2), 2.0), "size must be a whole number from 1 .* got 2.0"),
        (lambda x: augment.random_symmetry(x, (1, 2)), "images must be square .* height 5 and width 7"),
        (lambda x: augment.random_rotation_zoom(x, (1, 2), degrees=181), "degrees must be .* 0 to 180, got 181"),
        (lambda x: augment.random_rotation_zoom(x, (1, 2), zoom=1.1), "zoom must be a pair, .* got 1.1"),
        (lambda x: augment.random_rotation_zoom(x, (1, 2), zoom=(0, 1)), "smallest zoom must be .* got 0"),
        (lambda x: augment.random_rotation_zoom(x, (1, 2), zoom=(1.2, 1)), "largest zoom .* from 1.2 to 10, got 1"),
    ],
)
def test_mistakes_name_the_argument_the_rule_and_the_value(call, message):
    with pytest.raises(InputError, match=message):
        call(some_images(2))
