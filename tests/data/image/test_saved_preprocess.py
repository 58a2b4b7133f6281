"""What is saved of an image preprocessing against what is read back."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import ImagePreprocess
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL

SAVED = ImagePreprocess(
    (24, 32), crop=20, fit="stretch", mean=(0.4914, 1 / 3, 0.6), std=(0.2, 0.3, 0.25), class_names=("ü", "b"),
    task=MULTI_LABEL,
)  # fmt: skip


def test_what_is_saved_is_read_back(tmp_path):
    SAVED.save(tmp_path / "new")
    found = ImagePreprocess.load(tmp_path / "new")
    for name in ("size", "crop", "channels", "fit", "mean", "std", "class_names", "task", "input_shape"):
        assert getattr(found, name) == getattr(SAVED, name)
    contents = tf.io.encode_png(np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8))[None]
    np.testing.assert_array_equal(tf.function(found)(contents), tf.function(SAVED)(contents))


def test_files_from_before_there_were_tasks(tmp_path):
    SAVED.save(tmp_path)
    settings = json.loads((tmp_path / "image.json").read_text())
    assert settings.pop("task") == "multi-label"
    for several in (True, False):
        (tmp_path / "image.json").write_text(json.dumps(settings | {"multi_label": several}))
        assert ImagePreprocess.load(tmp_path).task is (MULTI_LABEL if several else CLASSIFICATION)


CHANGES = {
    "size": [None, 19, [], [1, 2, 3], ["a", 1], [0, 5], [2.5, 5], [True, 5]],
    "crop": [0, "a", 33, 1.5],
    "channels": [2, "3", 3.0, True, None, []],
    "fit": [None, "pad", 3, []],
    "mean": [None, "abc", [1, 2], [None] * 3, [float("nan")] * 3, 3],
    "std": [[0, 1, 1], [-1, 1, 1], [], {}],
    "class_names": ["ab", [1], None],
    "multi_label": [1, "yes", None],
    "task": ["other", 1, None, []],
    "more": [1],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_with_a_senseless_setting(tmp_path, name):
    SAVED.save(tmp_path)
    settings = json.loads((tmp_path / "image.json").read_text())
    for value in CHANGES[name]:
        (tmp_path / "image.json").write_text(json.dumps(settings | {name: value}))
        with pytest.raises(InputError, match="no readable image preprocessing: .*; copy the folder anew"):
            ImagePreprocess.load(tmp_path)


def test_a_broken_file_and_every_cut_of_a_good_one(tmp_path):
    SAVED.save(tmp_path)
    whole = (tmp_path / "image.json").read_bytes().rstrip()
    cuts = [whole[:length] for length in range(len(whole))]
    for content in (b"[]", b"{}", b"null", b"\xff", b"[" * 100_000, *cuts):
        (tmp_path / "image.json").write_bytes(content)
        with pytest.raises(InputError, match="holds no readable image preprocessing"):
            ImagePreprocess.load(tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="image.json is missing: give the folder of a run of images"):
        ImagePreprocess.load(tmp_path)
