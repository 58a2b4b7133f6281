"""Stored images against NumPy: places in the store, statistics, summary."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_images import numbered, three_classes

from tfconv import InputError
from tfconv.data import ImageData, ImageExamples, ImagePreparation
from tfconv.data.image import dataset as image_examples
from tfconv.tasks import MULTI_LABEL


def test_taking_shares_the_store_and_composes():
    store, labels = numbered(20), np.arange(20, dtype=np.int32) % 4
    every = ImageExamples(store, labels)
    assert every.pixels is store
    some = every.take(np.arange(19, 3, -1))
    again = some.take(np.array([0, 2, 2, 15]))
    assert again.store is store and again.labels.tolist() == [3, 1, 1, 0]
    np.testing.assert_array_equal(again.pixels, store[[19, 17, 17, 4]])
    np.testing.assert_array_equal(some.images(np.array([1])), store[[18]])
    some.images(np.array([1]))[:] = 0
    assert store[18, 0, 0, 0] == 18  # copies: nobody changes the store by chance
    assert again.class_counts(4).tolist() == [1, 2, 0, 1]
    assert repr(again) == "ImageExamples(4 images of 5x4x3, labels int32 (4,))"
    many = ImageExamples(store, np.eye(20, dtype=np.float32)).take(np.array([3, 3]))
    assert many.class_counts(20)[3] == 2


def test_a_memory_map_is_never_read_whole(tmp_path, monkeypatch):
    np.save(tmp_path / "pixels.npy", numbered(50))
    mapped = ImageExamples(np.load(tmp_path / "pixels.npy", mmap_mode="r"), np.zeros(50, np.int32))
    part = mapped.take(np.array([7, 3]))
    assert isinstance(part.store, np.memmap) and part.pixels[:, 0, 0, 0].tolist() == [7, 3]
    monkeypatch.setattr(image_examples, "_CHUNK", 3 * 60)  # three images at a time
    sizes = []
    take = np.take
    monkeypatch.setattr(np, "take", lambda *args, **kwargs: sizes.append(len(args[1])) or take(*args, **kwargs))
    mean, _ = mapped.channel_statistics()
    assert max(sizes) == 3 and sum(sizes) == 50
    np.testing.assert_allclose(mean, (numbered(50) / 255).mean((0, 1, 2)), rtol=1e-13)


@pytest.mark.parametrize(
    ("store", "labels", "message"),
    [
        (
            np.zeros((2, 3, 3, 3), np.float32),
            2,
            r"store must be uint8 \(number, height, width, channels\), got float32",
        ),
        (np.zeros((2, 3, 3), np.uint8), 2, r"got uint8 \(2, 3, 3\)"),
        (np.zeros((2, 3, 3, 3), np.uint8), 3, "3 labels, 2 images"),
    ],
)
def test_examples_refuse(store, labels, message):
    with pytest.raises(ValueError, match=message):
        ImageExamples(store, np.zeros(labels, np.int32))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 5), st.sampled_from([1, 3]), st.integers(1, 256))
def test_statistics_are_those_of_numpy(seed, n, side, channels, top):
    rng = np.random.default_rng(seed)
    store = rng.integers(0, top, (n, side, side + 1, channels)).astype(np.uint8)
    rows = rng.integers(0, n, n + 3)  # some twice: they count twice
    mean, std = ImageExamples(store, np.zeros(n, np.int32)).take(rows).channel_statistics()
    pixels = store[rows] / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 1, 2)), rtol=1e-12)
    expected = pixels.std((0, 1, 2))
    # NumPy's own rounding makes a deviation of 1e-17 out of equal values.
    np.testing.assert_allclose(std, np.where(np.ptp(pixels, (0, 1, 2)) == 0, 1, expected), rtol=1e-9)


def test_the_data_set_is_summed_up():
    data = three_classes()
    assert repr(data) == "ImageData('x', 3 classes, train: 30, validation: 15, test: 15, 0 skipped)"
    assert [line.split() for line in str(data).splitlines()][-1] == ["all", "images", "30", "15", "15"]
    assert (data.outputs, data.image_shape) == (3, (5, 4, 3))
    assert data.prepare(crop=3).image_shape == data.prepare(crop=3).preprocess.input_shape == (3, 3, 3)
    two = ImageData("y", ("no", "yes"), data.examples)
    assert two.outputs == 1 and ImageData("y", ("no", "yes"), data.examples, task=MULTI_LABEL).outputs == 2
    mean, std = data.examples["train"].channel_statistics()
    preprocess = data.preprocess
    assert (tuple(preprocess.mean), tuple(preprocess.std), tuple(preprocess.class_names)) == (
        mean,
        std,
        ("a", "b", "c"),
    )
    assert data.preprocess is preprocess
    with pytest.raises(InputError, match="x has no split 'dev': it has train, validation, test"):
        data.batches("dev")
    with pytest.raises(InputError, match="the statistics come from the split 'train'"):
        _ = ImageData("x", ("a", "b"), {"test": data.examples["test"]}).preprocess
    with pytest.raises(InputError, match="crop must not be larger than the images, 5 x 4; got 5"):
        _ = data.prepare(crop=5).preprocess


@pytest.mark.parametrize("name", ["batch_size", "crop", "seed"])
def test_preparation_refuses_what_does_not_fit(name):
    for wrong in (-1, 10**30, 2.5, True, "5"):
        with pytest.raises(InputError, match=rf"{name} must be a whole number .* got '?{wrong}"):
            ImagePreparation(**{name: wrong})
    with pytest.raises(InputError, match="augment must be a function of images and seed, got 'flip'"):
        ImagePreparation(augment="flip")


def test_sources_import_no_tensorflow(tmp_path):
    code = (
        "import sys, tfconv; from tfconv.data import ImageData, ImageExamples, ImagePreparation, cifar10\n"
        "print(tfconv.data.synthetic_shapes(100))\n"
        f"try: cifar10({str(tmp_path)!r}, validation=1.5)\n"
        "except tfconv.InputError: print('refused')\n"
        "import json; print(json.dumps(sorted({'tensorflow', 'keras', 'rich'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    *_, refused, modules = done.stdout.splitlines()
    assert refused == "refused" and json.loads(modules) == []


def test_pixels_from_0_to_1_where_nothing_is_standardised():
    data = three_classes().prepare(batch_size=4, standardize=False)
    pixels = data.examples["validation"].pixels
    batches = np.concatenate([images.numpy() for images, _ in data.validation])
    np.testing.assert_allclose(batches, pixels / 255, rtol=1e-6)
    assert set(data.preprocess.mean) == {0.0} and set(data.preprocess.std) == {1.0}
