import csv
import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from image_trees import encoded, photo, write_files

import tfconv.data
from tfconv import InputError
from tfconv.data import Columns
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def table(tmp_path):
    """A function that writes rows as CSV beside a folder of images, `images/0.png` and on."""
    write_files(tmp_path, {f"images/{number}.png": encoded(photo(number)) for number in range(12)})

    def write(rows, header=("image", "label"), name="photos.csv"):
        with open(tmp_path / name, "w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return tmp_path / name

    return write


def rows(count=12, classes=("cat", "dog")):
    return [(f"images/{number}.png", classes[number % len(classes)]) for number in range(count)]


def expected(numbers):
    return np.array([np.array(photo(number)) for number in numbers])


def test_paths_begin_at_the_table(table, tmp_path, monkeypatch):
    written = rows()
    written[3] = (str(tmp_path / written[3][0]), written[3][1])  # absolute
    data = tfconv.data.image_table(table(written), Columns(validation=0.25, test=0.25))
    assert (data.name, data.class_names, data.task, data.fit) == ("photos", ("cat", "dog"), CLASSIFICATION, "crop")
    assert {split: len(part) for split, part in data.examples.items()} == {"train": 7, "validation": 2, "test": 3}
    for part in data.examples.values():
        np.testing.assert_array_equal(part.pixels, expected(part.rows))
        np.testing.assert_array_equal(part.labels, part.rows % 2)
    monkeypatch.chdir(tmp_path / "images")
    again = tfconv.data.image_table("../photos.csv", Columns(validation=0.25, test=0.25))
    np.testing.assert_array_equal(again.examples["train"].pixels, data.examples["train"].pixels)


def test_jsonl_and_parquet_are_read_too(table, tmp_path):
    records = [{"file": path, "kind": label} for path, label in rows()]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records)))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "a.parquet")
    table(rows(), ("file", "kind"), "a.csv")
    for ending in ("csv", "jsonl", "parquet"):
        path = tmp_path / f"a.{ending}"
        data = tfconv.data.image_table(path, Columns(image="file", label="kind", validation=0), size=8, fit="stretch")
        assert data.image_shape == (8, 8, 3) and data.fit == "stretch"
        assert data.examples["train"].labels.tolist() == [0, 1] * 6


def test_several_labels_an_image(table):
    labels = ["x|y", "", "y", " x | z ", "z|y", "x"]
    path = table([(f"images/{number}.png", label) for number, label in enumerate(labels)])
    data = tfconv.data.image_table(path, Columns(multi_label=True, validation=0))
    assert data.task is MULTI_LABEL and data.class_names == ("x", "y", "z")
    found = data.examples["train"].labels
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0]]


def test_a_split_column_and_a_test_table_elsewhere(table, tmp_path):
    splits = ["train"] * 6 + ["val"] * 2 + ["test"] * 4
    path = table([(*row, split) for row, split in zip(rows(), splits, strict=True)], ("image", "label", "part"))
    data = tfconv.data.image_table(path, Columns(split="part"))
    assert {split: part.rows.tolist() for split, part in data.examples.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "validation": [6, 7],
        "test": [8, 9, 10, 11],
    }
    write_files(tmp_path / "elsewhere", {f"{number}.png": encoded(photo(number)) for number in (50, 51)})
    other = table([("50.png", "dog"), ("51.png", "cat")], name="elsewhere/test.csv")
    data = tfconv.data.image_table(table(rows()), Columns(test=other, validation=0))
    np.testing.assert_array_equal(data.examples["test"].pixels, expected([50, 51]))
    assert data.examples["test"].labels.tolist() == [1, 0] and len(data.examples["train"]) == 12


BAD = {  # a row after four good ones, and what is said of it
    "missing": (("images/99.png", "cat"), r"row 6 \(images/99.png\): no such file; paths begin at .*, unless"),
    "broken": (("half.png", "cat"), r"row 6 \(half.png\): broken or cut short"),
    "a text": (("photos.csv", "cat"), r"row 6 \(photos.csv\): no JPEG, PNG, .* \(a text file\); remove it"),
    "a folder": (("images", "cat"), r"row 6 \(images\): cannot be read \(Is a directory\)"),
    "no path": ((" ", "cat"), "row 6: empty image"),
    "no label": (("images/7.png", ""), "row 6: no label"),
    "another case": (("images/A.png", "cat"), r"row 6 .*: the path differs only in case from 'images/a.png'"),
    "a label of its own": (("images/7.png", "fox"), r"row 6 \(images/7.png\): the label 'fox' is seen only here"),
}


@pytest.mark.parametrize("row, problem", BAD.values(), ids=BAD)
def test_a_bad_row_is_named_or_skipped(table, tmp_path, row, problem):
    files = {"half.png": encoded(photo(1))[:300], "images/a.png": encoded(photo(2)), "images/A.png": b""}
    write_files(tmp_path, files)
    path = table([*rows(3), ("images/a.png", "dog"), row])
    with pytest.raises(InputError, match=problem) as error:
        tfconv.data.image_table(path)
    message = str(error.value)
    assert message.startswith(str(path)) and message.endswith("such examples out with skip=True (--skip)")
    data = tfconv.data.image_table(path, Columns(skip=True, validation=0))
    assert data.examples["train"].labels.tolist() == [0, 1, 0, 1]
    assert len(data.skipped) == 1 and message.startswith(data.skipped[0])


def test_mistakes_that_concern_the_whole_table(table, tmp_path):
    with pytest.raises(InputError, match="no column 'image'; there are 'path', 'label'"):
        tfconv.data.image_table(table(rows(), ("path", "label")), Columns(image="image"))
    with pytest.raises(InputError, match="no such file; did you mean 'photos.csv'"):
        tfconv.data.image_table(tmp_path / "photo.csv")
    with pytest.raises(InputError, match="the only class is 'cat'"):
        tfconv.data.image_table(table(rows(classes=("cat",))))
    with pytest.raises(InputError, match="no image has a label"):
        tfconv.data.image_table(table([(path, "") for path, _ in rows()]), Columns(multi_label=True))
    with pytest.raises(InputError, match="size must be a whole number"):
        tfconv.data.image_table(tmp_path / "nowhere.csv", size="large")
