"""Every kind of bad image, file name and folder: one clear line that names it, or left out and listed."""

import os
from pathlib import Path

import numpy as np
import pytest
from image_trees import bomb, by_class, encoded, in_order, photo, tree, write_files
from PIL import Image

import tfconv.data
from tfconv import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of its own for each test."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TFCONV_DATA_DIR", str(directory / "data"))
    monkeypatch.setenv("HOME", str(directory / "home"))


GOOD = encoded(photo(9))
JPEG = encoded(photo(9, 90, 120), "JPEG")
PNG = encoded(photo(9, 90, 120))
# A bad file's name beside good ones, its content, what is said of it.
BAD = {
    "empty": ("a/x.png", b"", r"an empty file \(0 bytes\)"),
    "text": ("a/notes.txt", b"see\nbelow", r"no JPEG, PNG, BMP, GIF or WebP image \(a text file\)"),
    "text that claims to be an image": ("a/x.jpg", b"hello", r"\(a text file\)"),
    "something else": ("a/x.jpg", b"\0\1\2\3" * 9, r"it begins with b'\\x00"),
    "tiff": ("a/x.jpg", encoded(photo(9), "TIFF"), "kind TIFF, which TensorFlow cannot read"),
    "heic": ("a/x.heic", b"\0\0\0\x18ftypheic" + bytes(99), "kind HEIC or AVIF"),
    "half a jpeg": ("a/x.jpg", JPEG[: len(JPEG) // 2], r"broken or cut short \(.*JPEG"),
    "jpeg without its last bytes": ("a/x.jpg", JPEG[:-10], r"broken or cut short \(.*JPEG"),
    "jpeg without its end": ("a/x.jpg", JPEG[:-2], r"broken or cut short \(.*JPEG"),
    "jpeg header alone": ("a/x.jpg", JPEG[:30], "broken or cut short: its header"),
    "half a png": ("a/x.png", PNG[: len(PNG) // 2], r"broken or cut short \(.*PNG"),
    "png without its last bytes": ("a/x.png", PNG[:-10], r"broken or cut short \(.*PNG"),
    "png with a damaged byte": ("a/x.png", PNG[:999] + bytes([PNG[999] ^ 255]) + PNG[1000:], "broken or cut short"),
    "png header alone": ("a/x.png", PNG[:20], "broken or cut short: its header"),
    "half a bmp": ("a/x.bmp", encoded(photo(9), "BMP")[:999], "broken or cut short"),
    "half a gif": ("a/x.gif", encoded(photo(9), "GIF")[:400], "broken or cut short"),
    "half a webp": ("a/x.webp", encoded(photo(9), "WEBP")[:90], "broken or cut short"),
    "two colours bmp": ("a/x.bmp", encoded(photo(9, mode="1"), "BMP"), "a BMP file of 1 bits a pixel"),
    "a bomb": ("a/x.png", bomb(30_000, 40_000), "30,000 x 40,000 pixels, more than the 89,478,485"),
    "a bomb beyond PNG": ("a/x.png", bomb(2**31 - 1, 2**31 - 1), "pixels, more than"),
    "no pixels": ("a/x.png", bomb(0, 9), "an image of 0 x 9 pixels"),
    "a name that differs in case": ("a/Y.png", GOOD, "the name differs only in case from 'Y.PNG'"),
    "a name that differs in accents": ("a/\xe9.png", GOOD, "the name differs only in case"),
    "a class of one": ("c/x.png", GOOD, "the label 'c' is seen only here"),
}


@pytest.mark.parametrize("name, content, problem", BAD.values(), ids=BAD)
def test_a_bad_file_is_named_or_skipped(tmp_path, name, content, problem):
    good = {f"{label}/{i}.png": encoded(photo(i)) for label in "ab" for i in range(2)}
    write_files(tmp_path, good | {"a/Y.PNG": GOOD, "a/e\u0301.png": GOOD, name: content})
    with pytest.raises(InputError, match=problem) as error:
        tfconv.data.image_folder(tmp_path)
    message = str(error.value)
    assert message.startswith(f"{tmp_path}/{name}: ") and "\n" not in message and len(message) < 500
    assert message.endswith(", or leave such examples out with skip=True (--skip)")
    for _ in range(2):  # decoded, then from the cache
        data = tfconv.data.image_folder(tmp_path, skip=True, validation=0)
        assert {label: len(found) for label, found in by_class(data).items()} == {"a": 4, "b": 2}
        assert len(data.skipped) == 1 and message.startswith(data.skipped[0])
    with pytest.raises(InputError, match=problem):
        tfconv.data.image_folder(tmp_path)


def test_many_bad_files_are_counted_and_the_good_ones_keep_their_labels(tmp_path):
    files = tree(("a", "b"), 700, height=5, width=5)
    bad = [name for index, name in enumerate(files) if index % 13 == 1]
    write_files(tmp_path, files | {name: files[name][:-9] for name in bad[::2]} | dict.fromkeys(bad[1::2], b""))
    with pytest.raises(InputError, match=f"an empty file.*and {len(bad[1::2]) - 1} more are bad"):
        tfconv.data.image_folder(tmp_path)
    data = tfconv.data.image_folder(tmp_path, skip=True, validation=0)
    assert [line.split(": ")[0] for line in data.skipped] == [
        f"{tmp_path}/{name}" for name in sorted(bad, key=in_order)
    ]
    kept = [name for name in sorted(files, key=in_order) if name not in bad]
    expected = [np.array(Image.open(tmp_path / name)) for name in kept]
    np.testing.assert_array_equal(data.examples["train"].pixels, expected)
    assert data.examples["train"].labels.tolist() == ["ab".index(name[0]) for name in kept]


def test_only_bad_files(tmp_path):
    write_files(tmp_path, {f"{label}/{i}.png": b"x" for label in "ab" for i in range(3)})
    with pytest.raises(InputError, match="no rows to train on; 6 were skipped, the first: .*a/0.png: no JPEG"):
        tfconv.data.image_folder(tmp_path, skip=True)


def test_what_is_no_file_is_named(tmp_path):
    write_files(tmp_path, tree())
    os.symlink("loop.png", tmp_path / "cat" / "loop.png")
    os.symlink("gone.png", tmp_path / "cat" / "nowhere.png")
    os.symlink("..", tmp_path / "cat" / "up")
    os.symlink("0.png", tmp_path / "cat" / "link.png")
    os.mkfifo(tmp_path / "cat" / "pipe")
    write_files(tmp_path, {"cat/.hidden": b"", "cat/Thumbs.db": b"", "cat/deeper/1.png": b"", "about.txt": b"mine"})
    data = tfconv.data.image_folder(tmp_path, skip=True, validation=0)
    assert {label: len(found) for label, found in by_class(data).items()} == {"cat": 5, "dog": 4}
    found = dict(line.removeprefix(f"{tmp_path}/cat/").split(": ") for line in data.skipped)
    assert found == {
        "deeper": "a folder within a class",
        "up": "a folder within a class",
        "loop.png": "cannot be read (Too many levels of symbolic links)",
        "nowhere.png": "cannot be read (No such file or directory)",
        "pipe": "an empty file (0 bytes)",
    }
    with pytest.raises(InputError, match=r"loop.png: cannot be read .*\(and 2 more are bad\); check its permissions"):
        tfconv.data.image_folder(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_may_not_be_read(tmp_path):
    write_files(tmp_path, tree())
    (tmp_path / "cat" / "1.png").chmod(0)
    with pytest.raises(InputError, match="cat/1.png: cannot be read .Permission denied.; check its permissions"):
        tfconv.data.image_folder(tmp_path)
    for folder in (tmp_path / "dog", tmp_path):
        folder.chmod(0)
        with pytest.raises(InputError, match=f"{folder}: cannot be read .Permission denied.; check its permissions"):
            tfconv.data.image_folder(tmp_path)
        folder.chmod(0o755)


def test_names_that_are_not_utf8(tmp_path):
    write_files(tmp_path, tree())
    os.rename(tmp_path / "cat" / "1.png", os.fsencode(tmp_path) + b"/cat/caf\xe9.png")
    data = tfconv.data.image_folder(tmp_path, validation=0)
    assert {label: len(found) for label, found in by_class(data).items()} == {"cat": 4, "dog": 4}
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/cat/caf\xe9.png")).write_bytes(b"")
    with pytest.raises(InputError, match=r"cat/caf\\xe9.png: an empty file"):
        tfconv.data.image_folder(tmp_path)
    os.rename(tmp_path / "dog", os.fsencode(tmp_path) + b"/d\xf6g")
    with pytest.raises(
        InputError, match=r"d\\xf6g: the class's name is not UTF-8 or holds control.*; rename the folder"
    ):
        tfconv.data.image_folder(tmp_path)


def test_classes_that_cannot_be(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; check"):
        tfconv.data.image_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="has no folders of images; put each"):
        tfconv.data.image_folder(tmp_path)
    write_files(tmp_path, {"photos.csv": b"x"} | tree(("cat",)))
    with pytest.raises(InputError, match="photos.csv is a file, not a folder; read it with image_table"):
        tfconv.data.image_folder(tmp_path / "photos.csv")
    with pytest.raises(InputError, match="the only class is 'cat'"):
        tfconv.data.image_folder(tmp_path)
    write_files(tmp_path, tree(("dog", "Dog")))
    with pytest.raises(InputError, match="/dog: the class differs only in case from 'Dog'; rename or merge"):
        tfconv.data.image_folder(tmp_path)
    data = tfconv.data.image_folder(tmp_path, skip=True)
    assert data.class_names == ("Dog", "cat") and len(data.skipped) == 1
    (tmp_path / "dog").rename(tmp_path / "emu")
    (tmp_path / "empty").mkdir()
    write_files(tmp_path / "outer", tree())
    with pytest.raises(InputError, match="/empty: the class has no images; put its images there, or remove"):
        tfconv.data.image_folder(tmp_path)
    data = tfconv.data.image_folder(tmp_path, skip=True)
    assert data.class_names == ("Dog", "cat", "emu")
    assert f"{tmp_path}/outer: the class has only folders in it" in data.skipped


def test_split_folders_that_contradict(tmp_path):
    write_files(tmp_path / "train", tree())
    write_files(tmp_path / "test", tree(("cat", "fox")))
    with pytest.raises(InputError, match="test/fox/0.png: the label 'fox' is in no training row, only in test"):
        tfconv.data.image_folder(tmp_path)
    assert tfconv.data.image_folder(tmp_path, skip=True).class_names == ("cat", "dog")
    write_files(tmp_path, {"val/1.png": GOOD})
    assert f"{tmp_path}/val: no class folders in it, so it is not read" in (
        tfconv.data.image_folder(tmp_path, skip=True).skipped
    )
    write_files(tmp_path / "extra", tree())
    with pytest.raises(InputError, match="a train folder beside 'extra', which is no split"):
        tfconv.data.image_folder(tmp_path)
