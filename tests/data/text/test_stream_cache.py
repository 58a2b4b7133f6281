"""The cache of streamed texts: used again, made anew, and whole or absent when a pass is killed or finds no room."""

import os
import signal
from pathlib import Path

import pytest
from streamed_reviews import REVIEWS, batched, write_jsonl, write_parts
from warm_processes import Process, run

from tfconv.data import Columns, text_stream
from tfconv.data import cache as cache_module
from tfconv.data.text import scan as stream_module


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A data folder and a home folder of the test's own."""
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "cache" / "streamed"


def test_what_was_made_is_used_again_until_a_file_changes(tmp_path, cache, monkeypatch):
    folder = write_parts(tmp_path / "reviews")
    first = text_stream(folder).prepare(batch_size=8)
    batches, made = batched(first.train.at_epoch(3)), sorted(cache.glob("*/"))

    def read(*args, **kwargs):
        raise AssertionError("a file was read")

    with monkeypatch.context() as patch:
        patch.setattr(stream_module, "labelled_rows", read)
        again = text_stream(folder).prepare(batch_size=8)
        assert str(again) == str(first) and batched(again.train.at_epoch(3)) == batches
        assert batched(again.prepare(batch_size=16).batches("validation"))  # needs no other shards
        with pytest.raises(AssertionError, match="a file was read"):
            text_stream(folder, Columns(seed=1))
    write_jsonl(folder / "part-2.jsonl", REVIEWS[:30])
    changed = text_stream(folder).prepare(batch_size=8)
    assert sum(map(len, changed.examples.values())) == 190
    assert len(batched(changed.train)) == len(changed.examples["train"])
    assert batched(first.train.at_epoch(3)) == batches  # whoever trains on what is out of date keeps it
    assert len(made) == 3 and len(list(cache.glob("*/"))) == 4
    while cache_module._held:
        cache_module._held.popitem()[1].close()  # as when the process ends
    write_jsonl(folder / "part-3.jsonl", REVIEWS[:9])
    changed = text_stream(folder).prepare(batch_size=8)
    assert len(batched(changed.train)) == len(changed.examples["train"])
    assert len(list(cache.glob("*/"))) == 3
    shard = next(cache.glob("*/train/00000.tfrecord"))
    shard.write_bytes(shard.read_bytes()[:-3])  # damaged from outside
    assert len(batched(text_stream(folder).prepare(batch_size=8).train)) == len(changed.examples["train"])


def test_processes_that_want_the_same_wait_for_the_first(tmp_path, cache):
    folder = write_parts(tmp_path / "reviews", REVIEWS * 40)
    code = "import sys; from tfconv.data import text_stream; print(text_stream(sys.argv[1]))"
    both = [Process(["-c", code, folder]) for _ in range(2)]
    (one, line), (other, nothing) = sorted((process.communicate() for process in both), key=lambda pair: -len(pair[1]))
    assert one == other and line.startswith("reading rows of") and nothing == ""
    assert len(list(cache.glob("*/"))) == 1


KILLED = """
import os, signal, sys
from tfconv import runtime
runtime.configure("text")
from tfconv.data import text_stream
from tfconv.data.text import shards
written = 0
def write(self, ids, labels, whole=shards.ShardWriter.write):
    global written
    written += 1
    if written == 100:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, ids, labels)
shards.ShardWriter.write = write
text_stream(sys.argv[1]).train
"""


def test_a_pass_that_is_killed_leaves_nothing_and_begins_again(tmp_path, cache):
    folder = write_parts(tmp_path / "reviews")
    done = run(["-c", KILLED, folder])
    assert done.returncode == -signal.SIGKILL
    assert len([path for path in cache.glob("*/") if not path.name.startswith(".")]) == 2  # scan, words
    assert len(list(cache.glob(".*/"))) == 1
    data = text_stream(folder)
    assert len(batched(data.train)) == len(data.examples["train"])
    assert not list(cache.glob(".*/"))


FULL = """
import resource, signal, sys
from tfconv import InputError, runtime
runtime.configure("text")
from tfconv.data import text_stream
data = text_stream(sys.argv[1])
data.preprocess
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    data.train
except InputError as error:
    print(error)
"""


def test_a_full_disk_is_one_line(tmp_path, cache):
    folder = write_parts(tmp_path / "reviews")
    done = run(["-c", FULL, folder])
    (line,) = done.stdout.splitlines()
    assert (
        line.startswith(f"no room for encoded texts in {cache} (") and "name another folder in TFCONV_DATA_DIR" in line
    )
    assert len(list(cache.glob("*/"))) == 2 and not list(cache.glob(".*/"))


def test_where_nothing_can_be_cached_it_is_made_for_the_process(tmp_path, monkeypatch, capfd):
    for name in ("TFCONV_DATA_DIR", "HOME"):
        monkeypatch.setenv(name, os.devnull)
    data = text_stream(write_parts(tmp_path / "reviews"))
    assert len(batched(data.train)) == len(data.examples["train"])
    assert "encoded texts are made for this process only" in capfd.readouterr().err
    assert Path(os.devnull).is_char_device()
