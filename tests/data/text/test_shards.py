"""Shards against the texts they are made of, and what is said where a file of them is not as it was written."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import TextPreprocess, Tokenizer, build_vocabulary, read_shards, token_chunks, write_shards
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL

TEXTS = [(i + 2, f"word{i % 7} and word{i % 11} " * (1 + i % 5), ("a", "b", "c")[i % 3]) for i in range(101)]


def make_preprocess(task=CLASSIFICATION):
    tokenizer = Tokenizer()
    vocabulary = build_vocabulary(token_chunks([text for _, text, _ in TEXTS], tokenizer))
    return TextPreprocess(tokenizer, vocabulary, 8, class_names="abc", task=task)


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
    preprocess = make_preprocess(MULTI_LABEL)
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


def test_shards_refuse_texts_and_places(tmp_path):
    preprocess = make_preprocess()
    for text, problem in ((None, "the text is None .NoneType."), ("a\ud800", "half a surrogate pair")):
        with pytest.raises(InputError, match=f"row 7: .*{problem}"):
            write_shards([(6, "fine", "a"), (7, text, "a")], preprocess, tmp_path / "shards")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file.csv").write_text("in the way")
    for place in ("file.csv/x", "file.csv/x/y"):
        with pytest.raises(InputError, match=f"{place} cannot be made .a file is in the way.: choose another folder"):
            write_shards(TEXTS, preprocess, tmp_path / place)


@pytest.mark.parametrize("seed", [None, 1])
def test_a_shard_cut_short_is_noticed(tmp_path, seed):
    write_shards(TEXTS, make_preprocess(), tmp_path / "shards", shard_size=50)
    shard = tmp_path / "shards" / "00001.tfrecord"
    content = shard.read_bytes()
    for cut in (0, len(content) // 2, len(content) - 1):
        shard.write_bytes(content[:cut])
        with pytest.raises(InputError, match=f"00001.tfrecord has {cut:,} bytes where {len(content):,} were written"):
            read_shards(tmp_path / "shards", batch_size=8, seed=seed)
    shard.write_bytes(content)
    assert sum(len(labels) for _, labels in read_shards(tmp_path / "shards", batch_size=8, seed=seed)) == 101


@pytest.mark.parametrize("change", [
    lambda index: [], lambda index: {}, lambda index: 3,
    lambda index: index | {"texts": "x"}, lambda index: index | {"classes": -1},
    lambda index: index | {"task": "none"}, lambda index: index | {"bytes": []},
    lambda index: index | {"bytes": {"0": 1}}, lambda index: index | {"bytes": [1.5]},
])  # fmt: skip
def test_another_index_is_refused(tmp_path, change):
    write_shards(TEXTS, make_preprocess(), tmp_path / "shards")
    path = tmp_path / "shards" / "index.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match="index.json is not as write_shards writes it: write the shards again"):
        read_shards(tmp_path / "shards", batch_size=8)


def test_an_index_of_other_texts_does_not_pass_in_silence(tmp_path):
    write_shards(TEXTS, make_preprocess(), tmp_path / "shards")
    path = tmp_path / "shards" / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"texts": 300}))
    with pytest.raises(tf.errors.FailedPreconditionError):
        list(read_shards(tmp_path / "shards", batch_size=8))
    for name in ("batch_size", "shuffle_buffer", "pad_to"):
        with pytest.raises(InputError, match=f"{name} must be a whole number"):
            read_shards(tmp_path / "shards", **{"batch_size": 8} | {name: 10**30})


MEMORY = """
import resource, sys
from tfconv import runtime
runtime.configure("text")
from tfconv.data import TextPreprocess, Tokenizer, build_vocabulary, read_shards, token_chunks, write_shards
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL

def rows(n):
    for i in range(n):
        yield i, f"word{i % 977} " + "plain words of a review that goes on " * 12, "ab"[i % 2]
tokenizer = Tokenizer()
for n in (3000, 24_000):  # 2 and 18 MB of text, three passes each
    folder = f"{sys.argv[1]}/{n}"
    vocabulary = build_vocabulary(token_chunks((text for _, text, _ in rows(n)), tokenizer))
    write_shards(rows(n), TextPreprocess(tokenizer, vocabulary, class_names="ab"), folder, shard_size=2000)
    assert sum(len(y) for _, y in read_shards(folder, batch_size=64, seed=1, shuffle_buffer=500)) == n
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_data(tmp_path):
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    peaks = [int(line) for line in done.stdout.split()]
    assert peaks[1] - peaks[0] < 12, peaks  # MB
