"""Predictions about image files against the model called by hand, and image runs read back."""

import dataclasses
import io
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfconv.data import TextPreprocess, Tokenizer, Vocabulary
from tfconv.data.image.preprocess import ImagePreprocess
from tfconv.data.preprocess import load_preprocess
from tfconv.errors import InputError
from tfconv.evaluation import Predictor, predict, report
from tfconv.tasks import CLASSIFICATION, MULTI_LABEL, Task
from tfconv.training import load_run


@dataclasses.dataclass
class SmallRun:
    model: keras.Model
    preprocess: ImagePreprocess | TextPreprocess
    class_names: tuple[str, ...]
    task: Task
    directory: Path


def small_run(classes=1, *, multi_label=False, directory="runs/small", size=12):
    pixels = keras.Input((size, size, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(3, 4, strides=2)(pixels))
    model = keras.Model(pixels, keras.layers.Dense(classes, bias_initializer="normal")(x) * 3)
    names = ("cat", "dog") if classes == 1 and not multi_label else tuple("abcdef"[:classes])
    preprocess = ImagePreprocess(
        size + 2,
        crop=size,
        mean=(0.5, 0.4, 0.3),
        class_names=names,
        task=MULTI_LABEL if multi_label else CLASSIFICATION,
    )
    return SmallRun(model, preprocess, names, preprocess.task, Path(directory))


def encoded(form="PNG", size=(9, 30), seed=0):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)).save(file, form)
    return file.getvalue()


def by_hand(run, image):
    """Probabilities of one encoded image, written out in float64."""
    z = run.model(run.preprocess(tf.constant([image])), training=False).numpy()[0].astype(np.float64)
    if not run.task.exclusive:
        return 1 / (1 + np.exp(-z))
    z = np.array([0, z[0]]) if len(z) == 1 else z
    return np.exp(z) / np.exp(z).sum()


@pytest.fixture
def files(tmp_path):
    """Images in files and as bytes: what `predict` is given, and their contents."""
    contents = [encoded("JPEG"), encoded("PNG", (40, 40), 1), encoded("BMP", (1, 1), 2), encoded("GIF", seed=3)]
    paths = [tmp_path / f"image {i}.any" for i in range(3)]
    for path, content in zip(paths, contents[:3], strict=True):
        path.write_bytes(content)
    return [paths[0], str(paths[1]), paths[2], contents[3]], contents


@pytest.mark.parametrize(("classes", "multi_label"), [(1, False), (4, False), (4, True)])
def test_predict_equals_the_model_by_hand(files, classes, multi_label):
    run = small_run(classes, multi_label=multi_label)
    given, contents = files
    rows = predict(given, run, batch_size=3)
    assert [row["image"] for row in rows] == [*(str(path) for path in given[:3]), "image 3"]
    assert all(list(row) == ["image", "run", "label", "probabilities"] for row in rows)
    for row, content in zip(rows, contents, strict=True):
        want = by_hand(run, content)
        np.testing.assert_allclose(list(row["probabilities"].values()), want, atol=1e-6)
        if multi_label:
            assert row["label"] == "|".join(n for n, p in zip(run.class_names, want, strict=True) if p > 0.5)
        else:
            assert row["label"] == run.class_names[want.argmax()]
    json.dumps(rows)


def test_runs_of_several_sizes_side_by_side(files):
    runs = [small_run(directory="a/net"), Predictor(small_run(3, size=20), "mine")]
    rows = predict(files[0][0], runs)
    assert [(row["run"], len(row["probabilities"])) for row in rows] == [("net", 2), ("mine", 3)]
    assert predict([], runs) == []
    assert runs[1]([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"some notes\n", "notes.txt: no JPEG, PNG, BMP"),
        ("cut.jpg", encoded("JPEG")[:-100], "cut.jpg is no whole JPEG"),
        ("empty.png", b"", "empty.png: an empty file"),
        ("nosuch.png", None, "nosuch.png: .*No such file"),
        ("nul\0.png", None, "null byte"),
        (".", None, "Is a directory"),
    ],
)
def test_a_file_that_is_no_image_is_named(files, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        predict([files[0][0], tmp_path / name], small_run())


def test_bytes_that_are_no_image_are_counted_from_the_first(files):
    with pytest.raises(InputError, match="image 5 is no whole JPEG"):
        predict([files[1][0]] * 5 + [b"none"], small_run(), batch_size=2)


def test_texts_and_images_are_asked_apart():
    ids = keras.Input((6,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(5, 2)(ids))
    prepare = TextPreprocess(Tokenizer(), Vocabulary(["good", "bad"]), 6)
    texts = SmallRun(
        keras.Model(ids, keras.layers.Dense(1)(x)), prepare, ("neg", "pos"), CLASSIFICATION, Path("reviews")
    )
    with pytest.raises(InputError, match="small classifies images and reviews texts: ask them apart"):
        predict("good", [small_run(), texts])
    assert predict("good", texts)[0]["text"] == "good"


def test_a_model_of_another_size():
    run = small_run()
    run.preprocess = ImagePreprocess(16, class_names=run.class_names)
    with pytest.raises(InputError, match=r"takes inputs of shape \(12, 12, 3\).*images of \(16, 16, 3\)"):
        Predictor(run)


def test_an_image_run_reads_back(tmp_path, files):
    run = small_run(3)
    run.model.save(tmp_path / "model.keras")
    run.preprocess.save(tmp_path / "preprocess")
    loaded = load_run(tmp_path)
    assert (loaded.kind, loaded.class_names, loaded.task) == ("images", ("a", "b", "c"), CLASSIFICATION)
    np.testing.assert_array_equal(Predictor(loaded)(files[0]), Predictor(run)(files[0]))


def test_preprocessing_of_either_kind(tmp_path):
    TextPreprocess(Tokenizer(), Vocabulary(["good"]), 6).save(tmp_path / "text")
    small_run().preprocess.save(tmp_path / "images")
    assert isinstance(load_preprocess(tmp_path / "text"), TextPreprocess)
    assert isinstance(load_preprocess(tmp_path / "images"), ImagePreprocess)
    (tmp_path / "neither").mkdir()
    with pytest.raises(InputError, match="neither holds neither text.json nor image.json"):
        load_preprocess(tmp_path / "neither")
    with pytest.raises(InputError, match="nosuch.* is missing"):
        load_preprocess(tmp_path / "nosuch")


def test_a_report_on_images(tmp_path):
    run = small_run(3)
    pixels, labels = np.random.default_rng(0).normal(size=(30, 12, 12, 3)).astype(np.float32), np.arange(30) % 3
    data = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(8)
    scores = report(run.model, data, tmp_path, class_names=run.class_names)
    predicted = run.model(pixels).numpy().argmax(axis=1)
    assert scores["metrics"]["accuracy"] == pytest.approx((predicted == labels).mean())
    assert "- examples: 30" in (tmp_path / "report.md").read_text()
