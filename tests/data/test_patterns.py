"""Patterns against the standard library's `glob`, and their bound."""

import glob
import os

import pytest

from tfconv import InputError
from tfconv.data import patterns

FILES = ["a.csv", "b.txt", ".hidden.csv", "one/a.csv", "one/two/c.csv", "one/two/a1.csv", ".git/x.csv", "three/[x].csv"]


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    os.symlink(tmp_path / "one", tmp_path / "three" / "link")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "pattern",
    "*.csv */*.csv **/*.csv **/a*.csv **/two/*.csv one/**/*.csv one/** ** .*.csv [ab].* */ **/[[]x].csv ./*.csv"
    " one//*.csv **/**/*.csv ?.csv".split(),
)
def test_the_files_are_those_of_glob(tree, pattern):
    for begin in ("", f"{tree}/"):
        expected = {path for path in glob.glob(begin + pattern, recursive=True) if not os.path.isdir(path)}
        if not expected:
            with pytest.raises(InputError, match="the pattern matches no file"):
                patterns.matching_files(begin + pattern)
        else:
            found = patterns.matching_files(begin + pattern)
            assert {os.path.realpath(path) for path in found} == {os.path.realpath(path) for path in expected}
            assert found == sorted(set(found))


def test_a_folder_that_links_to_itself_ends(tree):
    os.symlink(tree, tree / "one" / "up")
    assert len(patterns.matching_files(f"{tree}/**/c.csv")) < 10


def test_a_walk_over_the_whole_disk_is_refused(monkeypatch):
    monkeypatch.setattr(patterns, "MOST_ENTRIES", 2000)
    with pytest.raises(InputError, match=r"/\*\*/x-\*.csv: more than 2,000 files and folders .* begin it further down"):
        patterns.matching_files("/**/x-*.csv")
