import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import tfconv.data
from tfconv import InputError

sys.path.insert(0, str(Path(__file__).parent))
from picture_trees import bomb, encoded, photo, tree, write_files  # noqa: E402


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of its own for each test."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TFCONV_DATA_DIR", str(directory / "data"))
    monkeypatch.setenv("HOME", str(directory / "home"))
    return directory / "data" / "decoded"


def pictures(data):
    """Every picture by its class, of all splits together."""
    found = {name: [] for name in data.class_names}
    for part in data.examples.values():
        for label, pixels in zip(part.labels, part.pixels, strict=True):
            found[data.class_names[label]].append(pixels)
    return found


def test_one_folder_a_class_is_split_by_the_seed_and_keeps_pixels_and_labels_together(tmp_path):
    files = tree(("10", "9", "other"), 20, height=8, width=8)
    write_files(tmp_path / "photos", files)
    data = tfconv.data.image_folder(tmp_path / "photos", validation=0.25, test=0.2, seed=1)
    assert (data.name, data.class_names, data.skipped, data.image_shape) == (
        "photos",
        ("10", "9", "other"),
        (),
        (8, 8, 3),
    )
    sizes = {split: np.bincount(part.labels).tolist() for split, part in data.examples.items()}
    assert sizes == {"train": [12] * 3, "validation": [4] * 3, "test": [4] * 3}
    for name, found in pictures(data).items():
        written = [np.array(photo(i, 8, 8)) for i, path in enumerate(files) if path.startswith(f"{name}/")]
        assert sorted(pixels.tobytes() for pixels in found) == sorted(pixels.tobytes() for pixels in written)
    orders = [
        tfconv.data.image_folder(tmp_path / "photos", seed=seed).examples["validation"].rows.tolist()
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_numbered_classes_are_sorted_by_value(tmp_path):
    write_files(tmp_path, tree(("10", "9"), 2))
    assert tfconv.data.image_folder(tmp_path).class_names == ("9", "10")


def test_split_folders_decide(tmp_path):
    levels = {"train": 10, "val": 100, "test": 200}
    files = {
        f"{split}/{name}/{i}.png": encoded(Image.new("L", (9, 9), level))
        for split, level in levels.items()
        for name in "ab"
        for i in range(3)
    }
    data = tfconv.data.image_folder(write_files(tmp_path, files), validation=0.5, test=0.5)
    found = {split: (len(part), np.unique(part.pixels).tolist()) for split, part in data.examples.items()}
    assert found == {"train": (6, [10]), "validation": (6, [100]), "test": (6, [200])}


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: to be shown turned by 90 degrees
    return encoded(photo(1), "JPEG", quality=95, exif=exif)


def deep():
    return Image.fromarray(np.array(photo(1, mode="L")).astype(np.uint16) * 257)


KINDS = {
    "jpeg": encoded(photo(1), "JPEG", quality=95),
    "progressive jpeg": encoded(photo(1), "JPEG", quality=95, progressive=True),
    "cmyk jpeg": encoded(photo(1, mode="CMYK"), "JPEG", quality=95),
    "grey jpeg": encoded(photo(1, mode="L"), "JPEG", quality=95),
    "jpeg that a camera marked as turned": turned(),
    "png": encoded(photo(1)),
    "palette png": encoded(photo(1, mode="P")),
    "grey png": encoded(photo(1, mode="L")),
    "black and white png": encoded(photo(1, mode="1")),
    "grey png with alpha": encoded(photo(1, mode="LA")),
    "png with alpha": encoded(photo(1, mode="RGBA")),
    "png of 16 bits": encoded(deep()),
    "bmp": encoded(photo(1), "BMP"),
    "grey bmp": encoded(photo(1, mode="L"), "BMP"),
    "palette bmp": encoded(photo(1, mode="P"), "BMP"),
    "gif": encoded(photo(1, mode="P"), "GIF"),
    "animated gif": encoded(photo(1, mode="P"), "GIF", save_all=True, append_images=[photo(2, mode="P")]),
    "webp": encoded(photo(1), "WEBP", lossless=True),
}


@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_picture_has_the_pixels_that_pillow_reads(tmp_path, channels):
    files = {f"{label}/{name}": content for name, content in KINDS.items() for label in "ab"}
    data = tfconv.data.image_folder(write_files(tmp_path, files), size=(24, 32), channels=channels, validation=0)
    for name, pixels in zip(sorted(KINDS), pictures(data)["a"], strict=True):
        with Image.open(tmp_path / "a" / name) as opened:
            picture = photo(1, mode="L") if "16" in name else opened
            expected = np.atleast_3d(np.array(picture.convert("RGB" if channels == 3 else "L"), np.int16))
        assert pixels.shape == (24, 32, channels)
        assert np.abs(pixels - expected).max() <= (0 if channels == 3 and "jpeg" not in name else 4), name


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_other_sizes_are_resized_as_pillow_does_it(tmp_path, fit):
    files = {
        f"{label}/{i}.png": encoded(photo(i, *size)) for label in "ab" for i, size in enumerate([(90, 40), (7, 9)])
    }
    data = tfconv.data.image_folder(write_files(tmp_path, files), size=(20, 30), fit=fit, validation=0)
    for i, pixels in enumerate(pictures(data)["b"]):
        picture = Image.open(tmp_path / "b" / f"{i}.png")
        resize = {"crop": ImageOps.fit, "stretch": Image.Image.resize}[fit]
        expected = np.array(resize(picture, (30, 20), Image.Resampling.BILINEAR), np.int16)
        assert np.abs(pixels - expected).max() <= 1


def test_without_a_size_small_pictures_keep_theirs_and_others_become_64(tmp_path):
    write_files(tmp_path / "small", tree(height=30, width=64))
    assert tfconv.data.image_folder(tmp_path / "small").image_shape == (30, 64, 3)
    write_files(tmp_path / "large", tree(height=30, width=65))
    assert tfconv.data.image_folder(tmp_path / "large").image_shape == (64, 64, 3)
    write_files(tmp_path / "small", {"cat/other.png": encoded(photo(1, 31, 64))})
    assert tfconv.data.image_folder(tmp_path / "small").image_shape == (64, 64, 3)


def test_the_model_server_sees_the_same_pixels(tmp_path):
    write_files(tmp_path, tree(height=90, width=70))
    data = tfconv.data.image_folder(tmp_path, size=16, fit="stretch", channels=1, validation=0)
    content = (tmp_path / "cat" / "2.png").read_bytes()
    np.testing.assert_array_equal(data.preprocess.decode(np.array([content]))[0], pictures(data)["cat"][2])


GOOD = encoded(photo(9))
JPEG = encoded(photo(9, 90, 120), "JPEG")
PNG = encoded(photo(9, 90, 120))
# A bad file's name beside good ones, its content, what is said of it.
BAD = {
    "empty": ("a/x.png", b"", r"an empty file \(0 bytes\)"),
    "text": ("a/notes.txt", b"see\nbelow", r"no JPEG, PNG, BMP, GIF or WebP picture \(a text file\)"),
    "text that claims to be a picture": ("a/x.jpg", b"hello", r"\(a text file\)"),
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
    "no pixels": ("a/x.png", bomb(0, 9), "a picture of 0 x 9 pixels"),
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
    assert message.endswith(", or leave such pictures out with skip_broken=True (--skip-broken)")
    for _ in range(2):  # decoded, then from the cache
        data = tfconv.data.image_folder(tmp_path, skip_broken=True, validation=0)
        assert {label: len(found) for label, found in pictures(data).items()} == {"a": 4, "b": 2}
        assert len(data.skipped) == 1 and message.startswith(data.skipped[0])
    with pytest.raises(InputError, match=problem):
        tfconv.data.image_folder(tmp_path)


def test_many_bad_files_are_counted_and_the_good_ones_keep_their_labels(tmp_path):
    files = tree(("a", "b"), 700, height=5, width=5)
    bad = [name for index, name in enumerate(files) if index % 13 == 1]
    write_files(tmp_path, files | {name: files[name][:-9] for name in bad[::2]} | dict.fromkeys(bad[1::2], b""))
    with pytest.raises(InputError, match=f"an empty file.*and {len(bad[1::2]) - 1} more are bad"):
        tfconv.data.image_folder(tmp_path)
    data = tfconv.data.image_folder(tmp_path, skip_broken=True, validation=0)
    assert [line.split(": ")[0] for line in data.skipped] == [
        f"{tmp_path}/{name}" for name in sorted(bad, key=by_class)
    ]
    kept = [name for name in sorted(files, key=by_class) if name not in bad]
    expected = [np.array(Image.open(tmp_path / name)) for name in kept]
    np.testing.assert_array_equal(data.examples["train"].pixels, expected)
    assert data.examples["train"].labels.tolist() == ["ab".index(name[0]) for name in kept]


def by_class(name):
    folder, _, file = name.partition("/")
    return folder, file


def test_only_bad_files(tmp_path):
    write_files(tmp_path, {f"{label}/{i}.png": b"x" for label in "ab" for i in range(3)})
    with pytest.raises(InputError, match="no rows to train on; 6 were skipped, the first: .*a/0.png: no JPEG"):
        tfconv.data.image_folder(tmp_path, skip_broken=True)


def test_what_is_no_file_is_named(tmp_path):
    write_files(tmp_path, tree())
    os.symlink("loop.png", tmp_path / "cat" / "loop.png")
    os.symlink("gone.png", tmp_path / "cat" / "nowhere.png")
    os.symlink("..", tmp_path / "cat" / "up")
    os.symlink("0.png", tmp_path / "cat" / "link.png")
    os.mkfifo(tmp_path / "cat" / "pipe")
    write_files(tmp_path, {"cat/.hidden": b"", "cat/Thumbs.db": b"", "cat/deeper/1.png": b"", "about.txt": b"mine"})
    data = tfconv.data.image_folder(tmp_path, skip_broken=True, validation=0)
    assert {label: len(found) for label, found in pictures(data).items()} == {"cat": 5, "dog": 4}
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
def test_a_file_that_may_not_be_read(tmp_path):
    write_files(tmp_path, tree())
    (tmp_path / "cat" / "1.png").chmod(0)
    with pytest.raises(InputError, match="cat/1.png: cannot be read .Permission denied.; check its permissions"):
        tfconv.data.image_folder(tmp_path)


def test_names_that_are_not_utf8(tmp_path):
    write_files(tmp_path, tree())
    os.rename(tmp_path / "cat" / "1.png", os.fsencode(tmp_path) + b"/cat/caf\xe9.png")
    data = tfconv.data.image_folder(tmp_path, validation=0)
    assert {label: len(found) for label, found in pictures(data).items()} == {"cat": 4, "dog": 4}
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
    with pytest.raises(InputError, match="has no folders of pictures; put each"):
        tfconv.data.image_folder(tmp_path)
    write_files(tmp_path, {"photos.csv": b"x"} | tree(("cat",)))
    with pytest.raises(InputError, match="photos.csv is a file, not a folder; read it with image_table"):
        tfconv.data.image_folder(tmp_path / "photos.csv")
    with pytest.raises(InputError, match="the only class is 'cat'"):
        tfconv.data.image_folder(tmp_path)
    write_files(tmp_path, tree(("dog", "Dog")))
    with pytest.raises(InputError, match="/dog: the class differs only in case from 'Dog'; rename or merge"):
        tfconv.data.image_folder(tmp_path)
    data = tfconv.data.image_folder(tmp_path, skip_broken=True)
    assert data.class_names == ("Dog", "cat") and len(data.skipped) == 1
    (tmp_path / "dog").rename(tmp_path / "emu")
    (tmp_path / "empty").mkdir()
    write_files(tmp_path / "outer", tree())
    with pytest.raises(InputError, match="/empty: the class has no pictures; put its pictures there, or remove"):
        tfconv.data.image_folder(tmp_path)
    data = tfconv.data.image_folder(tmp_path, skip_broken=True)
    assert data.class_names == ("Dog", "cat", "emu")
    assert f"{tmp_path}/outer: the class has only folders in it" in data.skipped


def test_split_folders_that_contradict(tmp_path):
    write_files(tmp_path / "train", tree())
    write_files(tmp_path / "test", tree(("cat", "fox")))
    with pytest.raises(InputError, match="test/fox/0.png: the label 'fox' is in no training row, only in test"):
        tfconv.data.image_folder(tmp_path)
    assert tfconv.data.image_folder(tmp_path, skip_broken=True).class_names == ("cat", "dog")
    write_files(tmp_path / "extra", tree())
    with pytest.raises(InputError, match="a train folder beside 'extra', which is no split"):
        tfconv.data.image_folder(tmp_path)


@pytest.mark.parametrize(
    "options, problem",
    [
        ({"size": 0}, "size must be a whole number from 1"),
        ({"size": (32, 1.5)}, "size must be a whole number from 1 .*got 1.5"),
        ({"size": (1, 2, 3)}, "size must be one number, or height and width"),
        ({"fit": "pad"}, "fit must be 'crop' or 'stretch', got 'pad'"),
        ({"channels": 2}, "channels must be 1 or 3, got 2"),
        ({"validation": 1.5}, "validation must be a fraction"),
    ],
)
def test_arguments_out_of_range(tmp_path, options, problem):
    write_files(tmp_path, tree())
    with pytest.raises(InputError, match=problem):
        tfconv.data.image_folder(tmp_path, **options)


def test_a_mistake_is_told_before_tensorflow_is_imported(tmp_path):
    write_files(tmp_path, tree() | {"cat/notes.txt": b"see below"})
    code = f"""
import sys, tfconv
try:
    tfconv.data.image_folder({str(tmp_path)!r})
except tfconv.InputError as error:
    print(error, 'tensorflow' in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "notes.txt: no JPEG" in done.stdout and done.stdout.endswith("False\n")


def test_the_real_tree(data_directory):
    folder = data_directory / "cifar10_images" / "test"
    data = tfconv.data.image_folder(folder, validation=0)
    assert len(data.examples["train"]) == 10_000 and data.image_shape == (32, 32, 3) and data.skipped == ()
    for index in (0, 4321, 9999):
        label = data.class_names[index // 1000]
        expected = np.array(Image.open(sorted((folder / label).iterdir())[index % 1000]), np.int16)
        assert np.abs(data.examples["train"].images(np.array([index]))[0] - expected).max() <= 1
