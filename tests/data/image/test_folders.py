import subprocess
import sys

import numpy as np
import pytest
from image_trees import by_class, encoded, photo, tree, write_files
from PIL import Image, ImageOps

import tfconv.data
from tfconv import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of its own for each test."""
    directory = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TFCONV_DATA_DIR", str(directory / "data"))
    monkeypatch.setenv("HOME", str(directory / "home"))
    return directory / "data" / "decoded"


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
    for name, found in by_class(data).items():
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
    exif[0x0112] = 3  # Orientation: to be shown upside down
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
def test_every_kind_of_image_has_the_pixels_that_pillow_reads(tmp_path, channels):
    files = {f"{label}/{name}": content for name, content in KINDS.items() for label in "ab"}
    data = tfconv.data.image_folder(write_files(tmp_path, files), size=(24, 32), channels=channels, validation=0)
    for name, pixels in zip(sorted(KINDS), by_class(data)["a"], strict=True):
        with Image.open(tmp_path / "a" / name) as opened:
            image = photo(1, mode="L") if "16" in name else ImageOps.exif_transpose(opened)
            expected = np.atleast_3d(np.array(image.convert("RGB" if channels == 3 else "L"), np.int16))
        assert pixels.shape == (24, 32, channels)
        assert np.abs(pixels - expected).max() <= (0 if channels == 3 and "jpeg" not in name else 4), name


@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_other_sizes_are_resized_as_pillow_does_it(tmp_path, fit):
    files = {
        f"{label}/{i}.png": encoded(photo(i, *size)) for label in "ab" for i, size in enumerate([(90, 40), (7, 9)])
    }
    data = tfconv.data.image_folder(write_files(tmp_path, files), size=(20, 30), fit=fit, validation=0)
    for i, pixels in enumerate(by_class(data)["b"]):
        image = Image.open(tmp_path / "b" / f"{i}.png")
        resize = {"crop": ImageOps.fit, "stretch": Image.Image.resize}[fit]
        expected = np.array(resize(image, (30, 20), Image.Resampling.BILINEAR), np.int16)
        assert np.abs(pixels - expected).max() <= 1


def test_without_a_size_small_images_keep_theirs_and_others_become_64(tmp_path):
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
    np.testing.assert_array_equal(data.preprocess.decode(np.array([content]))[0], by_class(data)["cat"][2])


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
