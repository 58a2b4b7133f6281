"""`tfconv lr-find`: a figure, a table, the next command; and mistakes."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from command_line import status
from PIL import Image

from tfconv import InputError, training
from tfconv.cli import main
from tfconv.kinds import KINDS
from tfconv.kinds.text.options import SweepText

SHORT = ("--steps", 60, "--start", 1e-4, "--end", 1.0)
TEXT = ("text", "synthetic", "--model", "text-cnn", "--length", 40, "--vocabulary-size", 200)
IMAGES = ("images", "synthetic", "--model", "simple-net", "--augment", "none", "--precision", "float32")


@pytest.mark.parametrize("kind", [TEXT, IMAGES])
def test_figure_table_and_the_next_command(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sweeps, find = [], training.lr_find
    monkeypatch.setattr(training, "lr_find", lambda *a, **k: sweeps.append(find(*a, **k)) or sweeps[0])
    assert status("lr-find", *kind, "--out", "sweep.png", "--batch-size", 16, *SHORT) == 0
    out = capsys.readouterr().out
    (sweep,) = sweeps
    assert sweep.rates[0] == pytest.approx(1e-4) and len(sweep.rates) <= 60 and sweep.learned
    for name, rate in sweep.suggestions().items():
        assert re.search(rf"^  {name} +{rate:.2g}   ", out, re.M)
    with Image.open("sweep.png") as image:
        assert min(image.size) > 300
    assert [path.name for path in tmp_path.iterdir()] == ["sweep.png"]
    command = out.splitlines()[-1].removeprefix("next:   ")
    words = shlex.split(command)
    assert words[:3] == ["tfconv", "train", kind[0]] and words[words.index("--batch-size") + 1] == "16"
    assert words[words.index("--learning-rate") + 1] == f"{sweep.suggestions()['valley']:.2g}"


def test_the_next_command_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my reviews.csv").write_text(
        "words,mood\n" + "".join(f"{'good fine' if i % 2 else 'bad poor'} film {i},{'pn'[i % 2]}\n" for i in range(60))
    )
    settings = ("--text", "words", "--label", "mood", "--words-only", "--validation", 0.2, "--epochs", 1)
    more = ("--model", "bag-of-words-linear", "--vocabulary-size", 50)
    assert status("lr-find", "text", "my reviews.csv", "--out", "a.svg", *settings, *more, *SHORT) == 0
    words = shlex.split(capsys.readouterr().out.splitlines()[-1].removeprefix("next:   "))
    main(words[1:])
    config = Path("RUN/config.json").read_text()
    for part in ('"text": "words"', '"words_only": true', '"validation": 0.2', '"model": "bag-of-words-linear"'):
        assert part in config


def test_the_next_command_names_options_as_they_are_typed():
    from tfconv.cli.lr_find import _next_command

    config = SweepText(data="a b.csv", out=Path("x.png"), from_=Path("runs/old"), words_only=True, resume=True)
    expected = "tfconv train text 'a b.csv' --run RUN --learning-rate 0.012 --from runs/old --words-only"
    assert _next_command(config, KINDS["text"], 0.0123) == expected


def test_batch_sizes(tmp_path, capsys, monkeypatch):
    from tfconv.training.search.batch_size import BatchSizeTrial

    asked = []

    def probe(model, batch, **options):
        asked.append(batch)
        return [BatchSizeTrial(1, 3 * 2**20, 1234.4), BatchSizeTrial(2, None, 9.0)]

    monkeypatch.setattr(training, "probe_batch_sizes", probe)
    assert status("lr-find", *TEXT, "--out", tmp_path / "a.png", "--batch-sizes", *SHORT) == 0
    out = capsys.readouterr().out
    assert re.search(r"\n +1 +3 MB +1,234\n +2 +- +9\n", out)
    assert len(asked[0][0]) == len(asked[0][1]) > 0


def test_nothing_to_learn_is_said(tmp_path, capsys, monkeypatch):
    flat = np.ones(30)
    sweep = training.LearningRateSweep(np.geomspace(1e-4, 1, 30), flat, flat)
    monkeypatch.setattr(training, "lr_find", lambda *a, **k: sweep)
    assert status("lr-find", *TEXT, "--out", tmp_path / "a.png", *SHORT) == 0
    out = capsys.readouterr().out
    assert "the loss fell at no learning rate" in out and "next:" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*TEXT, "--out", "a.docx"), "a.docx: its ending is none of"),
        ((*TEXT, "--out", "a.png", "--steps", 3), "--steps must be from 10"),
        ((*TEXT, "--out", "a.png", "--start", 0), "--start must be a number above 0, got 0.0"),
        ((*TEXT, "--out", "a.png", "--end", 1e-9), "--end must be above --start, got 1e-07 to 1e-09"),
        (("text", "none.csv", "--out", "a.png"), "none.csv"),
        (("images", "none", "--out", "a.png"), "none"),
    ],
)
def test_mistake_is_one_line_and_status_two(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert status("lr-find", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("tfconv: ") and "\n" not in error and message in error
    assert not list(tmp_path.iterdir())


def test_options_that_do_nothing_here_are_not_taken(capsys):
    assert status("lr-find", "text", "--help") == 0
    text = capsys.readouterr().out
    run = ("--run", "--resume", "--overwrite", "--patience", "--swa-epochs", "--snapshots")
    for option in (*run, "--folds", "--repeats", "--strategy"):
        assert f"{option} " not in text
        assert status("lr-find", *TEXT, "--out", "a.png", option, *(["2"] if option not in run else [])) == 2
        assert re.search(rf"unknown option {option} for `lr-find text`", capsys.readouterr().err)


@pytest.mark.parametrize(("examples", "steps", "batch"), [(40, 200, 8), (4000, 200, 64), (32, 100, 8)])
def test_a_sweep_is_no_longer_than_a_training_of_few_examples(examples, steps, batch, tmp_path, monkeypatch, capsys):
    rows = [f"{word} number {i},{word}" for i in range(examples // 2) for word in ("yes", "no")]
    (tmp_path / "a.csv").write_text("\n".join(["text,label", *rows]))
    met = {}

    def find(model, batches, **options):
        met.update(steps=options["steps"], batch=len(next(iter(batches))[1]))
        raise InputError("enough")

    monkeypatch.setattr(training, "lr_find", find)
    command = ("lr-find", "text", tmp_path / "a.csv", "--out", tmp_path / "a.png", "--validation", 0)
    command += ("--epochs", 3) if steps < 200 else ()
    assert status(*command, "--model", "bag-of-words-linear") == 2
    assert met == {"steps": steps, "batch": batch}, capsys.readouterr()
