"""The cache of decoded images: whole or absent, for several processes, and where there is no room for it."""

import errno
import os
import shutil
import tempfile

import numpy as np
import pytest
from image_trees import encoded, photo, tree, write_files
from warm_processes import Process, run

import tfconv.data
from tfconv import InputError
from tfconv.data.image import store as store_module


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where the cache lies for this test."""
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def photos(tmp_path):
    """Six hundred images, two batches and a half of those that are written at a time."""
    return write_files(tmp_path / "photos", tree(count=300, height=6, width=7))


def content(data):
    """The pixels of all images in the order of their files."""
    return data.examples["train"].store[np.argsort(data.examples["train"].rows)]


def entries(directory):
    return sorted(path.name for path in (directory / "decoded").iterdir() if not path.name.endswith(".lock"))


def written(photos):
    return [np.array(photo(index, 6, 7)) for index in range(600)]


def test_images_are_decoded_once_until_a_file_changes(photos, home, capfd):
    data = tfconv.data.image_folder(photos, validation=0)
    assert "decoding " in capfd.readouterr().err
    by_name = sorted(range(300), key=lambda number: f"{number}.png")
    expected = np.array(written(photos))[[*by_name, *(300 + number for number in by_name)]]
    np.testing.assert_array_equal(data.examples["train"].store, expected)
    first = entries(home / "data")

    again = tfconv.data.image_folder(photos, validation=0.5, seed=3)
    assert capfd.readouterr().err == "" and entries(home / "data") == first
    assert isinstance(again.examples["train"].store, np.memmap) and not again.examples["train"].store.flags.writeable
    np.testing.assert_array_equal(again.examples["train"].store, expected)

    path = photos / "cat" / "0.png"
    status = path.stat()
    path.write_bytes(encoded(photo(999, 6, 7)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    changed = tfconv.data.image_folder(photos, validation=0)
    np.testing.assert_array_equal(changed.examples["train"].store[0], np.array(photo(999, 6, 7)))
    np.testing.assert_array_equal(changed.examples["train"].store[1:], expected[1:])
    assert len(entries(home / "data")) == 1 and entries(home / "data") != first  # what is out of date is removed
    np.testing.assert_array_equal(data.examples["train"].store, expected)  # whoever has it open keeps it

    other = tfconv.data.image_folder(photos, size=3, validation=0)
    assert other.image_shape == (3, 3, 3) and len(entries(home / "data")) == 2


def test_a_cache_that_was_damaged_is_made_anew(photos, home):
    store = content(tfconv.data.image_folder(photos, validation=0)).copy()
    (name,) = entries(home / "data")
    for damage in (b"", b"\x93NUMPY\1\0", b"no array"):
        (home / "data" / "decoded" / name / "pixels.npy").write_bytes(damage)
        np.testing.assert_array_equal(content(tfconv.data.image_folder(photos, validation=0)), store)


KILLED = """
import os, signal, sys
from tfconv.data import image_folder
from tfconv.data.image import store
batches = store._batches
def broken_off(*arguments):
    for number, batch in enumerate(batches(*arguments)):
        if number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield batch
store._batches = broken_off
image_folder(sys.argv[1])
"""


def test_a_process_killed_while_decoding_leaves_no_broken_cache(photos, home):
    done = run(["-c", KILLED, photos])
    assert done.returncode == -9
    (left,) = entries(home / "data")
    assert left.startswith(".") and (home / "data" / "decoded" / left / "pixels.npy").exists()
    data = tfconv.data.image_folder(photos, validation=0)
    assert sorted(pixels.tobytes() for pixels in content(data)) == sorted(a.tobytes() for a in written(photos))
    assert len(entries(home / "data")) == 1 and not entries(home / "data")[0].startswith(".")


def test_of_two_processes_at_once_one_decodes_and_both_have_the_images(photos):
    code = f"import tfconv; data = tfconv.data.image_folder({str(photos)!r}); print(data.examples['train'].store.sum())"
    running = [Process(["-c", code]) for _ in range(2)]
    outputs = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert [out for out, _ in outputs] == [f"{np.sum(written(photos), dtype=np.int64)}\n"] * 2
    assert sum(err.count("decoding ") for _, err in outputs) == 1


def test_an_error_leaves_nothing_behind(photos, home):
    write_files(photos, {"dog/0.png": encoded(photo(1))[:-9]})
    with pytest.raises(InputError, match="dog/0.png: broken"):
        tfconv.data.image_folder(photos)
    assert entries(home / "data") == []


def no_folder(path):
    """Nothing can be written in a folder that is a file, not even by root."""
    path.write_text("in the way")


def test_where_the_data_folder_cannot_be_written_the_cache_is_in_the_home_folder(photos, home, capfd):
    no_folder(home / "data")
    store = content(tfconv.data.image_folder(photos, validation=0)).copy()
    assert len(entries(home / "home" / ".cache" / "tfconv")) == 1
    capfd.readouterr()
    np.testing.assert_array_equal(content(tfconv.data.image_folder(photos, validation=0)), store)
    assert capfd.readouterr().err == ""


def test_without_any_cache_images_are_decoded_for_the_process_and_a_line_says_so(photos, home, capfd, monkeypatch):
    no_folder(home / "data")
    no_folder(home / "home")
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    before = set(home.iterdir())
    data = tfconv.data.image_folder(photos, validation=0)
    assert len(content(data)) == 600 and set(home.iterdir()) == before
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("decoded images are made for this process only: they can be cached neither in ")
    assert f"{home}/data/decoded (Not a directory) nor {home}/home/.cache" in lines[0] and len(lines) == 2


def test_no_room_anywhere_is_an_error_before_anything_is_decoded(photos, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(1, 1, 999))
    monkeypatch.setattr(store_module, "_batches", None)
    needed = r"0.1 MB are needed and 0.0 MB are free"
    with pytest.raises(InputError, match=rf"no room for .*{needed}.*; make room, or name another .*TFCONV_DATA_DIR"):
        tfconv.data.image_folder(photos)


def test_a_disk_that_fills_up_while_decoding(photos, home, monkeypatch):
    batches = store_module._batches
    calls = []

    def filling(*arguments):
        calls.append(1)
        for number, batch in enumerate(batches(*arguments)):
            if number == 1 and len(calls) == 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            yield batch

    monkeypatch.setattr(store_module, "_batches", filling)
    assert len(content(tfconv.data.image_folder(photos, validation=0))) == 600
    assert entries(home / "data") == [] and len(entries(home / "home" / ".cache" / "tfconv")) == 1
