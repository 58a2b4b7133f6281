"""The command on images as a user types it: from a folder of files to a SavedModel, and mistakes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from command_line import load_models_once, status
from PIL import Image

from tfconv.data import synthetic_shapes

CLASSES = ("disc", "cross", "bar")


def write_shapes(folder, splits=("train", "test"), per_class=40, endings=("png", "jpg", "bmp")):
    """Files of three classes of synthetic shapes, in three formats."""
    shapes = synthetic_shapes(1600, validation=0, test=0)
    train = shapes.examples["train"]
    for name in CLASSES:
        rows = np.flatnonzero(train.labels == shapes.class_names.index(name))
        for i, row in enumerate(rows[: per_class * len(splits)]):
            path = folder / splits[i // per_class] / name / f"{i:03d}.{endings[i % len(endings)]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(train.images(np.array([row]))[0]).save(path)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a folder of three classes, made by the command."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("shapes")
        patch.setenv("TFCONV_DATA_DIR", str(folder / "cache"))
        images, run = write_shapes(folder / "images"), folder / "run"
        options = ("--epochs", 6, "--batch-size", 16, "--validation", "0.2", "--augment", "flip-translate")
        assert status("train", "images", images, "--run", run, *options) == 0
        yield run, images


def test_run_directory_is_complete(trained):
    run, images = trained
    names = {entry.name for entry in run.iterdir()}
    assert set("config.json model.keras preprocess checkpoints history.csv logs report result.json".split()) <= names
    result = json.loads((run / "result.json").read_text())
    assert result["scores"]["test"]["accuracy"] > 0.9
    assert result["config"]["kind"] == "images" and result["config"]["data"] == str(images.resolve())
    image = json.loads((run / "preprocess" / "image.json").read_text())
    assert image["class_names"] == sorted(CLASSES) and len(image["mean"]) == 3


def test_preprocessing_that_cannot_be_is_one_line(trained, tmp_path, capsys, monkeypatch):
    run, images = trained
    copy = tmp_path / "copy"
    load_models_once(monkeypatch)
    shutil.copytree(run, copy)
    settings = json.loads((run / "preprocess" / "image.json").read_text())
    changed = [settings | {name: value} for name in settings for value in ("x", -1, {}, ["x", "y"])]
    for content in (*changed, [], 5, {}):
        (copy / "preprocess" / "image.json").write_text(json.dumps(content))
        for words in (
            ("predict", copy, "nosuch.png"),
            ("train", "images", images, "--run", tmp_path / "new", "--from", copy, "--freeze-to", 99, "--epochs", 1),
        ):
            assert status(*words) == 2, (content, words)
            error = capsys.readouterr().err
            line = error.splitlines()[-1]
            assert error.count("tfconv: ") == 1 and line.startswith("tfconv: "), (content, words, error)


def test_evaluate_repeats_the_score_of_training(trained, capsys):
    run, images = trained
    expected = json.loads((run / "result.json").read_text())["scores"]["test"]
    assert status("evaluate", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == pytest.approx(expected, rel=1e-4)
    assert status("evaluate", run, images / "test") == 0
    out = capsys.readouterr().out
    assert "average_loss: cross-entropy of the saved float32 model; the loss and val_loss of the training" in out
    assert "label smoothing 0.1" in out and "label smoothing 0.1" in (run / "report" / "report.md").read_text()
    assert "120 images" in out and max(map(len, out.splitlines()[1:-1])) <= 100


def test_predict_and_export_agree(trained, tmp_path, capsys):
    run, images = trained
    files = [file for name in CLASSES for file in sorted((images / "test" / name).iterdir())[:5]]
    assert status("predict", run, *files) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["image"] for line in lines] == [str(file) for file in files]
    right = [line["label"] == file.parent.name for line, file in zip(lines, files, strict=True)]
    assert np.mean(right) > 0.7  # the score of them all is checked above
    assert status("export", run, tmp_path / "shapes") == 0
    assert "shapes/1: written" in capsys.readouterr().out
    served = tf.saved_model.load(str(tmp_path / "shapes" / "1")).signatures["serving_default"]
    answer = served(image=tf.constant([file.read_bytes() for file in files]))
    for line, probabilities, label in zip(lines, answer["probabilities"].numpy(), answer["label"].numpy(), strict=True):
        assert list(line["probabilities"].values()) == pytest.approx(probabilities.tolist(), abs=1e-4)
        assert label.decode() == line["label"]


def test_predict_reads_paths_from_standard_input(trained, capsys):
    run, images = trained
    files = sorted((images / "test" / "bar").iterdir())[:3]
    assert status("predict", run, given="\n".join(map(str, files)).encode()) == 0
    out, error = capsys.readouterr()
    assert [json.loads(line)["image"] for line in out.splitlines()] == [str(file) for file in files] and not error


def test_predict_takes_folders_and_patterns(trained, tmp_path, capsys):
    run, images = trained

    def answered(*examples):
        assert status("predict", run, *examples) == 0
        return [json.loads(line)["image"] for line in capsys.readouterr().out.splitlines()]

    (tmp_path / "[new]" / "deeper").mkdir(parents=True)
    (tmp_path / "[new]" / "notes.txt").write_text("x")
    files = sorted((images / "test" / "bar").iterdir())[:3]
    for i, file in enumerate(files):
        shutil.copy(file, tmp_path / "[new]" / ("deeper" if i else ".") / file.name)
    expected = sorted(str(path) for path in (tmp_path / "[new]").rglob("*.*") if path.suffix != ".txt")
    assert answered(tmp_path / "[new]") == expected and len(expected) == 3
    every = [str(path) for path in sorted((images / "test").rglob("*3.*"))]
    assert answered(f"{images}/test/**/*3.*", files[0]) == [*every, str(files[0])] and len(every) > 9
    (tmp_path / "empty").mkdir()
    mistakes = {
        f"{images}/*.tiff": "the pattern matches no file",
        str(tmp_path / "empty"): "holds no such file: .jpg",
    }
    for wrong, message in mistakes.items():
        assert status("predict", run, wrong) == 2
        assert message in capsys.readouterr().err


def test_a_finished_run_goes_on_with_more_epochs_and_is_whole_after_fewer(trained, tmp_path, capsys):
    run, images = trained
    again = tmp_path / "run"
    shutil.copytree(run, again)
    before = {path: path.read_bytes() for path in again.rglob("*") if path.is_file() and path.name != ".lock"}
    command = ("train", "images", images, "--run", again, "--batch-size", 16, "--validation", "0.2")
    command = (*command, "--augment", "flip-translate", "--resume", "--epochs")
    assert status(*command, 2) == 2
    assert "is in epoch 6 already, and epochs=2 (--epochs) is less: resume with 6 or more" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in again.rglob("*") if path.is_file() and path.name != ".lock"} == before
    assert status(*command, 6) == 0
    assert "all 6 epochs are done; with more --epochs it goes on" in capsys.readouterr().out
    assert status(*command, 8) == 0
    out = capsys.readouterr().out
    assert "going on at step 1 of epoch 7" in out and "epoch 8/8" in out and "epoch 6/8" not in out
    assert json.loads((again / "config.json").read_text())["epochs"] == 8
    assert json.loads((again / "result.json").read_text())["epochs"] == 8


def test_changed_folder_is_not_taken_for_the_same(trained, tmp_path, monkeypatch, capsys):
    run, images = trained
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path))
    copy, again = tmp_path / "images", tmp_path / "run"
    shutil.copytree(images, copy)
    shutil.copytree(run, again)
    config = json.loads((run / "config.json").read_text()) | {"data": str(copy)}
    (again / "config.json").write_text(json.dumps(config))
    assert status("evaluate", again) == 0
    next((copy / "test" / "bar").iterdir()).unlink()
    assert status("evaluate", again) == 2
    assert "changed since training" in capsys.readouterr().err


def test_several_labels_an_image(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = []
    for i in range(120):  # an image's left half is red or not, its right half green or not
        image = rng.integers(0, 60, (16, 16, 3), dtype=np.uint8)
        names = [name for name in ("red", "green") if rng.random() < 0.5]
        image[:, :8, 0] += 180 * ("red" in names)
        image[:, 8:, 1] += 180 * ("green" in names)
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        rows.append((f"{i}.png", "|".join(names)))
    table = tmp_path / "images.csv"
    table.write_text("image,label\n" + "".join(f"{file},{names}\n" for file, names in rows))
    options = ("--multi-label", "--epochs", 5, "--batch-size", 8, "--augment", "none")
    assert status("train", "images", table, "--run", tmp_path / "run", *options) == 0
    capsys.readouterr()
    assert status("predict", tmp_path / "run", *(tmp_path / file for file, _ in rows)) == 0
    found = [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()]
    right = [set(label.split("|")) == set(names.split("|")) for label, (_, names) in zip(found, rows, strict=True)]
    assert np.mean(right) > 0.9
    assert status("evaluate", tmp_path / "run") == 0


@pytest.mark.parametrize("model", ["mini-alexnet-batch-norm", "lesson-resnet", "resnet20", "simple-net", "conv-net"])
def test_models_train(model, trained, tmp_path, monkeypatch):
    _, images = trained
    monkeypatch.setenv("TFCONV_DATA_DIR", str(images.parent / "cache"))
    options = ("--epochs", 1, "--model", model, "--augment", "none", "--validation", 0)
    assert status("train", "images", images, "--run", tmp_path / "run", *options) == 0


MISTAKES = [
    (("train", "images", "nosuch", "--run", "run"), "nosuch: no such file or folder; give a folder"),
    (("train", "images", "notes.doc", "--run", "run"), "notes.doc: cannot tell its format from its ending"),
    (("train", "images", "empty", "--run", "run"), "empty"),
    (("train", "images", "synthetic", "--run", "run", "--fit", "crop"), "--fit does not go with synthetic"),
    (("train", "images", "synthetic", "--run", "run", "--size", "4"), "--size must be from 8 to"),
    (("train", "images", "synthetic", "--run", "run", "--epochs", "0"), "--epochs must be from 1 to"),
    (("train", "images", "synthetic", "--run", "run", "--weight-decay", "-1"), "--weight-decay must be from 0"),
    (("train", "images", "synthetic", "--run", "run", "--label-smoothing", "1"), "--label-smoothing must be from 0"),
    (("train", "images", "synthetic", "--run", "run", "--learning-rate", "nan"), "--learning-rate must be a number"),
    (("train", "images", "images.csv", "--run", "run", "--image", "file"), "no column 'file'"),
    (("train", "images", "images.csv", "--run", "run"), "images.csv row 2"),
    (("train", "images", "mixed", "--run", "run"), "mixed/a/notes.txt"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_mistake_is_one_line_and_status_two(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))
    Path("notes.doc").write_text("x")
    Path("empty").mkdir()
    Path("images.csv").write_text("image,label\nno.png,a\nno2.png,b\n")
    for name in "ab":
        for i in range(2):
            Path("mixed", name).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(f"mixed/{name}/{i}.png")
    Path("mixed/a/notes.txt").write_text("not an image")
    assert status(*arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("tfconv: ") and "\n" not in error, error
    assert message in error


def test_predict_names_the_file_that_is_no_image(trained, tmp_path, capsys):
    run, images = trained
    good = next((images / "test" / "bar").iterdir())
    bad = tmp_path / "letter.jpg"
    bad.write_text("Dear Sir")
    assert status("predict", run, good, bad, tmp_path / "nosuch.jpg", good) == 2
    out, error = capsys.readouterr()
    assert "letter.jpg" in error and "2 of 4 could not be read, this is the first" in error and error.count("\n") == 1
    assert [json.loads(line)["image"] for line in out.splitlines()] == [str(good)] * 2  # what can be read is answered
    assert status("predict", run, tmp_path / "nosuch.jpg") == 2
    assert "nosuch.jpg" in capsys.readouterr().err
