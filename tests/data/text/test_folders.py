import os

import numpy as np
import pytest

import tfconv.data
from tfconv import InputError
from tfconv.data import Columns


def write(directory, files):
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def test_one_folder_a_class(tmp_path):
    files = {f"{name}/{i:02}.txt": f"{name} {i}" for name in ("10", "9", "other") for i in range(20)}
    data = tfconv.data.text_folder(write(tmp_path / "topics", files), validation=0.25, test=0.2, seed=1)
    assert data.name == "topics" and data.class_names == ("10", "9", "other") and data.skipped == ()
    sizes = {split: np.bincount(part.labels).tolist() for split, part in data.examples.items()}
    assert sizes == {"train": [12] * 3, "validation": [4] * 3, "test": [4] * 3}
    for part in data.examples.values():
        assert [data.class_names[label] for label in part.labels] == [text.split()[0] for text in part.texts]
    assert sorted(text for part in data.examples.values() for text in part.texts) == sorted(files.values())


def test_numbered_classes_are_sorted_by_value(tmp_path):
    files = {f"{name}/{i}.txt": "x" for name in ("10", "9") for i in range(2)}
    assert tfconv.data.text_folder(write(tmp_path, files)).class_names == ("9", "10")


def test_split_folders_decide(tmp_path):
    files = {f"{split}/{name}/{i}.txt": split for split in ("train", "val", "test") for name in "ab" for i in range(3)}
    data = tfconv.data.text_folder(write(tmp_path, files))
    assert {split: set(part.texts) for split, part in data.examples.items()} == {
        "train": {"train"},
        "validation": {"val"},
        "test": {"test"},
    }


def test_what_is_not_read_is_noted(tmp_path):
    files = {f"{name}/{i}.txt": "x" for name in "ab" for i in range(3)}
    files |= {"a/.DS_Store": b"\xff", "a/page.html": "<p>", "b/more/4.txt": "deep", "README.txt": "about"}
    data = tfconv.data.text_folder(write(tmp_path, files), validation=0)
    assert len(data.examples["train"]) == 6
    assert data.skipped == (f"{tmp_path}/a/page.html: not a .txt file", f"{tmp_path}/b/more: not a .txt file")


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("a/9.txt", " \n", "empty text"),
        ("a/9.txt", b"ab\xff", "not UTF-8 .byte 0xff at byte 3"),
        ("a/9.txt", "a\0", "NUL"),
        ("c/9.txt", "x", "label 'c' is seen only here"),
    ],
)
def test_a_bad_file_is_named_or_skipped(tmp_path, name, content, problem):
    write(tmp_path, {f"{label}/{i}.txt": "x" for label in "ab" for i in range(3)} | {name: content})
    with pytest.raises(InputError, match=f"{tmp_path}/{name}: .*{problem}.*; .*skip=True"):
        tfconv.data.text_folder(tmp_path)
    data = tfconv.data.text_folder(tmp_path, skip=True, validation=0)
    assert len(data.examples["train"]) == 6 and len(data.skipped) == 1
    assert data.skipped[0].startswith(f"{tmp_path}/{name}: ")


def test_folders_that_hold_no_data_set(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; check"):
        tfconv.data.text_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="has no folders of .txt files; put each"):
        tfconv.data.text_folder(tmp_path)
    write(tmp_path, {"a.csv": "x"})
    with pytest.raises(InputError, match="a.csv is a file, not a folder; read it with csv"):
        tfconv.data.text_folder(tmp_path / "a.csv")
    write(tmp_path, {"pos/1.txt": "x", "pos/2.txt": "x"})
    with pytest.raises(InputError, match="the only class is 'pos'"):
        tfconv.data.text_folder(tmp_path)
    os.mkdir(tmp_path / "neg")
    with pytest.raises(InputError, match="neg has no .txt files; put"):
        tfconv.data.text_folder(tmp_path)


def test_a_class_folder_beside_split_folders_and_a_class_without_training_texts(tmp_path):
    files = {f"train/{label}/{i}.txt": "x" for label in "ab" for i in range(3)}
    write(tmp_path, files | {"test/c/1.txt": "x", "test/c/2.txt": "x"})
    with pytest.raises(InputError, match="test/c/1.txt: the label 'c' is in no training row, only in test"):
        tfconv.data.text_folder(tmp_path)
    write(tmp_path, {"extra/a/1.txt": "x"})
    with pytest.raises(InputError, match="a train folder beside 'extra', which is no split"):
        tfconv.data.text_folder(tmp_path)


def test_a_long_text_is_read_whole(tmp_path):
    files = {f"{label}/{i}.txt": label * 200_000 for label in "ab" for i in range(2)}
    data = tfconv.data.text_folder(write(tmp_path, files), validation=0)
    assert [len(text) for text in data.examples["train"].texts] == [200_000] * 4


@pytest.mark.parametrize(
    "names", [("Train_txt", "Test_txt"), ("TRAINING", "Val"), ("my-train", "valid.set", "testing")]
)
def test_split_folders_of_other_usual_names(tmp_path, names):
    files = {f"{folder}/{name}/{i}.txt": folder for folder in names for name in "ab" for i in range(3)}
    data = tfconv.data.text_folder(write(tmp_path, files), validation=0)
    assert {split: set(part.texts) for split, part in data.examples.items()} == {
        split: {folder} for folder in names for split in ("train", "validation", "test") if split[:3] in folder.lower()
    }
    assert data.class_names == ("a", "b")


def test_folders_that_seem_to_be_splits_are_not_classes(tmp_path):
    for names in (("val", "test"), ("Train_png", "Train_jpg")):
        files = {f"{folder}/{name}/{i}.txt": "x" for folder in names for name in "ab" for i in range(3)}
        with pytest.raises(InputError, match=f"has the folders {', '.join(sorted(names))}, which seem to be splits"):
            tfconv.data.text_folder(write(tmp_path / names[0], files))
    files = {f"{name}/{i}.txt": "x" for name in ("test tube", "train") for i in range(3)}
    with pytest.raises(InputError, match="a train folder beside 'test tube', which is no split"):
        tfconv.data.text_folder(write(tmp_path / "mixed", files))
    files = {f"{name}/{i}.txt": "x" for name in ("test tube", "train station") for i in range(3)}
    assert tfconv.data.text_folder(write(tmp_path / "c", files)).class_names == ("test tube", "train station")


def test_other_encodings_and_names_that_are_none(tmp_path):
    files = {f"{name}/{i}.txt": "grüße" for name in "ab" for i in range(3)}
    files |= {"a/3.txt": "grüße".encode("utf-16"), "b/3.txt": "\ufeffgrüße".encode()}
    write(tmp_path, files)
    assert set(tfconv.data.text_folder(tmp_path, validation=0).examples["train"].texts) == {"grüße"}
    (tmp_path / "b" / "4.txt").write_bytes("grüße".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 .*name its --encoding, such as latin-1"):
        tfconv.data.text_folder(tmp_path)
    (tmp_path / "a" / "3.txt").unlink()
    for path in tmp_path.rglob("*.txt"):
        path.write_bytes("grüße".encode("latin-1"))
    data = tfconv.data.text_source(tmp_path, Columns(dialect=tfconv.data.Dialect(encoding="latin-1"), validation=0))
    assert set(data.examples["train"].texts) == {"grüße"}
    os.makedirs(os.fsencode(tmp_path) + b"/caf\xe9")
    with pytest.raises(InputError, match=r"caf\\xe9: the class's name is not UTF-8"):
        tfconv.data.text_folder(tmp_path, encoding="latin-1")
