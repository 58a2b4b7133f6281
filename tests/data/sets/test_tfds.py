"""Real builders, prepared on disk; nothing is downloaded."""

import sys

import numpy as np
import pytest

import tfconv.data
from tfconv import InputError
from tfconv.data import Columns
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL

tensorflow_datasets = pytest.importorskip("tensorflow_datasets")
features = tensorflow_datasets.features


class Builder(tensorflow_datasets.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tensorflow_datasets.core.Version("1.0.0")
    FEATURES: dict = {}
    PAIR: tuple | None = None
    SPLITS: dict = {}

    def _info(self):
        return self.dataset_info_from_configs(
            features=features.FeaturesDict(self.FEATURES), supervised_keys=self.PAIR, description="synthetic"
        )

    def _split_generators(self, dl_manager):
        return {split: enumerate(rows) for split, rows in self.SPLITS.items()}

    def _generate_examples(self, rows):
        yield from rows


def labelled(count, classes=2, start=0):
    return [{"text": f"größe {i}", "label": i % classes} for i in range(start, start + count)]


class TinyTopics(Builder):
    FEATURES = {"text": features.Text(), "label": features.ClassLabel(names=["zebra", "ant"]), "id": np.int64}
    SPLITS = {
        "train": [row | {"id": 1} for row in labelled(40)],
        "test": [row | {"id": 2} for row in labelled(10)],
        "unsupervised": [{"text": "free", "label": -1, "id": 3}] * 3,
        "extra": [row | {"id": 2} for row in labelled(4)],
    }


class TinyPairs(Builder):
    FEATURES = {"first": features.Text(), "second": features.Text(), "stars": np.int32}
    PAIR = ("second", "stars")
    SPLITS = {
        split: [{"first": "a", "second": f"{split} {i}", "stars": (2, 10)[i % 2]} for i in range(8)]
        for split in ("train", "validation", "test")
    }


class TinyTags(Builder):
    FEATURES = {"body": features.Text(), "tags": features.Sequence(features.ClassLabel(names=["x", "y", "z"]))}
    SPLITS = {"train": [{"body": f"b{i}", "tags": tags} for i, tags in enumerate(([0], [0, 2], [], [2, 0]))]}


class TinyHoles(Builder):
    FEATURES = {"text": np.str_, "label": np.str_}
    SPLITS = {
        "train": [{"text": text, "label": label} for text, label in zip("abcdef", "xyxyxy", strict=True)]
        + [{"text": " ", "label": "x"}, {"text": "g", "label": ""}, {"text": "h", "label": "w"}]
    }


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(tensorflow_datasets.core.utils.gcs_utils, "_is_gcs_disabled", True)


def test_classes_splits_and_texts(tmp_path):
    data = tfconv.data.tfds("tiny_topics", Columns(validation=0.25), data_dir=tmp_path, unlabelled=True)
    assert (data.name, data.class_names, data.task) == ("tiny_topics", ("zebra", "ant"), CLASSIFICATION)
    sizes = {split: len(part) for split, part in data.examples.items()}
    assert sizes == {"train": 30, "validation": 10, "test": 10, "unlabelled": 3}
    for split in ("train", "validation", "test"):
        part = data.examples[split]
        assert [int(text.split()[1]) % 2 for text in part.texts] == part.labels.tolist()
        assert part.labels.dtype == np.int32 and part.texts[0].startswith("größe ")
    assert data.examples["unlabelled"].texts == ["free"] * 3
    assert data.skipped == ("tfds tiny_topics: split 'extra' of 4 examples is not read",)
    again = tfconv.data.tfds("tiny_topics:1.0.0", Columns(validation=0.25), data_dir=tmp_path)
    assert again.examples["validation"].texts == data.examples["validation"].texts
    assert any("'unsupervised' of 3" in line for line in again.skipped)


def test_the_supervised_pair_and_numbers(tmp_path):
    data = tfconv.data.tfds("tiny_pairs", Columns(label="stars"), data_dir=tmp_path)
    assert data.class_names == ("2", "10")
    assert {split: len(part) for split, part in data.examples.items()} == {"train": 8, "validation": 8, "test": 8}
    assert set(data.examples["validation"].texts) == {f"validation {i}" for i in range(8)}
    assert tfconv.data.tfds("tiny_pairs", data_dir=tmp_path).examples["train"].texts == data.examples["train"].texts
    assert tfconv.data.tfds("tiny_pairs", Columns(text="first"), data_dir=tmp_path).examples["train"].texts == ["a"] * 8


def test_several_labels(tmp_path):
    data = tfconv.data.tfds("tiny_tags", Columns(validation=0), data_dir=tmp_path)
    assert data.task is MULTI_LABEL and data.class_names == ("x", "y", "z")
    found = dict(zip(data.examples["train"].texts, data.examples["train"].labels.tolist(), strict=True))
    assert found == {"b0": [1, 0, 0], "b1": [1, 0, 1], "b2": [0, 0, 0], "b3": [1, 0, 1]}


def test_bad_examples(tmp_path):
    with pytest.raises(InputError, match="tiny_holes train example .: (empty text|no label)"):
        tfconv.data.tfds("tiny_holes", Columns(label="label"), data_dir=tmp_path)
    data = tfconv.data.tfds(
        "tiny_holes", Columns(label="label", text="text", skip=True, validation=0), data_dir=tmp_path
    )
    assert len(data.examples["train"]) == 6 and len(data.skipped) == 3


def test_choices_that_cannot_be_made(tmp_path):
    with pytest.raises(InputError, match="no string feature 'txt'; there are 'text'; did you mean 'text'"):
        tfconv.data.tfds("tiny_topics", Columns(text="txt"), data_dir=tmp_path)
    with pytest.raises(InputError, match="no feature 'lable'.*did you mean 'label'"):
        tfconv.data.tfds("tiny_topics", Columns(label="lable"), data_dir=tmp_path)
    with pytest.raises(InputError, match="several features that can be the text: text, label; name the one.*text="):
        tfconv.data.tfds("tiny_holes", data_dir=tmp_path)
    with pytest.raises(InputError, match="has no split 'unsupervised'"):
        tfconv.data.tfds("tiny_tags", Columns(validation=0), data_dir=tmp_path, unlabelled=True)
    with pytest.raises(InputError, match="tfds no_such_set is unavailable .DatasetNotFoundError"):
        tfconv.data.tfds("no_such_set", data_dir=tmp_path)


def test_without_tensorflow_datasets_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r"pip install tfconv\[tfds\]"):
        tfconv.data.tfds("imdb_reviews")


def drawn(seed, height=24, width=32, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


class TinyPhotos(Builder):
    FEATURES = {
        "file_name": features.Text(),
        "image": features.Image(shape=(None, None, 3)),
        "label": features.ClassLabel(names=["zebra", "ant"]),
    }
    PAIR = ("image", "label")
    SPLITS = {
        split: [{"file_name": f"{i}.png", "image": drawn(seed + i), "label": i % 2} for i in range(count)]
        for split, seed, count in (("train", 0, 16), ("test", 100, 6), ("extra", 200, 2))
    }


class TinyDigits(Builder):
    FEATURES = {"image": features.Image(shape=(9, 7, 1), encoding_format="png"), "tags": features.Sequence(np.int64)}
    SPLITS = {"train": [{"image": drawn(i, 9, 7, 1), "tags": tags} for i, tags in enumerate(([0], [7, 0], [], [7]))]}


class TinyStereo(Builder):
    FEATURES = {
        "left": features.Image(),
        "right": features.Image(),
        "depth": features.Image(shape=(4, 4, 1), dtype=np.float32),
        "label": np.int64,
    }
    SPLITS = {
        "train": [
            {"left": drawn(i), "right": drawn(50 + i), "depth": np.zeros((4, 4, 1), np.float32)} | {"label": i % 2}
            for i in range(6)
        ]
    }


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))


def test_images_with_classes_and_splits(tmp_path, cache, capfd):
    for _ in range(2):  # decoded, then from the cache
        data = tfconv.data.tfds("tiny_photos", Columns(validation=0.25), data_dir=tmp_path, size=(24, 32))
        assert (data.name, data.class_names, data.image_shape) == ("tiny_photos", ("zebra", "ant"), (24, 32, 3))
        assert {split: len(part) for split, part in data.examples.items()} == {"train": 12, "validation": 4, "test": 6}
        known = {drawn(seed + i).tobytes(): (seed, i % 2) for seed in (0, 100) for i in range(16)}
        for split, part in data.examples.items():
            found = [known[pixels.tobytes()] for pixels in part.pixels]
            assert found == [(100 if split == "test" else 0, label) for label in part.labels]
        assert data.skipped == ("tfds tiny_photos: split 'extra' of 2 examples is not read",)
    assert capfd.readouterr().err.count("decoding tfds tiny_photos/1.0.0 (22 images)") == 1
    texts = tfconv.data.tfds("tiny_photos", Columns(text="file_name", validation=0), data_dir=tmp_path)
    assert sorted(texts.examples["test"].texts) == [f"{i}.png" for i in range(6)]


def test_grey_images_of_one_small_size_with_several_labels(tmp_path, cache):
    data = tfconv.data.tfds("tiny_digits", Columns(validation=0), data_dir=tmp_path, channels=1)
    assert data.image_shape == (9, 7, 1) and data.task is MULTI_LABEL and data.class_names == ("0", "7")
    pixels, labels = data.examples["train"].pixels, data.examples["train"].labels.tolist()
    found = {
        i: label
        for i in range(4)
        for row, label in zip(pixels, labels, strict=True)
        if (row == drawn(i, 9, 7, 1)).all()
    }
    assert found == {0: [1, 0], 1: [1, 1], 2: [0, 0], 3: [0, 1]}


def test_a_feature_of_images_by_name(tmp_path, cache):
    with pytest.raises(InputError, match="several features that can be the image: left, right; name the one.*image="):
        tfconv.data.tfds("tiny_stereo", Columns(label="label"), data_dir=tmp_path)
    with pytest.raises(InputError, match="no image feature 'depth'; there are 'left', 'right'"):
        tfconv.data.tfds("tiny_stereo", Columns(label="label", image="depth"), data_dir=tmp_path)
    with pytest.raises(InputError, match="text='left' and image='right' are both given; choose one"):
        tfconv.data.tfds("tiny_stereo", Columns(image="right", text="left"), data_dir=tmp_path)
    with pytest.raises(InputError, match="is read as images of feature 'right'; say unlabelled=False"):
        tfconv.data.tfds("tiny_stereo", Columns(image="right"), data_dir=tmp_path, unlabelled=True)
    data = tfconv.data.tfds(
        "tiny_stereo", Columns(image="right", label="label", validation=0), data_dir=tmp_path, size=(24, 32)
    )
    known = {drawn(50 + i).tobytes(): i % 2 for i in range(6)}
    assert [known[pixels.tobytes()] for pixels in data.examples["train"].pixels] == data.examples[
        "train"
    ].labels.tolist()
