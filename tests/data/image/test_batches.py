"""Batches of images against loops over the store: every image once, by (seed, epoch, step), cut and normalised."""

import numpy as np
import pytest
import tensorflow as tf
from stored_images import numbered, three_classes

from tfconv import InputError
from tfconv.data import ImageData, ImageExamples, augment
from tfconv.tasks import MULTI_LABEL
from tfconv.training.loop import feed
from tfconv.training.runs.checkpoint import Place


def pixels_of(data, batches):
    """The pixels from 0 to 255 behind normalised batches, and the labels."""
    images, labels = zip(*((images.numpy(), labels.numpy()) for images, labels in batches), strict=True)
    whole = (np.concatenate(images) * data.preprocess.std + data.preprocess.mean) * 255
    np.testing.assert_allclose(whole, np.rint(whole), atol=2e-3)
    return np.rint(whole).astype(int), np.concatenate(labels)


def noisy(images, seed):
    """An augmentation whose effect shows the seed, the image and its place in the batch."""
    return images + tf.cast(tf.random.stateless_uniform(tf.shape(images), seed, maxval=99, dtype=tf.int32), tf.uint8)


def test_splits_in_order_are_the_store_normalised():
    data = three_classes().prepare(batch_size=4)
    mean, std = (np.array(figures, np.float64) for figures in data.examples["train"].channel_statistics())
    for split, batches in (("validation", data.validation), ("test", data.test)):
        part = data.examples[split]
        start = 0
        for images, labels in batches:
            expected = (part.pixels[start : start + 4] / 255 - mean) / std
            assert images.dtype == tf.float32 and images.shape == expected.shape
            np.testing.assert_allclose(images, expected, atol=2e-6)
            np.testing.assert_array_equal(labels, part.labels[start : start + 4])
            start += 4
        assert start >= len(part) and int(batches.cardinality()) == 4
    assert data.validation.element_spec[0].shape == (None, 5, 4, 3)
    train = np.concatenate([images for images, _ in data.train])
    np.testing.assert_allclose(train.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(train.std((0, 1, 2)), 1, atol=1e-5)


@pytest.mark.parametrize("drop", [False, True])
def test_every_training_image_comes_once_an_epoch(drop):
    data = three_classes().prepare(batch_size=8, drop_remainder=drop)
    part = data.examples["train"]
    orders = []
    for _ in range(2):
        pixels, labels = pixels_of(data, data.train)
        numbers = pixels[:, 0, 0, 0]
        assert (
            len(numbers) == (24 if drop else 30)
            and set(numbers) <= set(part.rows)
            and len(set(numbers)) == len(numbers)
        )
        np.testing.assert_array_equal(pixels, part.store[numbers])
        np.testing.assert_array_equal(labels, numbers % 3)
        orders.append(numbers.tolist())
    assert orders[0] != orders[1] and int(data.train.cardinality()) == 3  # the last of 8 or of 14


def test_epochs_can_be_repeated_and_resumed_in_the_middle():
    data = three_classes(channels=1).prepare(batch_size=8, crop=3, augment=noisy, seed=2**32 - 1)
    epochs = [pixels_of(data, data.train) for _ in range(3)]
    again = three_classes(channels=1).prepare(batch_size=8, crop=3, augment=noisy, seed=2**32 - 1)
    for epoch in (2, 0, 1):
        for found, expected in zip(pixels_of(again, again.train.at_epoch(epoch)), epochs[epoch], strict=True):
            np.testing.assert_array_equal(found, expected)
    resumed = feed.Feed(again.train, 1)
    resumed.go_to(Place(1, 2))  # two batches into the second epoch
    np.testing.assert_array_equal(pixels_of(again, resumed.iterator)[0], epochs[1][0][16:])
    other = again.prepare(seed=1)
    assert not np.array_equal(pixels_of(other, other.train)[0], epochs[0][0])


def test_each_epoch_step_and_image_is_augmented_anew():
    same = ImageExamples(np.zeros((6, 4, 4, 3), np.uint8), np.zeros(6, np.int32))
    seeds = []

    def remember(images, seed):
        assert images.dtype == tf.uint8 and seed.dtype == tf.int32 and seed.shape == (2,)
        seeds.append(seed)
        return noisy(images, seed)

    data = ImageData("x", ("a", "b"), {"train": same, "test": same}).prepare(batch_size=3, augment=remember)
    pixels = np.concatenate([pixels_of(data, data.train)[0] for _ in range(2)])
    assert len({image.tobytes() for image in pixels}) == 12
    assert not pixels_of(data, data.test)[0].any() and not pixels_of(data, data.batches("train"))[0].any()
    assert len(seeds) < 12  # traced, not called for each batch


def test_crops_are_at_random_places_in_training_and_central_otherwise():
    places = np.arange(7 * 6).reshape(1, 7, 6, 1).astype(np.uint8)  # each pixel says where it is
    every = ImageExamples(np.repeat(places, 3000, 0), np.zeros(3000, np.int32))
    data = ImageData("x", ("a", "b"), {"train": every, "test": every.take(np.arange(2))}).prepare(crop=4)
    assert data.train.element_spec[0].shape == (None, 4, 4, 1)
    pixels = pixels_of(data, data.train)[0][..., 0]
    tops, lefts = np.divmod(pixels[:, 0, 0], 6)
    expected = (tops[:, None, None] + np.arange(4)[:, None]) * 6 + lefts[:, None, None] + np.arange(4)
    np.testing.assert_array_equal(pixels, expected)
    counts = np.bincount(tops * 3 + lefts, minlength=12)
    assert len(counts) == 12 and abs(counts - 250).max() < 5 * 250**0.5  # 4 x 3 places, equally often
    np.testing.assert_array_equal(pixels_of(data, data.test)[0][0, ..., 0], places[0, 1:5, 1:5, 0])


def test_a_memory_map_gives_the_same_batches(tmp_path):
    np.save(tmp_path / "pixels.npy", numbered(60))
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    data = three_classes().prepare(batch_size=16, crop=4)
    examples = {split: ImageExamples(mapped, part.labels, part.rows) for split, part in data.examples.items()}
    other = ImageData("x", data.class_names, examples, preparation=data.preparation)
    for first, second in ((data.train, other.train), (data.test, other.test)):
        for (images, labels), (images2, labels2) in zip(first, second, strict=True):
            np.testing.assert_array_equal(images, images2)
            np.testing.assert_array_equal(labels, labels2)


def test_many_labels_an_image():
    labels = np.random.default_rng(0).integers(0, 2, (10, 4)).astype(np.float32)
    data = ImageData("x", tuple("abcd"), {"train": ImageExamples(numbered(10), labels)}, task=MULTI_LABEL).prepare(
        batch_size=3
    )
    assert data.train.element_spec[1].shape == (None, 4)
    for images, found in data.train:
        numbers = np.rint((images.numpy()[:, 0, 0, 0] * data.preprocess.std[0] + data.preprocess.mean[0]) * 255)
        np.testing.assert_array_equal(found, labels[numbers.astype(int)])


def test_batches_go_to_replicas():
    data = three_classes().prepare(batch_size=10)
    numbers = []
    for batch in feed.prepared(data.train.at_epoch(0), 2, training=True):
        for replica in range(2):
            part, _ = feed.part(batch, replica, 2, training=True)
            assert part.shape[0] == 5
            numbers += pixels_of(data, [(part, part)])[0][:, 0, 0, 0].tolist()
    assert sorted(numbers) == data.examples["train"].rows.tolist()


def test_what_cannot_be_batched():
    data = three_classes()
    for wrong in (lambda images, seed: images[:, 1:], lambda images, seed: (images, seed)):
        with pytest.raises(
            InputError, match=r"augment must give one tensor .* batch, \(30, 5, 4, 3\), and gives .*4, 4|\("
        ):
            _ = data.prepare(augment=wrong).train
    with pytest.raises(ValueError, match="30 images do not fill one batch of 31"):
        _ = data.prepare(batch_size=31, drop_remainder=True).train


def test_error_of_an_augmentation_keeps_its_line():
    store = np.zeros((8, 6, 4, 3), np.uint8)
    data = ImageData("tall", ("a", "b"), {"train": ImageExamples(store, np.arange(8, dtype=np.int32) % 2)})
    with pytest.raises(InputError, match="square"):
        next(iter(data.prepare(batch_size=4, augment=augment.top_down).train))
