import csv
import pickle

import numpy as np
import pytest
from image_trees import tree, write_files

import tfconv.data
from tfconv import InputError
from tfconv.data import Columns, Dialect, image_source
from tfconv.tasks import MULTI_LABEL


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    """A folder of images that is also listed in tables."""
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "data"))
    files = tree(count=20, height=8, width=8)
    write_files(tmp_path / "photos", files)
    for ending, delimiter in (("csv", ";"), ("tsv", "\t")):
        with open(tmp_path / f"photos.{ending}", "w", newline="") as file:
            rows = [(f"photos/{name}", name[:3]) for name in files]
            csv.writer(file, delimiter=delimiter).writerows([("file", "kind"), *rows])
    return tmp_path / "photos"


def sizes(data):
    return {split: len(part) for split, part in data.examples.items()}


def test_a_folder(photos):
    data = image_source(str(photos), Columns(test="0.2", validation=0.25, seed=5), size=4, fit="stretch", channels=1)
    assert data.image_shape == (4, 4, 1) and data.fit == "stretch"
    assert sizes(data) == {"train": 24, "validation": 8, "test": 8}
    same = tfconv.data.image_folder(photos, size=4, fit="stretch", channels=1, test=0.2, validation=0.25, seed=5)
    assert data.examples["test"].rows.tolist() == same.examples["test"].rows.tolist()
    assert sizes(image_source(photos)) == {"train": 36, "validation": 4}


def test_tables(photos, tmp_path):
    columns = {"image": "file", "label": "kind"}
    data = image_source(tmp_path / "photos.csv", Columns(**columns, test=0.1, validation=0))
    assert sizes(data) == {"train": 36, "test": 4} and data.class_names == ("cat", "dog")
    data = image_source(tmp_path / "photos.tsv", Columns(**columns, multi_label=True, separator=",", validation=0))
    assert data.task is MULTI_LABEL and sizes(data) == {"train": 40}
    write_files(photos, {"cat/0.png": b""})
    with pytest.raises(InputError, match="row 2 .*an empty file.*--skip"):
        image_source(tmp_path / "photos.tsv", Columns(**columns))
    assert len(image_source(tmp_path / "photos.tsv", Columns(**columns, skip=True)).skipped) == 1


def test_synthetic_shapes_are_those_of_the_seed():
    data = image_source("synthetic", Columns(seed=3, test=0.1))
    same = tfconv.data.synthetic_shapes(seed=3, test=0.1)
    np.testing.assert_array_equal(data.examples["test"].pixels, same.examples["test"].pixels)


def test_cifar10_where_a_folder_holds_it(tmp_path):
    folder = tmp_path / "here" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "test_batch").write_bytes(pickle.dumps({}))
    for path in (folder, folder.parent):  # incomplete; what matters is who says so
        with pytest.raises(InputError, match="cifar-10"):
            image_source(path)


def test_the_real_cifar10(data_directory):
    data = image_source(data_directory, Columns(validation=0.1))
    assert data.name == "cifar10" and sizes(data) == {"train": 45_000, "validation": 5_000, "test": 10_000}


@pytest.mark.parametrize(
    "name, options, problem",
    [
        ("cifar10", {"image": "x"}, "--image does not go with cifar10: it is for files with columns"),
        ("cifar10", {"size": 64}, "--size does not go with cifar10: its images are 32 x 32"),
        ("cifar10", {"test": "0.1"}, "--test does not go with cifar10: it has a test split of its own"),
        ("cifar10", {"multi_label": True}, "--multi-label does not go with cifar10"),
        ("synthetic", {"fit": "crop"}, "--fit does not go with synthetic"),
        ("synthetic", {"test": "other.csv"}, "test='other.csv' does not go with synthetic: give the fraction"),
        ("synthetic", {"split": "part"}, "--split does not go with synthetic"),
        ("tfds:x", {"dialect": Dialect(header=False)}, "--no-header does not go with tfds:x"),
        ("tfds:x", {"test": "other.csv"}, "test='other.csv' does not go with tfds:x"),
        ("a.jsonl", {"dialect": Dialect(";")}, "--delimiter does not go with a.jsonl"),
        (".", {"label": "x"}, r"--label does not go with \."),
        ("nowhere", {}, "nowhere: no such file or folder; give a folder, a .csv, .*, cifar10, synthetic or tfds:NAME"),
        (__file__, {}, "cannot tell its format from its ending"),
    ],
)
def test_options_that_do_not_go_with_a_source(name, options, problem):
    with pytest.raises(InputError, match=problem):
        shape = {option: options.pop(option) for option in ("size", "fit") if option in options}
        image_source(name, Columns(**options), **shape)
