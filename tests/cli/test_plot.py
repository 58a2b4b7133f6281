"""`tfconv plot`: each kind of figure from a run of images, two from a run of texts, schedules, and mistakes."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from command_line import status
from drawn_texts import check
from PIL import Image

from tfconv import data, training

L = keras.layers


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a folder of images, as `tfconv train images` leaves it."""
    folder = tmp_path_factory.mktemp("plot")
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 12)):
        for number, name in enumerate(("dark", "light")):
            for i in range(count):
                path = folder / "photos" / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 128, (12, 12, 3), np.uint8) + np.uint8(127 * number)
                Image.fromarray(pixels).save(path)
    options = {"size": 8, "seed": 5}
    shown = data.image_source(folder / "photos", data.Columns(seed=5), size=8)
    model = keras.Sequential(
        [L.Input((8, 8, 3)), L.Conv2D(4, 3, name="first"), L.Flatten(), L.Dense(shown.outputs, name="logits")]
    )
    training.fit(
        model,
        shown.train,
        validation_data=shown.validation,
        epochs=2,
        run_dir=folder / "run",
        preprocess=shown.preprocess,
        config={"kind": "images", "data": str(folder / "photos"), **options},
        verbose=0,
    )
    return folder / "run"


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    shown = data.synthetic_reviews(60).prepare(length=20, vocabulary_size=50)
    model = keras.Sequential([L.Input((None,)), L.Embedding(50, 4), L.GlobalMaxPooling1D(), L.Dense(1)])
    training.fit(model, shown.train, run_dir=folder / "run", preprocess=shown.preprocess, verbose=0)
    return folder / "run"


@pytest.fixture
def figures(monkeypatch):
    """The figures that are written, as they are."""
    from matplotlib.figure import Figure

    written, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (written.append(self), save(self, *a, **k)))
    return written


@pytest.mark.parametrize(
    ("kind", "options", "images", "beginning"),
    [
        ("samples", ("--count", 9), 9, "photos, test split: 9 images, 2 of 2 classes"),
        ("samples", ("--split", "train", "--seed", 3), 25, "photos, train split: 25 images"),
        ("predictions", (), 24, "photos, test split: "),
        ("confidence", ("--count", 2), None, "Right and sure: "),
        ("filters", (), 4, "4 filters of “first”, 3×3×3"),
        ("filters", ("--count", 2, "--layer", "first"), 2, "2 of 4 filters"),
        ("features", ("--layer", "first"), 5, "4 maps of “first”, 6×6"),
        ("curves", (), 0, "run"),
    ],
)
def test_figures_of_a_run(run, kind, options, images, beginning, figures, tmp_path, capsys):
    path = tmp_path / "new" / "figure.png"
    assert status("plot", run, kind, "--out", path, *options) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    (figure,) = figures
    texts = check(figure)
    assert any(text.startswith(beginning) for text in texts)
    if images is not None:
        assert sum(len(axes.images) for axes in figure.axes) == images
    with Image.open(path) as image:
        assert min(image.size) > 100 and image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_images_and_answers_are_the_runs_own(run, figures, tmp_path):
    from tfconv.training import load_run

    assert status("plot", run, "predictions", "--out", tmp_path / "p.svg", "--count", 24) == 0
    loaded = load_run(run)
    files = sorted((run.parent / "photos" / "test").rglob("*.png"))
    decoded = loaded.preprocess.decode(tf.constant([path.read_bytes() for path in files])).numpy()
    logits = np.asarray(loaded.model(loaded.preprocess.normalize(decoded), training=False))[:, 0]
    expected = {}
    for path, pixels, logit in zip(files, decoded, logits, strict=True):
        answer, truth = ("dark", "light")[int(logit > 0)], path.parent.name
        share = 1 / (1 + np.exp(-abs(logit)))
        mark = "✓" if answer == truth else "✗"
        expected[pixels.tobytes()] = (f"{mark} {answer} {share:.0%}".replace("%", " %"), f"truth: {truth}")
    arrays = [np.asarray(axes.images[0].get_array()).tobytes() for axes in figures[0].axes]
    lines = check(figures[0])[1:]
    drawn = dict(zip(arrays, zip(lines[::2], lines[1::2], strict=True), strict=True))
    assert drawn == expected


def test_the_seed_chooses_the_images(run, figures, tmp_path):
    for seed in (1, 1, 2):
        assert status("plot", run, "samples", "--count", 6, "--seed", seed, "--out", tmp_path / "s.png") == 0
    first, again, other = ([axes.images[0].get_array().tobytes() for axes in figure.axes] for figure in figures)
    assert first == again != other


def test_the_default_file_lies_in_the_report(run, text_run, capsys):
    assert status("plot", run, "filters") == 0 and status("plot", text_run, "curves") == 0
    paths = [str(run / "report" / "filters.png"), str(text_run / "report" / "curves.png")]
    assert capsys.readouterr().out.splitlines() == paths and all(Path(path).is_file() for path in paths)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz: apt-get install graphviz")
def test_diagrams_of_images_and_of_texts(run, text_run, tmp_path):
    for one in (run, text_run):
        assert status("plot", one, "model", "--out", tmp_path / "model.svg") == 0
        assert "logits" in (tmp_path / "model.svg").read_text() or one is text_run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample",), r"plot draws no 'sample': did you mean samples\?"),
        (("zzz",), r"plot draws no 'zzz': it draws tokens, samples, predictions"),
        (("curves", "model"), r"plot draws one kind of figure at a time, got 2: give tokens, samples"),
        (("curves", "--warmup", "0.3"), r"--warmup does not go with curves"),
        (("curves", "--count", "3"), r"--count does not go with curves"),
        (("samples", "--layer", "first"), r"--layer does not go with samples"),
        (("samples", "--count", "0"), r"--count must be from 1 to 400, got 0"),
        (("samples", "--seed", "-1"), r"--seed must be from 0 to 4294967295, got -1"),
        (("samples", "--out", "a.docx"), r"a.docx: its ending is none of .*png"),
        (("samples", "--out", "a"), r"a: its ending is none of"),
        (("samples", "--out", "file/a.png"), r"file/a.png cannot be written"),
        (("samples", "--out", "folder.png"), r"folder.png is a folder"),
        (("filters", "--layer", "frist"), r"no layer called 'frist': did you mean 'first'"),
        (("features", "--layer", "logits"), r"no maps"),
        (("model", "--out", "a.tiff"), r"a.tiff: a diagram can be written as .png"),
    ],
)
def test_mistake_is_one_line_and_status_two(run, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("folder.png").mkdir()
    assert status("plot", run, *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("tfconv: ") and "\n" not in error
    assert re.search(message, error), error
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_what_a_run_without_preprocessing_can_draw(run, tmp_path, capsys):
    """As `fit(run_dir=...)` writes it where no `preprocess` is given."""
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    shutil.rmtree(bare / "preprocess")
    for kind in ("curves", "filters"):
        assert status("plot", bare, kind, "--out", tmp_path / f"{kind}.png") == 0
        assert (tmp_path / f"{kind}.png").stat().st_size > 1000
    capsys.readouterr()
    for verb in (("plot", bare, "samples"), ("evaluate", bare), ("predict", bare, "a.png"), ("export", bare, "to")):
        assert status(*verb) == 2
        error = capsys.readouterr().err
        assert f"{bare} was trained without `preprocess`" in error and "fit(..., preprocess=data.preprocess)" in error
    with pytest.raises(ValueError, match="was trained without `preprocess`"):
        training.load_run(bare)


def test_schedules_without_a_run(figures, tmp_path, capsys):
    names, options = ("sgdr", "one-cycle", "constant"), ("--epochs", 3, "--steps-per-epoch", 7, "--learning-rate", 0.5)
    assert status("plot", "schedule", *names, "--out", tmp_path / "s.png", *options) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "s.png")]
    above, below = figures[0].axes
    assert set(check(figures[0])) >= {*names, "learning rate", "momentum", "epoch"}
    for line, name in zip(above.lines, names, strict=True):
        course = training.schedules.schedule(name, 0.5, 21, steps_per_epoch=7)
        values = [course if name == "constant" else float(course(step)) for step in range(21)]
        np.testing.assert_allclose(line.get_ydata(), values, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(line.get_xdata(), np.arange(21) / 7)
    momentum = training.schedules.momentum("one-cycle", 21)
    np.testing.assert_allclose(below.lines[0].get_ydata(), momentum(np.arange(21)), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "a.png"), "plot schedule needs names: constant, cosine"),
        (("cosine",), "plot schedule needs --out FILE"),
        (("cosin", "--out", "a.png"), "name must be one of constant, .* got 'cosin'"),
        (("cosine", "--out", "a.png", "--count", 3), "--count does not go with schedule"),
        (("cosine", "--out", "a.png", "--epochs", 0), "--epochs must be from 1 to 1000000, got 0"),
        (("cosine", "step", "--out", "a.png", "--cycle-epochs", 3), "--cycle-epochs is of sgdr and triangle"),
        (("cosine", "--out", "a.png", "--learning-rate", -1), "learning_rate must be a number above 0, got -1"),
        (("cosine", "--out", "a.docx"), "its ending is none of"),
    ],
)
def test_mistakes_with_schedules(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert status("plot", "schedule", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("tfconv: ") and "\n" not in error and re.search(message, error), error


@pytest.mark.parametrize("kind", ["samples", "predictions", "confidence", "filters", "features"])
def test_texts_have_no_images(text_run, kind, capsys):
    assert status("plot", text_run, kind) == 2
    error = capsys.readouterr().err
    assert error.endswith(f"classifies texts, which have no {kind}: plot tokens or curves or model\n")
    assert error.count("\n") == 1


def test_other_folders(run, tmp_path, capsys):
    for arguments, message in (
        ((tmp_path, "curves"), "history.csv: no such file"),
        ((tmp_path, "samples"), "holds no trained model"),
        ((run, "samples", "--split", "nosuch"), "nosuch"),
    ):
        assert status("plot", *arguments) == 2
        assert message in capsys.readouterr().err
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{}")
    assert status("plot", tmp_path / "run", "samples") == 2
    assert "does not say what it was trained on" in capsys.readouterr().err
    photos = tmp_path / "photos"
    shutil.copytree(run.parent / "photos", photos)
    for split in ("train", "test"):
        (photos / split / "dark").rename(photos / split / "night")
    config = (run / "config.json").read_text().replace(str(run.parent / "photos"), str(photos))
    (tmp_path / "run" / "config.json").write_text(config)
    assert status("plot", tmp_path / "run", "samples") == 2
    error = capsys.readouterr().err
    assert "changed since training: the classes of its images were dark, light, now light, night" in error
