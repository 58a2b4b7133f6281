"""Balanced sampling against exact counts: of every class, and of every example of it."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_images import three_classes

from tfconv import InputError
from tfconv.data import ImageData, TextData, TextExamples, batches, synthetic_reviews
from tfconv.data.batching import balanced_order
from tfconv.tasks import MULTI_LABEL

IMBALANCED = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def texts(counts, seed=0):
    """Texts whose first id is their number + 1, of many lengths, and classes of those sizes, mixed."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int32)
    lengths = rng.integers(1, 30, len(classes))
    values = np.repeat(np.arange(1, len(classes) + 1), lengths).astype(np.int32)
    return tf.RaggedTensor.from_row_lengths(values, lengths), classes


def drawn(dataset):
    """The number of each text, in order, and its label."""
    parts = [(ids.numpy()[:, 0] - 1, labels.numpy()) for ids, labels in dataset]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def check_counts(rows, classes, counts):
    n, number = len(classes), len(counts)
    of_class = np.bincount(classes[rows], minlength=number)
    assert len(rows) == n and set(of_class) <= {n // number, n // number + 1}
    times = np.bincount(rows, minlength=n)
    for label, (q, m) in enumerate(zip(of_class, counts, strict=True)):
        assert set(times[classes == label]) <= {q // m, q // m + (q % m > 0)}


@settings(max_examples=60, deadline=None)
@given(IMBALANCED, st.integers(0, 2**32 - 1), st.integers(0, 10))
def test_every_class_and_every_example_of_it_come_equally_often(counts, seed, epoch):
    _, classes = texts(counts)
    check_counts(balanced_order(classes, seed)(tf.constant(epoch, tf.int64)).numpy(), classes, counts)


@settings(max_examples=8, deadline=None)
@given(IMBALANCED, st.integers(1, 16), st.booleans(), st.integers(0, 2**32 - 1), st.integers(0, 10))
def test_batches_hold_what_was_drawn(counts, batch_size, bucket, seed, epoch):
    ids, classes = texts(counts)
    dataset = batches(ids, classes, batch_size=batch_size, seed=seed, bucket=bucket, balanced=True)
    rows, labels = drawn(dataset.at_epoch(epoch))
    np.testing.assert_array_equal(labels, classes[rows])
    check_counts(rows, classes, counts)


def test_equal_classes_come_once_each():
    ids, classes = texts([20, 20, 20])
    rows, _ = drawn(batches(ids, classes, batch_size=7, seed=3, balanced=True))
    assert sorted(rows) == list(range(60))


@pytest.mark.parametrize("bucket", [False, True])
def test_the_draw_goes_by_seed_and_epoch(bucket):
    ids, classes = texts([90, 10])
    make = lambda seed: batches(ids, classes, batch_size=8, seed=seed, bucket=bucket, balanced=True)  # noqa: E731
    dataset, again = make(1), make(1)
    epochs = [drawn(dataset)[0].tolist() for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert [drawn(again.at_epoch(epoch))[0].tolist() for epoch in (2, 0, 1)] == [epochs[2], epochs[0], epochs[1]]
    assert drawn(make(2))[0].tolist() != epochs[0]
    frequent = np.flatnonzero(classes == 0)
    shown = [set(epoch) & set(frequent) for epoch in epochs]
    assert all(len(part) == 50 for part in shown) and shown[0] != shown[1]


def test_no_example_of_a_frequent_class_is_left_out_for_good():
    _, classes = texts([90, 10])
    order = tf.function(balanced_order(classes, 1))
    # 50 of 90 at random each epoch: one missing from all of 60 epochs has the chance 90 (4/9)^60
    assert set().union(*(order(tf.constant(epoch, tf.int64)).numpy() for epoch in range(60))) == set(range(100))


def test_classes_are_mixed_within_an_epoch():
    ids, classes = texts([900, 100])
    _, labels = drawn(batches(ids, classes, batch_size=50, seed=0, balanced=True))
    halves = labels[:500].sum(), labels[500:].sum()
    assert abs(halves[0] - 250) < 60  # hypergeometric, sd 7.9


def test_texts_and_images_are_balanced_in_training_alone():
    reviews = synthetic_reviews(200)
    labels = reviews.examples["train"].labels
    rare = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:10]])
    data = TextData("x", ("neg", "pos"), {**reviews.examples, "train": reviews.examples["train"].take(rare)})
    stored = three_classes()
    few = stored.examples["train"].take(np.flatnonzero(stored.examples["train"].labels != 2)[:17])
    images = ImageData("x", ("a", "b", "c"), {**stored.examples, "train": few})
    for prepared in (data.prepare(bucket=True, balanced=True), images.prepare(balanced=True)):
        counts = np.bincount(np.concatenate([y for _, y in prepared.train]))
        assert np.ptp(counts) <= 1 and counts.sum() == len(prepared.examples["train"])
        held = np.concatenate([y for _, y in prepared.validation])
        np.testing.assert_array_equal(held, prepared.examples["validation"].labels)


def test_several_labels_and_no_seed_are_refused():
    ids, classes = texts([5, 5])
    with pytest.raises(InputError, match="balanced sampling is for one label an example"):
        batches(ids, np.eye(2, dtype=np.float32)[classes], batch_size=2, seed=0, balanced=True)
    with pytest.raises(ValueError, match="it needs a seed, got None"):
        batches(ids, classes, batch_size=2, balanced=True)
    some = TextExamples(["a b", "c d"], np.eye(2, dtype=np.float32))
    with pytest.raises(InputError, match="one label an example"):
        _ = TextData("x", ("a", "b"), {"train": some}, task=MULTI_LABEL).prepare(balanced=True).train
