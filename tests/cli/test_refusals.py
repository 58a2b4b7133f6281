"""What the command refuses before it imports TensorFlow, Ctrl-C from the first moment on, and no memory."""

import errno
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tfconv.cli import one_line_errors

IN_ONE_PROCESS = """
import contextlib, io, json, shutil, sys, zipfile
from pathlib import Path
from tfconv.cli import arguments, command, main

for name, kind in (("images", "image.json"), ("texts", "text.json"), ("bare", None)):
    Path(name, "preprocess").mkdir(parents=True) if kind else Path(name).mkdir()
    with zipfile.ZipFile(f"{name}/model.keras", "w") as file:
        file.writestr("a", "b")
    if kind:
        Path(name, "preprocess", kind).write_text("{}")
        Path(name, "config.json").write_text(json.dumps({"data": "gone.csv", "model": "x"}))
Path("none").mkdir()
Path("file").write_text("x")
Path("cut").mkdir()
Path("cut/model.keras").write_bytes(b"PK")
shutil.copytree("texts", "list")
Path("list/config.json").write_text("[]")
Path("t.csv").write_text("text,label\\na,b\\nc,d\\n")

def run(words):
    error, code = io.StringIO(), 0
    with contextlib.redirect_stderr(error):
        try:
            main(words)
        except SystemExit as end:
            code = end.code
    return [words, code, error.getvalue(), "tensorflow" in sys.modules or "keras" in sys.modules]

found = [run(line.split(" ")) for line in sys.stdin.read().splitlines()]
bases = {
    "train text": "t.csv --run r", "train images": "synthetic --run r", "check": "t.csv", "export": "texts to",
    "lr-find text": "t.csv --out a.png", "lr-find images": "synthetic --out a.png", "plot": "schedule sgdr --out a.png",
}
for verb, base in bases.items():
    function = command.verbs()
    for word in verb.split():
        function = function[word]
    for argument in arguments.arguments_of(function):
        for value in {int: ("9" * 30, "-" + "9" * 30), float: ("nan", "inf", "-inf", "-1")}.get(argument.hint, ()):
            found.append(run([*verb.split(), *base.split(), f"{argument.name}={value}"]))
print(json.dumps(found))
"""
LONG = "a" * 300
REFUSED = [
    ("predict nowhere a", "nowhere holds no trained model"),
    ("predict texts a --beside nowhere", "nowhere holds no trained model"),
    ("predict bare a", "bare was trained without `preprocess`, which makes the model's inputs: train again with fit("),
    ("evaluate nowhere", "nowhere holds no trained model"),
    ("evaluate bare", "bare was trained without `preprocess`"),
    ("evaluate cut", "cut/model.keras is no Keras model, or cut short"),
    ("evaluate list", "list/config.json holds no settings"),
    ("evaluate texts", "gone.csv: no such file or folder"),
    ("evaluate texts nosuch.csv", "nosuch.csv: no such file or folder"),
    ("evaluate images nosuch", "nosuch: no such file or folder"),
    ("export nowhere to", "nowhere holds no trained model"),
    ("export bare to", "bare was trained without `preprocess`"),
    ("export texts file", "file is a file: give a folder for the model"),
    ("export texts to --keep 0", "--keep must be from 1 to 2147483647, got 0"),
    ("plot nowhere curves", "no such file"),
    ("plot nowhere samples", "nowhere holds no trained model"),
    ("plot nowhere filters", "nowhere holds no trained model"),
    ("plot bare samples", "bare was trained without `preprocess`"),
    ("plot texts samples", "classifies texts, which have no samples"),
    ("plot images samples", "gone.csv: no such file or folder"),
    ("plot images sampels", "plot draws no 'sampels': did you mean samples?"),
    ("plot images model --out a.tiff", "a.tiff: a diagram can be written as .png"),
    ("plot images samples --out a.docx", "a.docx: its ending is none of"),
    ("plot images samples --out file/a.png", "file/a.png cannot be written"),
    ("lr-find text t.csv --out /proc/x/a.png", "--out /proc/x/a.png cannot be written"),
    ("train text t.csv --run /proc/x/run", "--run /proc/x/run cannot be written"),
    ("train images synthetic --run file/run", "file is no folder"),
    ("export texts /proc/model", "TO /proc/model cannot be written"),
    ("plot schedule cosin --out a.png", "name must be one of constant, cosine"),
    ("plot schedule cosine --out a.docx", "a.docx: its ending is none of"),
    ("plot schedule cosine --out a.png --warmup 2", "warmup must be from 0 to below 1, got 2.0"),
    ("check nowhere", "nowhere: no such file or folder"),
    ("check nowhere --kind images", "nowhere: no such file or folder"),
    ("check t.csv --seed -1", "--seed must be from 0 to 4294967295, got -1"),
    ("check t.csv --test ", "--test must not be empty"),
    ("check bare", "bare was not written by `tfconv train`"),
    ("train text t.csv --run texts", "texts holds a run already"),
    ("train images synthetic --run texts", "texts holds a run already"),
    ("train text t.csv --run file", "file is a file"),
    ("train text t.csv --run r --from nowhere", "--from nowhere holds no trained model"),
    ("train text t.csv --run r --from images", "--from images is a run of `tfconv train images`"),
    ("train text t.csv --run r --from bare", "--from bare was trained without `preprocess`"),
    ("train text t.csv --run r --test ", "--test must not be empty"),
    ("train text t.csv --run r --strategy tpu", "--strategy: the strategy must be auto, cpu:N"),
    ("train text t.csv --run r --strategy cpu:99", "N must be from 1 to 16, got 99"),
    ("train text t.csv --run r --threads 2147483647", "--threads must be from 1 to 1024, got 2147483647"),
    ("train text nosuch.csv --run r", "nosuch.csv: no such file"),
    ("train images nosuch --run r", "nosuch: no such file or folder"),
    ("lr-find text t.csv --out a.docx", "a.docx: its ending is none of"),
    ("lr-find text t.csv --out a.png --start 3 --end 1", "--end must be above --start"),
    ("lr-find images nosuch --out a.png", "nosuch: no such file or folder"),
    (f"train text {LONG} --run r", "the name is too long"),
    (f"train text t.csv --run {LONG}", "the name is too long"),
    (f"train text t.csv --run r --test {LONG}", "the name is too long"),
    (f"evaluate {LONG}", "the name is too long"),
    (f"plot images samples --out {LONG}.png", "the name is too long"),
    (f"plot images samples --out {'a' * 245}.png", "the name is too long"),
]


def test_refusals_are_one_line_and_import_no_tensorflow(tmp_path):
    given = "\n".join(line for line, _ in REFUSED)
    done = subprocess.run(
        [sys.executable, "-c", IN_ONE_PROCESS], input=given, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) > len(REFUSED) + 150
    for (line, message), (_, code, error, _) in zip(REFUSED, found, strict=False):
        assert code == 2 and message in error, (line[:80], code, error)
    for words, code, error, imported in found:
        assert code == 2 and error.startswith("tfconv: ") and error.count("\n") == 1, (words, code, error)
        assert not imported and len(error) < 400, (words, error)


def test_ctrl_c_is_one_line_from_the_first_moment_on(tmp_path, capsys):
    """A real process and a real signal, while Python imports tyro, NumPy, TensorFlow, and after."""
    code = "import sys; from tfconv.cli import main; print(flush=True); main(sys.argv[1:])"
    for delay in (0.02, 0.05, 0.1, 0.3, 0.6, 1.2):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                "train",
                "text",
                "synthetic",
                "--run",
                str(tmp_path / "run"),
                "--strategy",
                "cpu:2",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        # Python ends by the signal itself, 130 to a shell, where it struck inside `exec`.
        assert process.returncode in (130, -signal.SIGINT) and error == "tfconv: stopped\n", (delay, error)
    with pytest.raises(SystemExit) as left, one_line_errors("tfconv"):  # as pybind11 does with what strikes an import
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as stopped:
            raise ImportError("initialization failed") from stopped
    assert left.value.code == 130 and capsys.readouterr().err == "tfconv: stopped\n"
    module = subprocess.Popen([sys.executable, "-m", "tfconv", "predict", "/"], stderr=subprocess.PIPE, text=True)
    _, error = module.communicate(timeout=60)
    assert module.returncode == 2 and error.count("\n") == 1


def test_no_memory_says_what_to_do(capsys):
    too_large = "OOM when allocating tensor with shape[64,512] and type float on /device:CPU:0"
    for error, code, message in (
        (MemoryError(), 1, "out of memory: give a smaller --batch-size, a smaller --size of images, or --stream"),
        (tf.errors.ResourceExhaustedError(None, None, too_large), 1, r"out of memory (OOM when allocating tensor"),
        (tf.errors.ResourceExhaustedError(None, None, "x; No space left on device"), 1, "No space left on device"),
        (OSError(errno.ENAMETOOLONG, "File name too long", LONG), 2, "the name is too long: give a shorter one"),
        (OSError(errno.ENOSPC, "No space left on device", "a"), 1, "No space left on device"),
    ):
        with pytest.raises(SystemExit) as end, one_line_errors("tfconv"):
            raise error
        line = capsys.readouterr().err
        assert end.value.code == code and message in line and line.count("\n") == 1 and line.startswith("tfconv: ")
    with pytest.raises(SystemExit) as end, one_line_errors("tfconv"):
        np.empty(2**60, np.int8)
    assert end.value.code == 1 and "out of memory (Unable to allocate" in capsys.readouterr().err
    with pytest.raises(TypeError), one_line_errors("tfconv"):  # a mistake of ours: its traceback is wanted
        raise TypeError
