"""Version numbers: rising, never half-written, never deleted by mistake, never shared by two exporters."""

import os
import subprocess
import sys
import textwrap
import time

import pytest
from small_classifiers import preprocess, stock_model

from tfconv.errors import InputError
from tfconv.export import export_serving
from tfconv.export.versions import new_version, remove_old_versions, version_numbers


def publish(base, content="x"):
    with new_version(base) as version:
        (version.folder / "saved_model.pb").write_text(content)
    return int(version.folder.name)


def names(base):
    return sorted(entry.name for entry in base.iterdir())


def test_numbers_rise_above_everything_there(tmp_path):
    assert [publish(tmp_path), publish(tmp_path)] == [1, 2]
    (tmp_path / "0041").write_text("a file")  # the server reads 0041 as 41
    (tmp_path / "notes").mkdir()
    (tmp_path / "99x").mkdir()
    (tmp_path / "٣").mkdir()  # a digit, but none that a server reads
    assert publish(tmp_path) == 42
    assert version_numbers(tmp_path) == [1, 2, 41, 42]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_version(tmp_path) as version:
        (version.folder / "saved_model.pb").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_only_old_saved_models_are_removed(tmp_path):
    for _ in range(5):
        publish(tmp_path)
    (tmp_path / "0").mkdir()  # a number without a SavedModel: the user's own
    (tmp_path / "2024").mkdir()
    (tmp_path / "keep.txt").write_text("")
    os.symlink(tmp_path / "1", tmp_path / "6")
    assert remove_old_versions(tmp_path, 2, below=5) == [1, 2, 3]
    assert names(tmp_path) == sorted(["0", "2024", "4", "5", "6", "keep.txt"])


def test_what_another_exporter_has_published_since_stays(tmp_path):
    for _ in range(4):
        publish(tmp_path)
    assert remove_old_versions(tmp_path, 1, below=3) == [1, 2]
    assert names(tmp_path) == ["3", "4"]


def test_export_keeps_the_last(tmp_path):
    assert [publish(tmp_path), publish(tmp_path)] == [1, 2]
    export_serving(stock_model(), preprocess(), tmp_path, keep=2)
    assert names(tmp_path) == ["2", "3"]
    export_serving(stock_model(), preprocess(), tmp_path, keep=None)
    assert names(tmp_path) == ["2", "3", "4"]


def test_folders_of_killed_exporters_go_after_a_day(tmp_path):
    for name, age in (("old", 30 * 3600), ("new", 60)):
        (tmp_path / f".tmp-{name}").mkdir()
        os.utime(tmp_path / f".tmp-{name}", (time.time() - age,) * 2)
    publish(tmp_path)
    assert names(tmp_path) == [".tmp-new", "1"]


# The package is a bare one, so that a child does not import TensorFlow.
CHILD = """
    import os, signal, sys, types
    from pathlib import Path
    import tfconv
    sys.modules["tfconv.export"] = package = types.ModuleType("tfconv.export")
    package.__path__ = [str(Path(tfconv.__file__).parent / "export")]
    from tfconv.export import versions
    base = Path(sys.argv[1])
    for _ in range(int(sys.argv[2])):
        with versions.new_version(base) as version:
            for i in range(20):
                (version.folder / f"part{i}").write_text(sys.argv[3])
            (version.folder / "saved_model.pb").write_text(sys.argv[3])
            if sys.argv[3] == "kill":
                os.rename = os.fsync = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        print(version.folder.name, flush=True)
"""


def child(base, count, content):
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(base), str(count), content]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_exporter_leaves_no_number(tmp_path):
    process = child(tmp_path, 1, "kill")
    process.communicate()
    assert process.returncode == -9
    assert version_numbers(tmp_path) == []
    assert [name.startswith(".tmp-") for name in names(tmp_path)] == [True]
    assert publish(tmp_path) == 1


def test_exporters_at_once_get_different_numbers(tmp_path):
    count = 40
    processes = [child(tmp_path, count, content) for content in ("one", "two", "three")]
    outputs = [process.communicate()[0].split() for process in processes]
    assert sorted(int(n) for output in outputs for n in output) == list(range(1, 3 * count + 1))
    for content, output in zip(("one", "two", "three"), outputs, strict=True):
        for number in output:  # nobody's files were replaced or mixed
            assert {file.read_text() for file in (tmp_path / number).iterdir()} == {content}
            assert len(list((tmp_path / number).iterdir())) == 21


def test_a_file_is_no_base(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError), new_version(tmp_path / "file"):
        pass
