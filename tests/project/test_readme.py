"""README is a promise: every code block in it runs, in its order, in one empty folder."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import status
from PIL import Image

from tfconv.data import synthetic_shapes

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.S | re.M)


def test_every_block_is_of_a_kind_that_is_run():
    assert {kind for kind, _ in BLOCKS} <= {"sh", "python", "csv"}


def run(command, folder, **more):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path} | more)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_make_targets_exist():
    lines = [line.split("#")[0].split() for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    targets = [words[1] for words in lines if words and words[0] == "make"]
    assert targets == ["demo", "test"]
    for target in targets:
        run(["make", "--dry-run", target], ROOT)


@pytest.fixture
def output(tmp_path, monkeypatch, capsys):
    """What the commands of a block print that begins so, run in this process: each start of TensorFlow takes seconds.

    The block of `tfconv launch` is run by a shell, as a user runs it.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFCONV_DATA_DIR", str(tmp_path / "cache"))

    def printed(beginning):
        (script,) = [text for kind, text in BLOCKS if kind == "sh" and text.startswith(beginning)]
        for line in script.replace("\\\n", "").splitlines():
            program, *arguments = shlex.split(line)
            assert program == "tfconv" and status(*arguments) == 0, line
        return capsys.readouterr().out

    return printed


def test_commands_run_on_the_file_shown(output, tmp_path):
    (table,) = [text for kind, text in BLOCKS if kind == "csv"]
    (tmp_path / "tickets.csv").write_text(table, "utf-8")
    out = output("tfconv train text tickets")
    assert '"text": "I was charged twice"' in out and "saved_models/tickets/1: written" in out


@pytest.mark.real_data
def test_the_sms_spam_collection_trains_as_it_is_published(data_directory, tmp_path, monkeypatch, capsys):
    (script,) = [text for kind, text in BLOCKS if kind == "sh" and "SMSSpamCollection" in text]
    os.symlink(data_directory / "short_texts" / "SMSSpamCollection", tmp_path / "SMSSpamCollection")
    monkeypatch.chdir(tmp_path)
    assert status(*shlex.split(script)[1:]) == 0
    out, error = capsys.readouterr()
    assert "separated by tabs, no header, quote marks are text, texts in column '2', labels in '1'" in error
    assert "SMSSpamCollection: 5,574 texts, 2 classes, 0 skipped" in out
    scores = json.loads(Path("runs/sms/result.json").read_text())["scores"]["validation"]
    assert scores["accuracy"] > 0.985 > 0.88 > scores["accuracy_baseline"]
    assert status("evaluate", "runs/sms", "SMSSpamCollection", "--json") == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 5574


def test_image_commands_run_on_a_folder_of_images(output, tmp_path):
    shapes = synthetic_shapes(100, size=16, validation=0, test=0)
    train = shapes.examples["train"]
    for i, (pixels, label) in enumerate(zip(train.pixels, train.labels, strict=True)):
        path = tmp_path / "photos" / shapes.class_names[label] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    Image.fromarray(train.pixels[0]).save(tmp_path / "new.jpg")
    out = output("tfconv train images")
    assert '"image": "new.jpg"' in out and "saved_models/photos/1: written" in out
    assert Path("runs/photos/report/confidence.png").exists()
    out = output("tfconv check photos")
    assert "next:   tfconv train images photos --run RUN --learning-rate" in out
    assert all(Path(name).stat().st_size > 10_000 for name in ("rates.png", "schedules.png"))


def test_a_second_worker_trains_along(tmp_path):
    (script,) = [text for kind, text in BLOCKS if kind == "sh" and text.startswith("tfconv launch")]
    out = run(["sh", "-e", "-c", script], tmp_path)
    assert "epoch 1/1" in out and (tmp_path / "runs" / "two" / "model.keras").exists()


def test_python_blocks_run_as_one_program(tmp_path):
    program = "\n".join(text for kind, text in BLOCKS if kind == "python")
    assert program.count("synthetic_shapes(2000)") == 1  # whose score is not looked at
    program = program.replace("synthetic_shapes(2000)", "synthetic_shapes(300)")
    out = run([sys.executable, "-W", "error::DeprecationWarning:tfconv", "-c", program], tmp_path)
    assert "[b'pos' b'neg']" in out


def test_parameter_counts_are_those_of_the_models(monkeypatch):
    """All weights, of every model alike: also the moving averages of batch normalisation."""
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    recipe = importlib.import_module("cifar10_architectures")
    data = SimpleNamespace(image_shape=(32, 32, 3), outputs=10)
    counts = [make().count_params() for make in recipe.make_models(data).values()]
    text = (ROOT / "README.md").read_text("utf-8")
    table = text[text.index("| `recipes/cifar10_architectures.py`") : text.index("| `recipes/cifar10_transfer.py`")]
    assert [int(found.replace(",", "")) for found in re.findall(r"\d+(?:,\d{3})+", table)] == counts


@pytest.mark.parametrize("path", re.findall(r"`((?:tfconv|recipes)/[\w/.]+)`", (ROOT / "README.md").read_text("utf-8")))
def test_named_paths_exist(path):
    assert (ROOT / path).exists()
