"""What all that augments images alone promises: one seed is one result wherever it runs, drawn for each image."""

import types

import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import augment

ARGUMENTS = {"random_crop": {"size": 9}}
# Blending needs labels and other images: test_mix.py and test_mixing.py beside this file.
NAMES = [
    name
    for name in augment.__all__
    if isinstance(getattr(augment, name), types.FunctionType) and name not in ("mixup", "cutmix", "mixed")
]
ROUNDED = ("random_rotation_zoom", "random_brightness_contrast", "side_on", "top_down")


def called(name):
    return lambda images, seed: getattr(augment, name)(images, seed, **ARGUMENTS.get(name, {}))


def some_images(n=12, dtype="uint8"):
    return np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3)).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_is_one_result_wherever_it_runs(name):
    function = called(name)
    for dtype in ("uint8", "float32"):
        images = some_images(dtype=dtype)
        expected = function(images, (1, 2))
        assert expected.dtype == dtype
        assert name == "random_crop" or expected.shape == images.shape
        assert np.array_equal(function(images, tf.constant([1, 2])), expected)
        mapped = tf.data.Dataset.from_tensor_slices(images).batch(12).map(lambda x: function(x, (1, 2)))
        assert mapped.element_spec.shape == (None, *expected.shape[1:])
        assert np.array_equal(next(iter(mapped)), expected)
        specs = [tf.TensorSpec((None, 16, 16, 3), dtype), tf.TensorSpec((2,), tf.int32)]
        graph = tf.function(function, input_signature=specs)
        assert np.array_equal(graph(images, (1, 2)), expected)
        assert np.array_equal(graph(images[:5], (1, 2)), expected[:5])  # nor does a draw depend on the batch's size
        assert graph(images[:0], (1, 2)).shape[0] == 0


def test_seeds_differ_and_so_do_the_images_of_a_batch():
    same = np.repeat(some_images(1), 30, axis=0)
    for name in NAMES:
        outputs = called(name)(same, (1, 2)).numpy()
        assert len(np.unique(outputs.reshape(30, -1), axis=0)) > 1, name
        for other in ((1, 3), (2, 2), (2, 1)):
            assert not np.array_equal(called(name)(same, other), outputs), name


def test_an_image_does_not_depend_on_the_others():
    images = some_images()
    others = np.where(np.arange(12)[:, None, None, None] == 7, images, 255 - images)
    for name in NAMES:
        assert np.array_equal(called(name)(images, (1, 2))[7], called(name)(others, (1, 2))[7]), name


def test_uint8_and_float32_agree():
    for name in NAMES:
        exact = called(name)(some_images(dtype="float32"), (1, 2)).numpy()
        assert np.array_equal(called(name)(some_images(), (1, 2)), np.round(exact)), name
        assert (np.round(exact) == exact).all() == (name not in ROUNDED), name


def test_presets_do_what_they_say():
    images = some_images(64)
    # An image that is nearly constant shows brightness alone; a preset moves no mean further than that.
    flat = np.full((500, 16, 16, 3), 128, np.uint8)
    for preset in (augment.side_on, augment.top_down):
        levels = preset(flat, (1, 2)).numpy()[:, 0, 0, 0].astype(int)
        assert levels.min() == 128 - 25 and levels.max() == 128 + 25  # 0.1 of 255
        assert not np.array_equal(preset(images, (1, 2)), images)
    # Dark below: after side_on it still is, after top_down for one in four or so.
    dark_below = np.zeros((400, 16, 16, 1), np.uint8)
    dark_below[:, :8] = 250
    for preset, least, most in ((augment.side_on, 1, 1), (augment.top_down, 0.15, 0.35)):
        outputs = preset(dark_below, (1, 2)).numpy().astype(int)[..., 0]
        tops = outputs[:, :4].mean(axis=(1, 2)) - outputs[:, 12:].mean(axis=(1, 2)) > 100
        assert least <= tops.mean() <= most


@pytest.mark.parametrize(
    ("images", "seed", "message"),
    [
        (np.zeros((2, 16, 16, 3)), (1, 2), "images must be uint8 or float32, .* got float64"),
        (np.zeros((16, 16, 3), np.uint8), (1, 2), r"images must be a batch .* got shape \(16, 16, 3\)"),
        (np.zeros((2, 0, 16, 3), np.uint8), (1, 2), r"images must be a batch .* got shape \(2, 0, 16, 3\)"),
        (some_images(), 3, r"seed must be two whole numbers, int32 or int64 of shape \(2,\), got 3"),
        (some_images(), (1, 2, 3), r"seed must be two whole numbers, .* got \(1, 2, 3\)"),
        (some_images(), (0.5, 2), "seed must be two whole numbers"),
        (some_images(), "ab", "seed must be two whole numbers"),
        (some_images(), (None, 2), "seed must be two whole numbers of one type"),
    ],
)
def test_mistakes_name_the_argument_the_rule_and_the_value(images, seed, message):
    for name in NAMES:
        with pytest.raises(InputError, match=message):
            called(name)(images, seed)


def test_images_of_unknown_size_are_refused_where_the_graph_is_made():
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    with pytest.raises(InputError, match="of known height, width and channels"):
        tf.function(called("side_on"), autograph=False).get_concrete_function(spec, (1, 2))
