"""What is said about streams of texts that are not as they should be; each a single line."""

import gzip
import json

import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import Columns, text_source, text_stream
from tfconv.data.text import scan as scan_module
from tfconv.data.text import stream as examples_module

GOOD = [json.dumps({"text": f"text {i}", "label": "ab"[i % 2]}) + "\n" for i in range(40)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A data folder of the test's own."""
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))


def line(text, label):
    return json.dumps({"text": text, "label": label}) + "\n"


def write(folder, *contents):
    folder.mkdir(exist_ok=True)
    for number, lines in enumerate(contents):
        (folder / f"{number}.jsonl").write_text("".join(lines))
    return folder


def refusal(*args, **options):
    with pytest.raises(InputError) as caught:
        text_stream(*args, Columns(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_to_read(tmp_path):
    assert f"{tmp_path} holds no file of rows (.csv, .tsv, .jsonl" in refusal(tmp_path)
    assert "x-*.jsonl: the pattern matches no file" in refusal(tmp_path / "x-*.jsonl")
    assert "no files are given" in refusal([])
    assert "nothing.jsonl: no such file; check the path" in refusal(tmp_path / "nothing.jsonl")
    assert "1.jsonl is empty (0 bytes)" in refusal(write(tmp_path / "a", GOOD, []))
    assert sum(map(len, text_stream(tmp_path / "a", Columns(skip=True)).examples.values())) == 40
    assert "no rows to train on" in refusal(write(tmp_path / "b", ["\n"]))
    write(tmp_path / "c", GOOD)
    (tmp_path / "c" / "2.jsonl").symlink_to(tmp_path / "gone.jsonl")  # not left out without a word
    for source in (tmp_path / "c", tmp_path / "c" / "*.jsonl"):
        assert "2.jsonl: no such file" in refusal(source)
    with pytest.raises(InputError, match="no such file or folder; give a .csv"):
        text_source(tmp_path / "nothing")


def test_several_formats(tmp_path):
    folder = write(tmp_path / "reviews", GOOD, GOOD)
    (folder / "a.csv").write_text("text,label\nx,y\n")
    message = "reviews: files of several formats (1 csv and 2 jsonl), perhaps the same rows twice; choose one with"
    assert message in refusal(folder)
    (folder / "README.md").write_text("not rows")
    (folder / "_SUCCESS").touch()
    assert len(text_stream(folder / "*.jsonl", Columns(validation=0)).examples["train"]) == 80
    (folder / "b.parquet.gz").write_bytes(gzip.compress(b"x"))
    assert "b.parquet.gz: Parquet is compressed within; unpack the file" in refusal(folder / "b.parquet.gz")
    assert "cannot tell its format from its ending" in refusal(folder / "README.md")


@pytest.mark.parametrize("skip", [False, True])
def test_a_packed_file_that_is_cut_short_or_no_gzip(tmp_path, skip):
    content = gzip.compress("".join(GOOD).encode())
    path = tmp_path / "x.jsonl.gz"
    for bad in (content[:-9], content[: len(content) // 2], "".join(GOOD).encode(), content[:-6] + b"xxxxxx"):
        path.write_bytes(bad)
        assert f"{path}: not gzip, or cut short (" in refusal(path, skip=skip)
    path.write_bytes(content)
    assert sum(map(len, text_stream(path, Columns(skip=skip)).examples.values())) == 40


def test_bad_rows_are_named_or_skipped_and_a_thousand_listed(tmp_path):
    folder = write(tmp_path / "reviews", GOOD, [*GOOD, "{\n", line("", "a"), *["[]\n"] * 1200])
    assert "1.jsonl row 41: not JSON" in refusal(folder)
    data = text_stream(folder, Columns(skip=True))
    assert len(data.skipped) == 1000 and data.found.more_skipped == 202
    assert data.skipped[1].endswith("1.jsonl row 42: empty text")
    assert data.summary().endswith("and 202 more were skipped that are not listed")
    assert sum(map(len, data.examples.values())) == 80 and len(list(data.examples["train"].texts)) > 50
    assert sum(len(labels) for _, labels in data.train) == len(data.examples["train"])


def test_columns_and_options(tmp_path):
    folder = write(tmp_path / "reviews", GOOD)
    assert "0.jsonl row 1: no key 'review'; there are 'text', 'label'" in refusal(folder, text="review")
    for options in ({"validation": 1}, {"test": -0.1}):
        assert "must be a fraction from 0 (none) to less than 1" in refusal(folder, **options)
    split = [
        json.dumps({"text": f"{i}", "label": i % 2, "part": ("train", "test")[i % 3 == 0]}) + "\n" for i in range(60)
    ]
    message = "column 'part' has test rows, and test=0.2 is given too; choose one"
    assert message in refusal(write(tmp_path / "split", split), split="part", test=0.2)


def test_labels_that_nothing_can_be_learned_about(tmp_path):
    assert "the only class is 'a'" in refusal(write(tmp_path / "one", [line(f"t{i}", "a") for i in range(9)]))
    folder = write(tmp_path / "once", GOOD, [*GOOD, line("x", "c")])
    assert "1.jsonl row 41: the label 'c' is seen only here; mend a misspelling" in refusal(folder)
    data = text_stream(folder, Columns(skip=True))
    assert data.class_names == ("a", "b") and data.skipped[0].endswith("row 41: the label 'c' is seen only here")
    assert sum(len(labels) for _, labels in data.train) == len(data.examples["train"])
    test = write(tmp_path / "test", [line(f"t{i}", "c") for i in range(5)])
    assert "label 'c' is in no training row, only in test (5 rows); add training rows" in refusal(
        folder / "0.jsonl", test=test
    )


def test_labels_of_several_kinds(tmp_path):
    folder = write(tmp_path / "kinds", GOOD, [*GOOD, line("x", 3), line("y", 3), line("z", True)])
    message = "1.jsonl row 41: the label '3' is a number where most are words, as in"
    assert message in refusal(folder)
    data = text_stream(folder, Columns(skip=True))
    assert data.class_names == ("a", "b") and len(data.skipped) == 3


def test_leaving_a_label_out_can_make_another_occur_once(tmp_path):
    several = [line(f"t{i}", ["a", "b"][: 1 + i % 2]) for i in range(40)]
    folder = write(tmp_path / "several", [*several, line("x", ["a", "c"]), line("y", ["c", "d"])])
    data = text_stream(folder, Columns(multi_label=True, skip=True))
    assert data.class_names == ("a", "b") and sum(map(len, data.examples.values())) == 40 and len(data.skipped) == 2


def test_far_too_many_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_module, "_MOST_LABELS", 20)
    folder = write(tmp_path / "ids", [line(f"t{i}", i) for i in range(30)])
    assert "row 21: more than 20 different labels; is this the label column?" in refusal(folder)


def test_files_that_change_while_they_are_read(tmp_path, monkeypatch):
    folder = write(tmp_path / "reviews", GOOD)

    def scan(*args, **kwargs):
        found = scan_module.scan(*args, **kwargs)
        write(folder, GOOD[:-1])
        return found

    monkeypatch.setattr(examples_module, "scan", scan)
    assert "files changed since they were first read; start again" in refusal(folder)
    monkeypatch.setattr(examples_module, "scan", scan_module.scan)
    data = text_stream(folder)
    write(folder, GOOD)
    with pytest.raises(InputError, match="files changed since they were first read; start again"):
        data.preprocess  # noqa: B018


def test_tfrecords_that_are_none(tmp_path):
    path = tmp_path / "x.tfrecord"

    def feature(**values):
        made = {k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for k, v in values.items()}
        return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()

    good = [feature(text=b"text %d" % i, label=b"ab"[i % 2 :][:1]) for i in range(40)]

    def records(*contents):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for content in contents:
                writer.write(content)
        return path

    assert "row 1: no feature 'review'; there are 'label', 'text'" in refusal(records(*good), text="review")
    assert "row 41: no tf.train.Example" in refusal(records(*good, b"\xff\xff"))
    assert "row 41: not UTF-8" in refusal(records(*good, feature(text=b"\xff", label=b"a")))
    assert "row 41: no text (null)" in refusal(records(*good, feature(label=b"a")))
    assert len(text_stream(path, Columns(skip=True, validation=0)).examples["train"]) == 40
    content = records(*good).read_bytes()
    ends = [len(content) // 40 * record for record in (39, 40)]  # of records, which are of nearly one length
    cuts = [content[:end] for end in (5, *range(*ends, 3), len(content) - 5)]
    flipped = content[:300] + bytes([content[300] ^ 1]) + content[301:]  # protobuf orders features as it likes
    for bad in (*cuts, flipped, b"text,label\n" * 20):
        path.write_bytes(bad)
        assert "not a TFRecord file, or damaged or cut short after" in refusal(path, skip=True)
    packed, path = gzip.compress(content), tmp_path / "x.tfrecord.gz"
    for end in (1, 5, 20, len(packed) // 2, len(packed) - 9, len(packed) - 1):
        path.write_bytes(packed[:end])
        assert "x.tfrecord.gz: not" in refusal(path, skip=True)
    path.write_bytes(packed)
    assert len(text_stream(path, Columns(validation=0)).examples["train"]) == 40
