"""Batches against the texts they are made of: each once an epoch, by (seed, epoch), padded to their longest."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv import InputError
from tfconv.data import (
    TextPreprocess,
    Tokenizer,
    batches,
    build_vocabulary,
    read_shards,
    synthetic_reviews,
    token_chunks,
    write_shards,
)


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
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
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


TEXTS = [(i + 2, f"word{i % 7} and word{i % 11} " * (1 + i % 5), ("a", "b", "c")[i % 3]) for i in range(101)]


def make_preprocess(multi_label=False):
    tokenizer = Tokenizer()
    vocabulary = build_vocabulary(token_chunks([text for _, text, _ in TEXTS], tokenizer))
    return TextPreprocess(tokenizer, vocabulary, 8, class_names="abc", multi_label=multi_label)


@pytest.mark.parametrize("bucket", [False, True])
def test_shards_hold_every_text(tmp_path, bucket):
    preprocess = make_preprocess()
    assert write_shards(iter(TEXTS), preprocess, tmp_path / "shards", shard_size=9) == 101
    assert len(list((tmp_path / "shards").glob("*.tfrecord"))) == 12
    direct = preprocess(tf.constant([text for _, text, _ in TEXTS])).numpy()
    expected = sorted((*row.tolist(), "abc".index(name)) for row, (_, _, name) in zip(direct, TEXTS, strict=True))

    def read(dataset):
        found = []
        for ids, labels in dataset:
            padded = np.pad(ids, [(0, 0), (0, direct.shape[1] - ids.shape[1])])
            found += [(*row.tolist(), int(label)) for row, label in zip(padded, labels, strict=True)]
        return found

    ordered = read_shards(tmp_path / "shards", batch_size=10)
    assert [row[:-1] for row in read(ordered)] == [tuple(row) for row in direct.tolist()]
    shuffled = read_shards(tmp_path / "shards", batch_size=10, seed=3, shuffle_buffer=20, bucket=bucket)
    epochs = [read(shuffled) for _ in range(2)]
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1]) == expected
    assert [read(shuffled.at_epoch(epoch)) for epoch in (1, 0)] == epochs[::-1]
    assert int(shuffled.cardinality()) == 11


def test_shards_of_several_labels(tmp_path):
    preprocess = make_preprocess(multi_label=True)
    rows = [(1, "word1", ("a", "c")), (2, "word2", ()), (3, "word3", ("b",))]
    write_shards(rows, preprocess, tmp_path / "shards")
    _, labels = next(iter(read_shards(tmp_path / "shards", batch_size=3)))
    np.testing.assert_array_equal(labels, [[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_shards_refuse(tmp_path):
    preprocess = make_preprocess()
    with pytest.raises(InputError, match="row 7: the class 'd' is not among a, b, c"):
        write_shards([(7, "word1", "d")], preprocess, tmp_path / "shards")
    with pytest.raises(InputError, match="no text to write shards of"):
        write_shards([], preprocess, tmp_path / "shards")
    assert not list(tmp_path.iterdir())  # nothing half written
    write_shards(TEXTS, preprocess, tmp_path / "shards")
    with pytest.raises(InputError, match="is there already"):
        write_shards(TEXTS, preprocess, tmp_path / "shards")
    (tmp_path / "shards" / "00000.tfrecord").unlink()
    with pytest.raises(InputError, match="00000.tfrecord is missing"):
        read_shards(tmp_path / "shards", batch_size=2)
    with pytest.raises(InputError, match="holds no index.json of shards"):
        read_shards(tmp_path, batch_size=2)


MEMORY = """
import resource, sys
from tfconv import runtime
runtime.configure("text")
from tfconv.data import TextPreprocess, Tokenizer, build_vocabulary, read_shards, token_chunks, write_shards

n, folder = int(sys.argv[1]), sys.argv[2]
def rows():
    for i in range(n):
        yield i, f"word{i % 977} " + "plain words of a review that goes on " * 12, "ab"[i % 2]
tokenizer = Tokenizer()
vocabulary = build_vocabulary(token_chunks((text for _, text, _ in rows()), tokenizer))
write_shards(rows(), TextPreprocess(tokenizer, vocabulary, class_names="ab"), folder, shard_size=2000)
assert sum(len(y) for _, y in read_shards(folder, batch_size=64, seed=1, shuffle_buffer=500)) == n
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_data(tmp_path):
    peaks = []
    for n in (3000, 24_000):  # 2 and 18 MB of text, three passes each
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(n), str(tmp_path / str(n))], capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 12, peaks  # MB
