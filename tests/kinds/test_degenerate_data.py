"""Data with nothing to normalise by, through the default models: what is kept scores as what was trained."""

import csv
import json

import keras
import numpy as np
import pytest
from command_line import status
from PIL import Image

from tfconv import evaluation, models, training
from tfconv.data import ImageData, ImageExamples


def halves(rng, label):
    """A grey image, bright on its left or on its right."""
    image = rng.integers(0, 60, (16, 16)).astype(np.uint8)
    image[:, 8 * label : 8 * label + 8] += 150
    return image


def an_image(kind, rng, label):
    grey = halves(rng, label)
    if kind == "grey in three channels":
        return np.repeat(grey[..., None], 3, axis=-1)
    if kind == "a constant channel":
        return np.stack([grey, grey[::-1], np.full_like(grey, 128)], axis=-1)
    if kind == "constant images":
        return np.full((16, 16, 3), (200, 60, 10 + rng.integers(20)) if label else (30, 90, 200), np.uint8)
    if kind == "all images equal":
        return halves(np.random.default_rng(7), 1)[..., None]
    return grey[..., None]


@pytest.mark.parametrize(
    "kind", ["grey in three channels", "one channel", "a constant channel", "constant images", "two examples a class"]
)
def test_the_kept_image_model_scores_as_the_trained_one(kind, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(4 if kind == "two examples a class" else 64, dtype=np.int32) % 2
    store = np.stack([an_image(kind, rng, label) for label in labels])
    rows = np.arange(len(labels))
    examples = {"train": ImageExamples(store, labels, rows), "validation": ImageExamples(store, labels, rows)}
    data = ImageData("halves", ("a", "b"), examples, ()).prepare(batch_size=8)
    keras.utils.set_random_seed(0)
    model = models.WhitenedResNet(data.image_shape, 1, widths=(8, 16), dtype="mixed_bfloat16")
    model.adapt(data.preprocess.normalize(store))
    options = {"epochs": 12, "optimizer": keras.optimizers.Adam(0.01), "run_dir": tmp_path, "verbose": 0}
    history = training.fit(
        model, data.train, validation_data=data.validation, preprocess=data.preprocess, **options
    ).history
    run = training.load_run(tmp_path)
    scores = evaluation.report(run.model, data.validation, tmp_path / "report", class_names=("a", "b"))["metrics"]
    assert abs(scores["accuracy"] - history["val_accuracy"][-1]) <= 0.01
    assert scores["average_loss"] == pytest.approx(history["val_loss"][-1], rel=0.05, abs=0.02)
    assert scores["accuracy"] == 1


def test_grey_files_in_three_channels_through_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    rng, run = np.random.default_rng(0), tmp_path / "run"
    for i in range(64):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(an_image("grey in three channels", rng, i % 2)).save(path)
    options = ("--validation", 0.25, "--precision", "mixed_bfloat16", "--augment", "none", "--epochs", 8)
    assert status("train", "images", tmp_path / "images", "--run", run, *options) == 0
    scores = json.loads((run / "result.json").read_text())["scores"]["validation"]
    with open(run / "history.csv", newline="") as file:
        *_, last = csv.DictReader(file)
    assert scores["accuracy"] == pytest.approx(float(last["val_accuracy"]), abs=0.01) and scores["accuracy"] > 0.95
    assert status("export", run, tmp_path / "saved") == 0, capsys.readouterr().err


def test_data_without_a_difference_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    (tmp_path / "texts.csv").write_text("text,label\nfine film,a\ngood film,a\n")
    for folder, names in (("one class", "a"), ("one image", "ab")):
        for i in range(8):
            path = tmp_path / folder / names[i % len(names)] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(an_image("all images equal", np.random.default_rng(0), 0)[..., 0]).save(path)
    for kind, data, message in (
        ("images", "one class", "the only class is 'a'"),
        ("images", "one image", "all training images are the same"),
        ("text", "texts.csv", "the only class is 'a'"),
    ):
        assert status("train", kind, tmp_path / data, "--run", tmp_path / "run") == 2
        error = capsys.readouterr().err
        assert message in error and error.splitlines()[-1].startswith("tfconv: ")
        assert not (tmp_path / "run").exists()


def test_batches_of_one_are_refused_where_their_statistics_would_count(tmp_path, capsys):
    command = ("train", "images", "synthetic", "--run", tmp_path / "run", "--batch-size", 1, "--epochs", 1)
    assert status(*command) == 2
    assert "batch normalisation, which learns nothing of use from batches of one image" in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("kind", ["two words", "one text", "batches of one", "two examples a class"])
def test_the_default_text_model_learns_what_there_is(kind, tmp_path):
    words = {"two words": "{}", "one text": "the same"}.get(kind, "word {} and other {} words")
    rows = [(words.format(word := "xy"[i % 2], word), "ab"[i % 2]) for i in range(4 if "two examples" in kind else 60)]
    with open(tmp_path / "texts.csv", "w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    few = {"batches of one": ("--batch-size", 1, "--epochs", 3), "two words": ("--epochs", 10)}
    command = ("train", "text", tmp_path / "texts.csv", "--run", tmp_path / "run", "--validation", 0.25)
    assert status(*command, *few.get(kind, ("--epochs", 2))) == 0
    (scores,) = json.loads((tmp_path / "run" / "result.json").read_text())["scores"].values()
    assert np.isfinite(scores["average_loss"])
    assert scores["accuracy"] == 1 if kind in ("two words", "batches of one") else scores["accuracy"] >= 0.5
