"""Writes are whole or absent, also when the process is killed or the disk is full."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tfconv import InputError
from tfconv.files import atomic_directory, atomic_path, atomic_write, write_json


def test_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "sub" / "file.txt"
    with atomic_write(path, "w") as file:
        file.write("old\n")
    with pytest.raises(RuntimeError), atomic_write(path, "w") as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old\n" and os.listdir(path.parent) == ["file.txt"]


def test_path_keeps_its_ending(tmp_path):
    with atomic_path(tmp_path / "model.keras") as temporary:
        assert temporary.suffix == ".keras" and temporary.parent == tmp_path
        temporary.write_bytes(b"x")
    assert os.listdir(tmp_path) == ["model.keras"]


def test_killed_writer_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "value.json", {"old": True})
    code = """
import sys, time
from tfconv.files import atomic_write
with atomic_write(sys.argv[1], "w") as file:
    file.write("half"); file.flush(); print("writing", flush=True); time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "value.json")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "value.json").read_text() == '{\n  "old": true\n}\n'


def test_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = """
import resource, sys
from tfconv.files import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with atomic_write(sys.argv[1]) as file:
        file.write(bytes(100_000))
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() and path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_directory_appears_whole_and_never_replaces(tmp_path):
    with atomic_directory(tmp_path / "folder") as temporary:
        (temporary / "a").mkdir()
        (temporary / "a" / "b").write_text("x")
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder" / "a" / "b").read_text() == "x"
    with pytest.raises(OSError), atomic_directory(tmp_path / "folder") as temporary:
        (temporary / "c").write_text("y")
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == ["a"]
    with pytest.raises(RuntimeError), atomic_directory(tmp_path / "other"):
        raise RuntimeError
    assert os.listdir(tmp_path) == ["folder"]


def test_two_writers_never_mix(tmp_path):
    code = """
import sys
from tfconv.files import atomic_write
for i in range(200):
    with atomic_write(sys.argv[1], "w") as file:
        file.write(sys.argv[2] * 10_000)
"""
    path = tmp_path / "file"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "ab"]
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            assert path.read_text() in ("a" * 10_000, "b" * 10_000)
        time.sleep(0.005)
    assert all(writer.returncode == 0 for writer in writers) and os.listdir(tmp_path) == ["file"]


def test_input_error_is_one_line():
    assert str(InputError("a\n  b\tc")) == "a b c" and isinstance(InputError("x"), ValueError)
