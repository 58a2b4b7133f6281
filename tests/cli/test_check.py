"""`tfconv check` on data and on runs: what it prints, its exit status, and what it refuses."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from command_line import status
from PIL import Image

from tfconv.cli import check as check_verb
from tfconv.data import ImageExamples, TextExamples, conflicting_labels, example_keys, shared_examples
from tfconv.kinds import KINDS
from tfconv.kinds.images.options import TrainImages

WORDS = {"good": "great fine lovely superb", "bad": "awful poor dreadful weak"}


def write_texts(path, rows=(), n=60, text="text"):
    rng = np.random.default_rng(0)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([text, "label"])
        for i in range(n):
            name = ("good", "bad")[i % 2]
            writer.writerow([f"number {i} is {rng.choice(WORDS[name].split())}", name])
        writer.writerows(rows)
    return path


def write_images(folder, n=12, side=16):
    rng = np.random.default_rng(0)
    for number, name in enumerate(("dark", "light")):
        for i in range(n):
            path = folder / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 128, (side, side, 3), np.uint8) + np.uint8(127 * number)).save(path)
    return folder


def lines_of(capsys):
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    return lines


def test_keys_conflicts_and_shared_examples_against_brute_force():
    rng = np.random.default_rng(0)
    texts = [f"é{i}" for i in rng.integers(0, 12, 40)]
    labels = rng.integers(0, 2, 40).astype(np.int32)
    keys = example_keys(TextExamples(texts, labels))
    assert all(
        (one == two) == (a == b) for one, a in zip(keys, texts, strict=True) for two, b in zip(keys, texts, strict=True)
    )
    expected = []
    for text in dict.fromkeys(texts):
        rows = [i for i in range(40) if texts[i] == text]
        other = [i for i in rows if labels[i] != labels[rows[0]]]
        expected += [(rows[0], other[0])] if other else []
    assert conflicting_labels(keys, labels) == sorted(expected, key=lambda pair: pair[1]) and len(expected) > 3
    several = np.stack([labels, 1 - labels], axis=1).astype(np.float32)
    assert conflicting_labels(keys, several) == conflicting_labels(keys, labels)
    shared = shared_examples(keys[:20], keys[20:])
    assert shared == [(texts.index(t), i) for i, t in enumerate(texts[20:]) if t in texts[:20]] and shared
    store = rng.integers(0, 2, (3000, 2, 2, 1), np.uint8)
    keys = example_keys(ImageExamples(store, np.zeros(3000, np.int32), np.arange(3000)[::-1]))
    flat = store[::-1].reshape(3000, -1)
    assert len(keys) == 3000 and len(set(keys)) == len(np.unique(flat, axis=0)) == 16
    assert all((keys[i] == keys[0]) == (flat[i] == flat[0]).all() for i in range(3000))


def test_sound_texts_pass(tmp_path, capsys):
    path = write_texts(tmp_path / "t.csv")
    assert status("check", path, "--model", "text-cnn", "--test", 0.2, "--examples", 16) == 0
    lines = lines_of(capsys)
    assert lines[0] == "t: 43 training texts" and lines[1].startswith("text-cnn, ")
    assert all(line.startswith("ok  ") for line in lines[2:] if "are off during" not in line)
    text = "\n".join(lines)
    assert "2 of 2 classes are in the batch" in text and "0 of 12 test texts are training texts too" in text
    assert "a gradient reaches every trainable weight" in text and "on 16 examples: loss 0.0" in lines[-1]


def test_repeats_are_counted_and_the_first_is_shown(tmp_path, capsys):
    rows = [("seen by all", "good"), ("seen by all", "bad")] * 20
    path = write_texts(tmp_path / "t.csv", rows)
    assert status("check", path, "--model", "bag-of-words-mlp", "--test", 0.2, "--examples", 8) in (0, 1)
    lines = lines_of(capsys)
    conflict = next(line for line in lines if "with another label" in line)
    assert conflict.startswith("look  1 training texts are duplicates") and '"seen by all"' in conflict
    leak = next(line for line in lines if "test texts are training texts too" in line)
    assert leak.startswith("look") and " of 20 test texts" in leak and '"seen by all"' in leak


def test_texts_that_stay_in_their_files(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "kept"))
    (tmp_path / "t").mkdir()
    for name in ("a.csv", "b.csv"):
        write_texts(tmp_path / "t" / name, [("seen by all", "good"), ("seen by all", "bad")] * 5, n=20)
    options = ("--test", 0.2, "--model", "bag-of-words-mlp", "--examples", 8, "--steps", 20)
    assert status("check", tmp_path / "t", *options) in (0, 1)
    lines = lines_of(capsys)
    assert lines[0].startswith("t: ") and "ok    2 of 2 classes are in the batch" in lines
    assert any(line.startswith("look  1 training texts are duplicates") and '"seen by all"' in line for line in lines)
    assert any("test texts are training texts too" in line and '"seen by all"' in line for line in lines)
    assert " on 8 examples: loss " in lines[-1]
    assert not list((tmp_path / "kept").rglob("*.tfrecord"))  # only the batch was encoded


def test_what_cannot_be_learned_fails_with_status_1(tmp_path, capsys):
    path = tmp_path / "same.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *[("one and the same", name) for name in ("a", "b") * 20]])
    assert status("check", path, "--model", "text-cnn", "--steps", 20) == 1
    lines = lines_of(capsys)
    assert lines[-1].startswith("look") and lines[-1].endswith("a model that cannot overfit one batch does not learn")
    assert any("all texts of the batch are the same to the model" in line for line in lines)


def test_images_are_told_from_texts(tmp_path, capsys):
    folder = write_images(tmp_path / "photos")
    assert status("check", folder, "--model", "simple-net") == 0
    assert lines_of(capsys)[0] == "photos: 22 training images"
    with open(tmp_path / "p.csv", "w", newline="") as file:
        rows = [(path.relative_to(tmp_path), path.parent.name) for path in sorted(folder.glob("*/*.png"))]
        csv.writer(file).writerows([("image", "label"), *rows])
    assert status("check", tmp_path / "p.csv", "--model", "simple-net", "--size", 12) == 0
    assert lines_of(capsys)[0] == "p: 22 training images"


def test_settings_are_as_training_has_them_not_as_json():
    settings = check_verb._train(
        KINDS["images"], {"data": "photos", "size": [24, 32], "from_": "earlier", "kind": "images"}
    )
    assert settings == TrainImages(data="photos", run=Path("check"), size=(24, 32), from_=Path("earlier"))


def test_a_run_is_checked_with_its_own_settings(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, run = write_texts(tmp_path / "t.csv", text="review"), tmp_path / "run"
    options = ("--text", "review", "--model", "text-cnn", "--epochs", 1, "--length", 30, "--seed", 4)
    assert status("train", "text", path, "--run", run, *options) == 0
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    capsys.readouterr()
    assert status("check", run) == 0
    lines = lines_of(capsys)
    assert lines[0] == "t: 54 training texts" and lines[1].startswith("text-cnn, ")
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before
    config = json.loads((run / "config.json").read_text())
    (tmp_path / "later").mkdir()  # as a run that went on from the first one
    (tmp_path / "later" / "config.json").write_text(json.dumps(config | {"from_": "run", "vocabulary_size": 4}))
    assert status("check", tmp_path / "later", "--steps", 2) in (0, 1)
    parameters = lines[1].removesuffix("freshly initialised")
    assert lines_of(capsys)[1] == f"{parameters}with the weights of run"
    assert status("check", run, "--model", "char-cnn") == 2
    assert "--model does not go with a run" in capsys.readouterr().err
    for name, value in {"model": "nope", "seed": "4", "length": "x", "batch_size": True, "learning_rate": None}.items():
        (tmp_path / "later" / "config.json").write_text(json.dumps(config | {name: value}))
        assert status("check", tmp_path / "later") == 2
        error = capsys.readouterr().err
        assert f"config.json was changed by hand: {name} cannot be {value!r}" in error and error.count("\n") == 1
    (tmp_path / "later" / "config.json").write_text(json.dumps(config | {"seed": -1}))
    assert status("check", tmp_path / "later") == 2
    assert "config.json was changed by hand: --seed must be from 0" in capsys.readouterr().err
    path.write_text(path.read_text() + "one more,good\n")
    assert status("check", run) == 2
    assert "changed since training" in capsys.readouterr().err
    (run / "config.json").write_text(json.dumps({"kind": "text"}))
    assert status("check", run) == 2
    assert "was not written by `tfconv train`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("synthetic",), "say --kind text or --kind images"),
        (("tfds:imdb_reviews",), "say --kind text or --kind images"),
        (("nowhere.csv",), "nowhere.csv: no such file"),
        (("synthetic", "--kind", "text", "--model", "resnet20"), "--model resnet20 is none for text"),
        (("synthetic", "--kind", "text", "--size", 9), "--size does not go with texts"),
        (("synthetic", "--kind", "images", "--text", "t"), "--text does not go with images"),
        (("synthetic", "--kind", "images", "--size", 2), "--size must be from 8"),
        (("synthetic", "--kind", "text", "--examples", 1), "--examples must be from 2"),
        (("synthetic", "--kind", "text", "--steps", 0), "--steps must be from 2"),
    ],
)
def test_mistakes_are_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status("check", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
