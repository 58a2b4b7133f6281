"""Batches against the texts they are made of: each once an epoch, by (seed, epoch), padded to their longest."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfconv import InputError
from tfconv.data import Preparation, batches, synthetic_reviews
from tfconv.data.batching import EpochDataset, row_batches


def numbered(n, seed=0):
    """Texts whose first id is their number + 1, of many lengths; the label is the number too."""
    lengths = np.random.default_rng(seed).integers(1, 30, n)
    values = np.repeat(np.arange(1, n + 1), lengths).astype(np.int32)
    return tf.RaggedTensor.from_row_lengths(values, lengths), np.arange(n, dtype=np.int32)


def rows_of(dataset):
    """(number, length) of every text, after checking its padding."""
    rows = []
    for ids, labels in dataset:
        assert ids.shape[1] == max(np.count_nonzero(ids, axis=1))
        for row, label in zip(ids.numpy(), labels.numpy(), strict=True):
            length = np.count_nonzero(row)
            assert (row[:length] == label + 1).all() and not row[length:].any()
            rows.append((int(label), length))
    return rows


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 150),
    batch_size=st.integers(1, 12),
    seed=st.one_of(st.none(), st.integers(0, 9)),
    bucket=st.booleans(),
    drop=st.booleans(),
)
def test_every_text_comes_once_an_epoch(n, batch_size, seed, bucket, drop):
    ids, labels = numbered(n)
    if drop and n < batch_size:
        with pytest.raises(ValueError, match="do not fill one batch"):
            batches(ids, labels, batch_size=batch_size, drop_remainder=True)
        return
    dataset = batches(ids, labels, batch_size=batch_size, seed=seed, bucket=bucket, drop_remainder=drop)
    rows = rows_of(dataset)
    expected = sorted(zip(labels.tolist(), ids.row_lengths().numpy().tolist(), strict=True))
    if drop:
        assert len(rows) == n // batch_size * batch_size and set(rows) <= set(expected) and len(set(rows)) == len(rows)
    else:
        assert sorted(rows) == expected
    if seed is None and not bucket:
        assert rows == expected[: len(rows)]
    assert int(dataset.cardinality()) == len(list(dataset))


@pytest.mark.parametrize("bucket", [False, True])
def test_order_goes_by_seed_and_epoch(bucket):
    ids, labels = numbered(300)
    make = lambda seed: batches(ids, labels, batch_size=4, seed=seed, bucket=bucket)  # noqa: E731
    dataset, again = make(1), make(1)
    epochs = [rows_of(dataset) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert [rows_of(again.at_epoch(epoch)) for epoch in (2, 0, 1)] == [epochs[2], epochs[0], epochs[1]]
    assert rows_of(make(2)) != epochs[0]


def test_buckets_save_padding_and_stay_random():
    ids, labels = numbered(4000)
    sizes = {}
    for bucket in (False, True):
        dataset = batches(ids, labels, batch_size=16, seed=1, bucket=bucket)
        sizes[bucket] = sum(int(tf.size(part)) for part, _ in dataset)
        widths = [part.shape[1] for part, _ in dataset]
    tokens = int(ids.flat_values.shape[0])
    assert sizes[True] < 1.1 * tokens < 1.5 * tokens < sizes[False]
    assert abs(np.corrcoef(np.arange(len(widths)), widths)[0, 1]) < 0.2  # long batches are not all at one end


def test_fixed_width():
    ids, labels = numbered(10)
    assert {part.shape for part, _ in batches(ids, labels, batch_size=5, pad_to=40)} == {(5, 40)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, r"batch_size must be a whole number from 1 to 2147483647 \(2\*\*31 - 1\), got 0"),
        ({"batch_size": 10**30}, "batch_size must be .* got 10000"),
        ({"pad_to": 10**30}, "pad_to must be .* got 10000"),
        ({"labels": np.zeros(3)}, "10 texts and 3 labels"),
    ],
)
def test_batches_refuse(change, message):
    ids, labels = numbered(10)
    with pytest.raises(ValueError, match=message):
        batches(**{"ids": ids, "labels": labels, "batch_size": 4} | change)


def test_data_prepares_its_splits():
    data = synthetic_reviews(200).prepare(length=12, batch_size=8, vocabulary_size=100)
    texts = data.examples["validation"].texts
    expected = data.preprocess(tf.constant(texts)).numpy()
    found = np.concatenate([np.pad(ids, [(0, 0), (0, 12 - ids.shape[1])]) for ids, _ in data.validation])
    np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)
    np.testing.assert_array_equal(np.concatenate([y for _, y in data.validation]), data.examples["validation"].labels)
    with pytest.raises(InputError, match="has no split 'dev': it has train, validation, test"):
        data.batches("dev")
    with pytest.raises(TypeError, match="vocabulary"):
        data.prepare(vocabulary=3)
    with pytest.raises(ValueError, match="pad_to_length=True needs a length"):
        data.prepare(pad_to_length=True, length=None)


@pytest.mark.parametrize("name", ["vocabulary_size", "length", "min_count", "batch_size", "seed"])
def test_preparation_refuses_what_does_not_fit(name):
    bits = 32 if name == "seed" else 31
    for wrong in (-1, 2**bits, 10**30, 2.5, True, "5"):
        with pytest.raises(ValueError, match=rf"{name} must be .* to {2**bits - 1} \(2\*\*{bits} - 1\), got '?{wrong}"):
            Preparation(**{name: wrong})
    if name != "seed":
        with pytest.raises(InputError, match=f"{name} must be a whole number from [14] to"):
            Preparation(**{name: 0})
    assert getattr(Preparation(**{name: np.int64(7)}), name) == 7


def test_the_largest_numbers_work():
    data = synthetic_reviews(200).prepare(length=2**31 - 1, batch_size=2**31 - 1, bucket=True, seed=2**32 - 1)
    assert [len(labels) for _, labels in data.train] == [len(data.examples["train"])]
    assert [len(labels) for _, labels in data.validation] == [len(data.examples["validation"])]


@settings(max_examples=30, deadline=None)  # each is a graph of its own
@given(st.integers(1, 400), st.integers(1, 130))
@example(1, 1)
@example(8, 16)
@example(129, 8)  # one over
@example(135, 8)  # one short of the next
@example(271, 128)  # as few over as are joined to the batch before
@example(272, 128)
def test_no_batch_of_training_is_much_smaller_than_the_others(n, batch_size):
    """Else batch normalisation is left with the statistics of a few examples; every example comes once all the same."""
    dataset = row_batches(n, lambda rows, epoch, step: rows, batch_size=batch_size, seed=0)
    batches = list(dataset.at_epoch(3).as_numpy_iterator())
    assert sorted(np.concatenate(batches)) == list(range(n)) and int(dataset.cardinality()) == len(batches)
    *others, last = map(len, batches)
    assert set(others) <= {batch_size} and last <= batch_size + max(7, batch_size // 8 - 1)
    assert not others or last >= min(8, batch_size) and last >= batch_size // 8


def test_an_epoch_data_set_stays_one_through_a_users_transformations():
    dataset = row_batches(20, lambda rows, epoch, step: (rows, rows * 2 + epoch), batch_size=4, seed=1)
    assert isinstance(dataset, EpochDataset) and int(dataset.cardinality()) == 5

    def changed(data):
        odd = data.unbatch().filter(lambda rows, labels: rows % 2 == 1).map(lambda rows, labels: rows + labels)
        return odd.batch(3).take(3).skip(1).prefetch(1)

    whole = changed(dataset)
    assert isinstance(whole, EpochDataset)
    listed = lambda data: [batch.numpy().tolist() for batch in data]  # noqa: E731
    epochs = [listed(whole) for _ in range(3)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert [listed(whole.at_epoch(epoch)) for epoch in (2, 0, 1)] == [epochs[2], epochs[0], epochs[1]]
    assert [listed(changed(dataset.at_epoch(epoch))) for epoch in range(3)] == epochs
    again = row_batches(20, lambda rows, epoch, step: rows, batch_size=4, seed=1)
    for plain in (again.repeat(2), again.shuffle(3, seed=0), again.cache(), tf.data.Dataset.zip((again, again))):
        assert not isinstance(plain, EpochDataset)
    assert len(list(again.repeat(2))) == 10
    options = tf.data.Options()
    options.deterministic = True
    assert again.with_options(options).options().deterministic
