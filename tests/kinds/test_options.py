"""Options that trainings share: each reaches the training, and what makes no sense is refused in one line."""

import dataclasses
import json
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf
from command_line import status
from hypothesis import given, settings
from hypothesis import strategies as st
from warm_processes import run

from tfconv import InputError, training
from tfconv.kinds import KINDS
from tfconv.kinds import options as training_options
from tfconv.kinds.images.options import TrainImages
from tfconv.kinds.text.options import TrainText

COMMAND = "train text synthetic --run run --length 30 --model text-cnn --epochs 1".split()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--snapshots"], "--snapshots goes with --schedule sgdr"),
        (["--snapshots", "--schedule", "sgdr", "--cycle-epochs", "5"], "no cycle of --cycle-epochs 5 ends in 1 epochs"),
        (["--accumulate", "1000"], "--accumulate 1000 makes no update in 1 epochs of"),
        (["--ema", "0"], "--ema must be above 0, got 0"),
        (["--learning-rate", "1e300"], "--learning-rate must be from 1e-30 to 1e+30, got 1e+300"),
        (["--ema", "0.9", "--swa-epochs", "1"], "two averages of the weights"),
        (["--swa-epochs", "2"], "--swa-epochs must be at most --epochs, 1, got 2"),
        (["--swa-epochs", "1", "--patience", "1"], "--patience stops early, --swa-epochs trains to the end"),
        (["--snapshots", "--schedule", "sgdr", "--accumulate", "7"], "--accumulate 7 must divide the 44 batches"),
        (["--warmup", "0.1"], "--warmup goes with --schedule cosine or --schedule one-cycle; got --schedule const"),
        (["--warmup", "1", "--schedule", "cosine"], "--warmup must be from 0 to below 1, got 1.0"),
        (
            ["--cycle-epochs", "2"],
            "--cycle-epochs goes with --schedule sgdr or --schedule triangle; got --schedule const",
        ),
        (["--cycle-multiplier", "3", "--schedule", "triangle"], "--cycle-multiplier goes with --schedule sgdr; got"),
        (["--optimizer", "lazy-adam", "--ema", "0.9"], "use --optimizer adam"),
        (["--label-smoothing", "1"], "--label-smoothing must be from 0 to below 1"),
        (["--strategy", "cpu:64"], "N must be from 1 to 16, got 64"),
        (["--strategy", "tpu"], "the strategy must be auto, cpu:N"),
        (["--strategy", "cpu:2", "--batch-size", "1"], "--batch-size 1 gives some of 2 replicas nothing"),
        (["--strategy", "multiworker"], "no workers are named: set TF_CONFIG"),
        (["--folds", "2", "--strategy", "multiworker"], "train one after the other"),
        (["--folds", "2000"], "--folds 2000: the class 'neg' has 1600 examples"),
        (["--folds", "1"], "--folds must be from 2"),
        (["--freeze-to", "1"], "--freeze-to goes with --from RUN"),
        (["--label-smoothing", "0.2", "--multi-label"], "--label-smoothing is for one label an example"),
        (["--balanced", "weights", "--multi-label"], "--balanced is for one label an example"),
    ],
)
def test_what_makes_no_sense_is_one_line(options, message, capsys, folder):
    assert status(*COMMAND, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (folder / "run" / "model.keras").exists()


def test_a_cross_validation_is_not_mixed_with_a_run(capsys, folder):
    (folder / "run").mkdir()
    (folder / "run" / "summary.json").write_text("{}")
    for more in ([], ["--resume"], ["--overwrite"]):
        assert status(*COMMAND, *more) == 2
        assert "holds a cross-validation: choose another folder" in capsys.readouterr().err


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**7), st.integers(1, 16), st.sampled_from([TrainText, TrainImages]))
def test_few_examples_get_small_batches_and_enough_updates(examples, replicas, options):
    data = SimpleNamespace(examples={"train": range(examples)})
    found = training_options.by_size(options(data="", run=Path("run")), data, replicas)
    largest = max(options.usual_batch_size, replicas)
    assert max(8, replicas) <= found.batch_size <= largest and options.usual_epochs <= found.epochs <= 60
    updates = max(examples // found.batch_size, 1) * found.epochs
    assert updates >= 200 or found.epochs == 60
    if examples >= 24 * options.usual_batch_size:  # many
        assert (found.batch_size, found.epochs) == (largest, options.usual_epochs)
    elif examples >= 12 * max(8, replicas):  # between the floor and the usual size
        assert found.batch_size in (replicas, options.usual_batch_size) or 11 <= examples / found.batch_size <= 23
    chosen = dataclasses.replace(found, batch_size=7, epochs=3)
    assert training_options.by_size(chosen, data, replicas) == chosen


def test_epochs_that_were_not_given_are_checked_when_they_are_known(capsys):
    command = [word for word in COMMAND if word not in ("--epochs", "1")]
    assert status(*command, "--swa-epochs", 11) == 2
    assert "--swa-epochs must be at most --epochs, 10, got 11" in capsys.readouterr().err


def test_the_warm_up_is_that_of_rate_and_momentum():
    config = TrainText(data="", run=Path("run"), epochs=4, schedule="one-cycle", warmup=0.75)
    optimizer = training_options.make_optimizer(config, SimpleNamespace(train=tf.data.Dataset.range(10)))
    rates = [float(optimizer._learning_rate(step)) for step in range(40)]
    momenta = [float(optimizer.beta_1(step)) for step in range(40)]
    assert rates.index(max(rates)) == momenta.index(min(momenta)) == 30  # of 40 updates


@pytest.mark.parametrize(
    ("kind", "data", "first"), [("text", "tfds:x", True), ("images", "tfds:x", True), ("text", "x", False)]
)
def test_devices_are_chosen_before_tensorflow_reads(kind, data, first, monkeypatch):
    called = []

    def read(kind, config):
        called.append("read")
        raise InputError("stop")

    monkeypatch.setattr(type(KINDS[kind]), "read", read)
    monkeypatch.setattr(training.strategy, "choose", lambda name: called.append(name))
    assert status("train", kind, data, "--run", "run", "--strategy", "cpu:2") == 2
    assert called == [*(["cpu:2"] if first else []), "read"]


def test_resume_wants_the_same_epochs_in_the_average(capsys, folder):
    (folder / "run").mkdir()
    (folder / "run" / "config.json").write_text('{"epochs": 3, "swa_epochs": 1}')
    assert status(*COMMAND, "--schedule", "constant", "--swa-epochs", "1", "--resume") == 2
    assert "averages the weights of the last epochs of 3 (--swa-epochs)" in capsys.readouterr().err


def test_the_practice_together(folder):
    options = "--schedule sgdr --snapshots --optimizer sgd --lookahead --accumulate 2 --clip-norm 1 --ema 0.9".split()
    options += "--label-smoothing 0.05 --balanced sampling --learning-rate 0.5 --weight-decay 0.001".split()
    # Two strategies in one process mix up their collective operations: those of the other tests are in this one.
    done = run(["-c", "from tfconv.cli import main; main()", *COMMAND, *options, "--strategy", "cpu:2"])
    assert done.returncode == 0 and "test split" in done.stdout, done.stderr
    assert (folder / "run" / "cycles" / "1.keras").exists()
    kept = json.loads((folder / "run" / "config.json").read_text())
    assert kept["optimizer"] == "sgd" and kept["epochs"] == 1 and kept["strategy"] == "cpu:2"


def test_folds_are_scored_and_not_trained_twice(folder, capsys):
    options = [*COMMAND[:-1], "1", "--folds", "2", "--batch-size", "400"]
    assert status(*options) == 0
    out = capsys.readouterr().out
    assert "fold-1" in out and "fold-2" in out and "sd" in out
    kept = json.loads((folder / "run" / "summary.json").read_text())
    assert kept["scores"].keys() == {"fold-1", "fold-2"}
    assert status(*options, "--resume") == 0
    assert "epoch" not in capsys.readouterr().out


def test_folds_trained_after_a_kill_are_those_of_an_unbroken_cross_validation(folder):
    options = [*COMMAND[:-1], "1", "--folds", "2", "--batch-size", "400"]
    run = folder / "run"

    def model_config():
        with zipfile.ZipFile(run / "fold-2" / "model.keras") as file:
            return json.loads(file.read("config.json"))

    assert status(*options) == 0
    whole, summary = model_config(), json.loads((run / "summary.json").read_text())
    cut = {**summary, "scores": {"fold-1": summary["scores"]["fold-1"]}}  # killed in the second fold
    (run / "summary.json").write_text(json.dumps(cut))
    shutil.rmtree(run / "fold-2")
    keras.utils.clear_session()  # a new process
    assert status(*options, "--resume") == 0
    assert model_config() == whole and json.loads((run / "summary.json").read_text()) == summary
