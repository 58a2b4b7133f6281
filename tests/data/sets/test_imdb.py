import functools
import gzip
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pytest
from folder_contents import listed

import tfconv.data
from tfconv import InputError
from tfconv.data.sets import imdb as imdb_reviews
from tfconv.tasks import CLASSIFICATION

PARTS = ("train/neg", "train/pos", "test/neg", "test/pos")
FILES = {f"{part}/{i}_{5}.txt": f"{part} {i} très <br />" for part in PARTS for i in range(20)}
UNLABELLED = {f"train/unsup/{i}_0.txt": f"unsup {i}" for i in range(7)}


def write_folder(folder, files=None):
    for name, content in (files or FILES | UNLABELLED).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def archive_bytes(files=None, top="aclImdb"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in (files or FILES | UNLABELLED).items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return buffer.getvalue()


def damaged(change=lambda raw: raw, wrong_checksum=False, links=()):
    """The archive with its tar file changed, or another checksum behind it, or hard links in it."""
    tar = io.BytesIO(gzip.decompress(archive_bytes()))
    with tarfile.open(fileobj=tar, mode="a:") as archive:
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, target
            archive.addfile(member)
    content = gzip.compress(change(tar.getvalue()))
    return content[:-8] + bytes(4) + content[-4:] if wrong_checksum else content


def late_header(raw):
    """A flipped byte in the header of the last member (there are two blocks, header and text, a member)."""
    raw, place = bytearray(raw), 1024 * (len(FILES | UNLABELLED) - 1) + 150
    raw[place] ^= 0xFF
    return bytes(raw)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(imdb_reviews, "URL", "http://127.0.0.1:9/aclImdb_v1.tar.gz")


def check(data):
    assert (data.name, data.class_names, data.task, data.skipped) == ("imdb", ("neg", "pos"), CLASSIFICATION, ())
    sizes = {split: np.bincount(part.labels).tolist() for split, part in data.examples.items()}
    assert sizes == {"train": [18, 18], "validation": [2, 2], "test": [20, 20]}
    for split, part in data.examples.items():
        for text, label in zip(part.texts, part.labels, strict=True):
            assert text.startswith(f"{'test' if split == 'test' else 'train'}/{data.class_names[label]} ")
            assert text.endswith(" très <br />")


@pytest.mark.usefixtures("offline")
def test_the_folder_is_read(tmp_path, monkeypatch):
    write_folder(tmp_path / "aclImdb")
    data = tfconv.data.imdb(tmp_path)
    check(data)
    check(tfconv.data.imdb(tmp_path / "aclImdb"))
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path))
    check(tfconv.data.imdb())
    held = data.examples["validation"].texts
    assert tfconv.data.imdb(seed=0).examples["validation"].texts == held
    assert tfconv.data.imdb(seed=1).examples["validation"].texts != held
    whole = tfconv.data.imdb(validation=0, unlabelled=True)
    assert list(whole.examples) == ["train", "test", "unlabelled"]
    assert whole.examples["unlabelled"].labels.tolist() == [-1] * 7
    assert sorted(whole.examples["unlabelled"].texts) == sorted(UNLABELLED.values())


@pytest.mark.usefixtures("offline")
def test_the_archive_beside_is_unpacked_once(tmp_path):
    (tmp_path / "aclImdb_v1.tar.gz").write_bytes(archive_bytes())
    check(tfconv.data.imdb(tmp_path))
    assert listed(tmp_path) == ["aclImdb", "aclImdb_v1.tar.gz"]
    os.unlink(tmp_path / "aclImdb_v1.tar.gz")
    check(tfconv.data.imdb(tmp_path))


def test_processes_at_once_unpack_once(tmp_path):
    many = {f"{part}/{i}.txt": f"{part} {i}" for part in PARTS for i in range(300)}
    (tmp_path / "aclImdb_v1.tar.gz").write_bytes(archive_bytes(many))
    code = f"import tfconv; print(len(tfconv.data.imdb({str(tmp_path)!r}).examples['test']))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["600\n"] * 3
    assert listed(tmp_path) == ["aclImdb", "aclImdb_v1.tar.gz"]


@pytest.mark.usefixtures("offline")
def test_a_process_that_unpacks_at_the_same_time_may_win(tmp_path, monkeypatch):
    """Where files cannot be locked (some network file systems) the folder may appear before ours is renamed."""
    archive = tmp_path / "aclImdb_v1.tar.gz"
    archive.write_bytes(archive_bytes())
    rename = os.rename

    def late(source, destination):
        write_folder(tmp_path / "aclImdb")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", late)
    check(tfconv.data.imdb(tmp_path))
    assert listed(tmp_path) == ["aclImdb", "aclImdb_v1.tar.gz"]


def test_a_download_where_nothing_is_there(tmp_path, monkeypatch):
    content = archive_bytes()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "aclImdb_v1.tar.gz").write_bytes(content)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("no_proxy", "*")
    handler = functools.partial(Quiet, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        monkeypatch.setattr(imdb_reviews, "URL", f"http://127.0.0.1:{server.server_port}/aclImdb_v1.tar.gz")
        with pytest.raises(InputError, match=r"bytes where 84,125,825 are expected.*\(1\).*\(2\).*\(3\)"):
            tfconv.data.imdb(tmp_path / "new")
        monkeypatch.setattr(imdb_reviews, "SIZE", len(content))
        monkeypatch.setattr(imdb_reviews, "MD5", hashlib.md5(content).hexdigest())
        check(tfconv.data.imdb(tmp_path / "new"))
        server.shutdown()
    assert listed(tmp_path / "new") == ["aclImdb", "aclImdb_v1.tar.gz"]


@pytest.mark.usefixtures("offline")
def test_offline_and_absent_names_the_three_ways(tmp_path):
    with pytest.raises(InputError) as error:
        tfconv.data.imdb(tmp_path)
    message = str(error.value)
    assert "\n" not in message and str(tmp_path) in message
    for part in (
        "(1) run again with a connection to http",
        "(2) put aclImdb_v1.tar.gz",
        "(3) name the folder",
        "refused",
    ):
        assert part in message


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("part", PARTS)
def test_an_incomplete_folder(tmp_path, part):
    write_folder(tmp_path / "aclImdb", {name: text for name, text in FILES.items() if not name.startswith(part)})
    with pytest.raises(InputError, match=f"aclImdb/{part} has no reviews; unpack aclImdb_v1.tar.gz anew"):
        tfconv.data.imdb(tmp_path)
    (tmp_path / "aclImdb" / part).mkdir()
    with pytest.raises(InputError, match=f"aclImdb/{part} has no reviews; unpack aclImdb_v1.tar.gz anew"):
        tfconv.data.imdb(tmp_path)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "content, message",
    [
        (archive_bytes()[:-400], "is broken or cut short .*; remove it and run again"),
        (archive_bytes()[:200], "is broken or cut short"),
        (b"<html>not found</html>", "is broken or cut short"),
        (b"", "is broken or cut short"),
        (archive_bytes(top="other"), "holds no reviews under aclImdb/train/neg; remove it"),
        (archive_bytes({"train/neg/1.txt": "x"}), "holds no reviews under aclImdb/train/pos; remove it"),
        (archive_bytes({"../../../evil.txt": "x"}), "is broken or cut short .*outside the destination"),
        (damaged(late_header, True), "is broken or cut short .*; remove it and run again"),
        (damaged(late_header), "is broken or cut short .a damaged header after .*; remove it and run again"),
        (damaged(wrong_checksum=True), "is broken or cut short .CRC check failed"),
        (damaged()[:-1], "is broken or cut short .*end-of-stream"),
        (damaged() + b"more", "is broken or cut short .Not a gzipped file"),
        (damaged(lambda raw: raw.rstrip(b"\0") + bytes(300)), "is broken or cut short"),
        (damaged(lambda raw: raw[: 1024 * len(FILES | UNLABELLED)]), "is broken or cut short .no end mark"),
        (damaged(links=[("aclImdb/h", "aclImdb/nosuch")]), "is broken or cut short .*aclImdb/nosuch' not found"),
    ],
    ids=[
        *("end missing", "start only", "a page", "empty", "other folder", "incomplete", "path outside"),
        *("late header and checksum", "late header", "checksum", "trailer cut", "more behind", "tar cut", "no end"),
        "hard link to nothing",
    ],
)
def test_a_bad_archive_leaves_nothing_behind(tmp_path, content, message):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "aclImdb_v1.tar.gz").write_bytes(content)
    with pytest.raises(InputError, match=f"aclImdb_v1.tar.gz {message}") as error:
        tfconv.data.imdb(tmp_path / "in")
    assert "\n" not in str(error.value)
    assert listed(tmp_path / "in") == ["aclImdb_v1.tar.gz"] and listed(tmp_path) == ["in"]


@pytest.mark.usefixtures("offline")
def test_bad_reviews_and_arguments(tmp_path):
    write_folder(tmp_path / "aclImdb", FILES)
    with pytest.raises(InputError, match="has no train/unsup, the unlabelled reviews"):
        tfconv.data.imdb(tmp_path, unlabelled=True)
    with pytest.raises(InputError, match="validation must be a fraction"):
        tfconv.data.imdb(tmp_path, validation=1)
    (tmp_path / "aclImdb" / "test" / "pos" / "3_5.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"test/pos/3_5.txt: not UTF-8 \(byte 0xe9 at byte 4\)"):
        tfconv.data.imdb(tmp_path)
    (tmp_path / "aclImdb" / "test" / "pos" / "3_5.txt").write_bytes(b"\n")
    with pytest.raises(InputError, match=r"test/pos/3_5.txt: empty text"):
        tfconv.data.imdb(tmp_path)


@pytest.mark.real_data
def test_the_real_reviews(data_directory):
    tfconv.data.imdb(data_directory)
    before = time.perf_counter()
    data = tfconv.data.imdb(data_directory)
    assert time.perf_counter() - before < 5  # about 0.3 s with the files in memory
    sizes = {split: np.bincount(part.labels).tolist() for split, part in data.examples.items()}
    assert sizes == {"train": [11250, 11250], "validation": [1250, 1250], "test": [12500, 12500]}
    positive = [
        text for text, label in zip(data.examples["test"].texts, data.examples["test"].labels, strict=True) if label
    ]
    assert sum("great" in text for text in positive) > 4000
    assert len(tfconv.data.imdb(data_directory, unlabelled=True).examples["unlabelled"]) == 50_000
