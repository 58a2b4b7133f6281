"""Streamed texts against the same texts in memory, and format against format."""

import csv as csv_module
import gzip
import json
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from streamed_reviews import REVIEWS, batched, write_jsonl, write_parts

from tfconv import InputError
from tfconv.data import (
    Columns,
    StreamedTextData,
    TextPreprocess,
    Tokenizer,
    Vocabulary,
    build_vocabulary,
    jsonl,
    read_rows,
    text_source,
    text_stream,
    token_chunks,
)
from tfconv.data.text.scan import RowStream


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A data folder and a home folder of the test's own."""
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "cache" / "streamed"


def example(features):
    made = {}
    for name, values in features.items():
        if isinstance(values[0], int):
            made[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        else:
            made[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[v.encode() for v in values]))
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write_as(ending, path, reviews):
    path = path.with_name(path.name + ending)
    if ending.startswith(".tfrecord"):
        with tf.io.TFRecordWriter(str(path), "GZIP" if ending.endswith(".gz") else "") as writer:
            for review in reviews:
                writer.write(example({name: [value] for name, value in review.items()}))
    elif ending == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(reviews), path)
    else:
        opened = gzip.open if ending.endswith(".gz") else open
        with opened(path, "wt", newline="") as file:
            if ".jsonl" in ending:
                file.writelines(json.dumps(review) + "\n" for review in reviews)
            else:
                writer = csv_module.DictWriter(file, ["text", "label"], delimiter="\t" if ".tsv" in ending else ",")
                writer.writeheader()
                writer.writerows(reviews)


def contents(data):
    """(text, class name) of each split, in order."""
    return {
        split: [(text, data.class_names[label]) for text, label in zip(part.texts, part.labels, strict=True)]
        for split, part in data.examples.items()
    }


def test_every_row_is_in_one_split_and_every_batch_is_its_text(tmp_path):
    data = text_stream(write_parts(tmp_path / "reviews"), Columns(test=0.2, validation=0.25))
    assert isinstance(data, StreamedTextData) and data.name == "reviews" and data.class_names == ("a", "b")
    found = contents(data)
    assert sorted(sum(found.values(), [])) == sorted((review["text"], review["label"]) for review in REVIEWS)
    for split, part in data.examples.items():
        counts = Counter(name for _, name in found[split])
        assert len(part) == len(found[split]) and part.class_counts(2).tolist() == [counts["a"], counts["b"]]
    data = data.prepare(batch_size=16, length=9, bucket=True, seed=4)
    preprocess = data.preprocess
    assert preprocess.class_names == ("a", "b")
    for split in found:
        texts, names = zip(*found[split], strict=True)
        ids = [tuple(int(i) for i in row if i) for row in preprocess(tf.constant(texts)).numpy()]
        expected = list(zip(ids, ["ab".index(name) for name in names], strict=True))
        assert batched(data.batches(split)) == expected
    epochs = [batched(data.train.at_epoch(epoch)) for epoch in (0, 1)]
    train = batched(data.batches("train"))
    assert epochs[0] != epochs[1] and sorted(epochs[0]) == sorted(epochs[1]) == sorted(train)
    assert int(data.train.cardinality()) == -(-len(found["train"]) // 16)


def test_the_vocabulary_is_that_of_the_training_texts(tmp_path):
    data = text_stream(write_parts(tmp_path / "reviews"), Columns(test=0.2)).prepare(
        punctuation=True, vocabulary_size=20
    )
    chunks = token_chunks(list(data.examples["train"].texts), Tokenizer(punctuation=True))
    assert data.preprocess.vocabulary.tokens == build_vocabulary(chunks, 20).tokens


def test_the_vocabulary_of_an_earlier_run_is_kept_and_has_shards_of_its_own(tmp_path):
    data = text_stream(write_parts(tmp_path / "reviews")).prepare(length=6, start=False)
    own = batched(data.validation)
    texts = tf.constant(list(data.examples["validation"].texts))
    for words in (["good", "film"], ["film", "good"]):
        earlier = TextPreprocess(Tokenizer(), Vocabulary(words), 6, start=False, class_names=("x", "y", "z"))
        later = data.prepare(preprocess=earlier)
        assert later.preprocess.vocabulary is earlier.vocabulary and later.preprocess.class_names == ("a", "b")
        expected = [tuple(int(i) for i in row if i) for row in earlier(texts).numpy()]
        assert [ids for ids, _ in batched(later.validation)] == expected
    assert batched(data.prepare().validation) == own


@pytest.mark.parametrize("ending", [".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".parquet", ".tfrecord", ".tfrecord.gz"])
def test_formats_hold_the_same(tmp_path, ending):
    (tmp_path / "other").mkdir()
    for number in range(2):
        part = REVIEWS[number * 30 : number * 30 + 30]
        write_as(".jsonl", tmp_path / f"part-{number}", part)
        write_as(ending, tmp_path / "other" / f"part-{number}", part)
    other = text_stream(tmp_path / "other", Columns(validation=0))
    assert contents(text_stream(tmp_path, Columns(validation=0))) == contents(other)
    if ".tfrecord" in ending:
        return
    (file,) = (tmp_path / "other").glob("part-0*")
    assert contents(text_source(file, Columns(validation=0))) == contents(
        jsonl(tmp_path / "part-0.jsonl", Columns(validation=0))
    )


def test_tfrecords_with_other_features(tmp_path):
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord")) as writer:
        for i in range(60):
            part = "test" if i % 5 == 0 else "train"
            writer.write(example({"review": [f"text {i}"], "stars": [1 + i % 3, 4][: 1 + i % 2], "part": [part]}))
        writer.write(
            example({"review": ["of none"], "stars": [1], "part": ["train"]}).replace(b"\x1a\x03\n\x01\x01", b"")
        )
    path = tmp_path / "x.tfrecord"
    data = text_source(
        path, Columns(text="review", label="stars", split="part", multi_label=True, validation=0, skip=True)
    )
    assert data.class_names == ("1", "2", "3", "4") and len(data.examples["test"]) == 12
    labels = data.examples["train"].labels
    assert labels.shape == (len(data.examples["train"]), 4) and labels[:, 3].sum() == 24
    assert batched(data.batches("train"))[0][1] == labels[0].tolist()
    assert next(read_rows(path, Columns(text="review", label="stars", multi_label=True)))[1:] == ("text 0", ("1",))


def test_splits_are_shares_that_only_the_seed_and_the_row_decide(tmp_path):
    reviews = [{"text": f"text {i}", "label": i % 2} for i in range(4000)]
    folder = write_parts(tmp_path / "reviews", reviews, 2)
    data = text_stream(folder, Columns(test=0.3, validation=0.2, seed=5))
    sizes = {split: len(part) for split, part in data.examples.items()}
    for split, share in (("test", 0.3), ("validation", 0.7 * 0.2), ("train", 0.7 * 0.8)):
        assert abs(sizes[split] - 4000 * share) < 4 * (4000 * share * (1 - share)) ** 0.5
    first = {split: set(part.texts) for split, part in data.examples.items()}
    other = {split: set(part.texts) for split, part in text_stream(folder, Columns(test=0.3, seed=6)).examples.items()}
    assert other["test"] != first["test"]
    folder = folder.rename(tmp_path / "moved")  # and grown
    write_jsonl(folder / "part-9.jsonl", [{"text": f"more {i}", "label": i % 2} for i in range(50)])
    grown = text_stream(folder, Columns(test=0.3, validation=0.2, seed=5))
    assert all(first[split] < set(grown.examples[split].texts) for split in first)
    write_jsonl(tmp_path / "other" / "part-10.jsonl", [{"text": f"other {i}", "label": i % 2} for i in range(50)])
    grown = text_stream([tmp_path / "other", folder], Columns(test=0.3, validation=0.2, seed=5))
    assert all(first[split] < set(grown.examples[split].texts) for split in first)
    named = RowStream.of([folder / "x.csv", tmp_path / "other" / "x.csv"], [])
    assert [file.name for file in named.files] == ["moved/x.csv", "other/x.csv"]


def test_a_split_column_and_files_to_test_on(tmp_path):
    reviews = [review | {"part": ("train", "dev", "train")[i % 3]} for i, review in enumerate(REVIEWS)]
    folder = write_parts(tmp_path / "reviews", [r | {"label": "ab"[i % 2]} for i, r in enumerate(reviews)])
    data = text_stream(folder, Columns(split="part", test=folder / "part-2.jsonl", validation=0.5))
    assert [len(data.examples[split]) for split in ("train", "validation", "test")] == [107, 53, 80]
    assert list(data.examples["test"].texts) == [review["text"] for review in REVIEWS[160:]]
    memory = jsonl(folder / "part-0.jsonl", Columns(split="part", test=folder / "part-2.jsonl"))
    streamed = text_source(folder / "part-0.jsonl", Columns(split="part", test=folder / "part-2.jsonl"), stream=True)
    assert contents(memory) == contents(streamed)
    with pytest.raises(InputError, match="all files are test files"):
        text_stream(folder, Columns(test=folder))


def test_a_label_that_only_the_last_file_has(tmp_path):
    reviews = sorted(REVIEWS, key=lambda review: review["label"])
    data = text_stream(write_parts(tmp_path / "reviews", [*reviews, *({"text": "c", "label": "c"},) * 9], 4))
    assert data.class_names == ("a", "b", "c")
    assert data.examples["train"].class_counts(3)[2] > 0


def test_training_files_are_samples_of_a_source_that_is_sorted(tmp_path, cache):
    reviews = [{"text": f"word{i}", "label": i // 10_000} for i in range(20_000)]
    data = text_stream(write_parts(tmp_path / "reviews", reviews, 2), Columns(validation=0)).prepare(batch_size=500)
    labels = [labels.numpy().mean() for _, labels in data.train]
    assert len(list(cache.glob("*/train/*.tfrecord"))) == 4
    assert all(abs(mean - 0.5) < 5 * 0.5 / 500**0.5 for mean in labels)


def test_sources_that_are_streamed_and_that_are_not(tmp_path, monkeypatch):
    folder = write_parts(tmp_path / "reviews")
    file = folder / "part-0.jsonl"
    for source in (folder, folder / "*.jsonl", str(tmp_path / "**" / "part-?.jsonl")):
        assert contents(text_source(source)) == contents(text_stream(folder))
    monkeypatch.chdir(tmp_path)  # each file is read once, in whatever ways it is named
    (tmp_path / "link.jsonl").symlink_to(file)
    assert contents(text_stream([folder, "reviews/part-0.jsonl", "link.jsonl"])) == contents(text_stream(folder))
    assert not isinstance(text_source(file), StreamedTextData)
    assert isinstance(text_source(file, stream=True), StreamedTextData)
    monkeypatch.setattr("tfconv.data.source._LARGE", 1000)
    assert isinstance(text_source(file), StreamedTextData)
    assert not isinstance(text_source(file, stream=False), StreamedTextData)
    for name in ("synthetic", "imdb", tmp_path):
        with pytest.raises(InputError, match="cannot be streamed .--stream.: that is for files with columns"):
            text_source(name, stream=True)


def test_examples_in_memory_and_what_streamed_texts_refuse(tmp_path):
    data = text_stream(write_parts(tmp_path / "reviews"))
    part = data.examples["train"]
    some = part.take(np.array([5, 0, 5]))
    texts = list(part.texts)
    assert some.texts == [texts[5], texts[0], texts[5]] and some.labels.tolist() == part.labels[[5, 0, 5]].tolist()
    for call in (lambda: data.fold(0, 3), lambda: data.resplit(1), lambda: data.prepare(balanced=True).train):
        with pytest.raises(InputError, match="reviews is streamed"):
            call()


def test_a_text_of_ten_megabytes(tmp_path):
    long = {"text": "word " * 2_000_000 + "end", "label": "a"}
    write_jsonl(tmp_path / "reviews.jsonl", [*REVIEWS[:20], long, *REVIEWS[20:40]])
    data = text_stream(tmp_path / "reviews.jsonl", Columns(validation=0)).prepare(length=50, vocabulary_size=10)
    assert data.preprocess.vocabulary.tokens[3] == "word"
    ids = [ids for ids, _ in batched(data.batches("train"))]
    assert len(ids) == 41 and ids[20] == (1, *(3,) * 49)
