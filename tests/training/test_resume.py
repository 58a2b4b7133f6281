"""Interrupted against whole: kill -9, Ctrl-C and damaged files, with real processes."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data import synthetic_reviews
from tfconv.training import fit, load_run
from tfconv.training.checkpoint import checkpoints

SCRIPT = Path(__file__).with_name("resumable.py")


def start(run_dir, *flags):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(run_dir), *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nobody interrupts."""
    run_dir = tmp_path_factory.mktemp("whole")
    finish(start(run_dir))
    return json.loads((run_dir / "digest.json").read_text()), run_dir


def wait_for_batches(process, number):
    for _ in range(number):
        line = process.stdout.readline()
        while line and not line.startswith("batch"):
            line = process.stdout.readline()
        assert line, process.stderr.read()


def test_killed_run_ends_bit_equal(whole, tmp_path):
    expected, whole_dir = whole
    rng = random.Random(1)
    run_dir = tmp_path / "run"
    for flags in ((), ("--resume",)):  # killed twice, at any moment: in a step, in a write
        process = start(run_dir, "--slow", *flags)
        wait_for_batches(process, rng.randint(8, 40))
        time.sleep(rng.random() * 0.06)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (run_dir / "model.keras").exists()
    assert checkpoints(run_dir / "checkpoints")
    finish(start(run_dir, "--resume"))
    actual = json.loads((run_dir / "digest.json").read_text())
    assert actual == expected
    assert (run_dir / "history.csv").read_text() == (whole_dir / "history.csv").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_saves_and_says_how_to_go_on(number, whole, tmp_path):
    run_dir = tmp_path / "run"
    process = start(run_dir, "--slow")
    wait_for_batches(process, 12)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "go on with resume=True (--resume)" in err
    finish(start(run_dir, "--resume"))
    assert json.loads((run_dir / "digest.json").read_text()) == whole[0]


def test_finished_run_is_not_trained_again(whole):
    expected, run_dir = whole
    out = finish(start(run_dir, "--resume"))
    assert "batch" not in out
    assert json.loads((run_dir / "digest.json").read_text()) == expected


def test_run_directory_reads_back(whole):
    expected, run_dir = whole
    run = load_run(run_dir)
    for weight, values in zip(run.model.get_weights(), expected["weights"], strict=True):
        np.testing.assert_array_equal(weight, np.array(values, weight.dtype))
    assert run.class_names == synthetic_reviews(10).class_names
    rows = (run_dir / "history.csv").read_text().splitlines()
    assert rows[0].split(",")[:2] == ["epoch", "accuracy"] and len(rows) == 1 + len(expected["history"]["loss"])
    assert list((run_dir / "logs" / "validation").iterdir())


def small_fit(run_dir, units=4, epochs=2, shuffled=True, **arguments):
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32")))
    if shuffled:
        data = data.shuffle(40, seed=4, reshuffle_each_iteration=True)
    history = fit(model, data.batch(4), epochs=epochs, run_dir=run_dir, verbose=0, **arguments)
    return model.get_weights(), history.history


def test_any_data_set_resumes(tmp_path):
    expected, history = small_fit(tmp_path / "whole", epochs=4)
    small_fit(tmp_path / "run", epochs=2)
    weights, resumed = small_fit(tmp_path / "run", epochs=4, resume=True)
    assert resumed == history
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    expected, _ = small_fit(tmp_path / "run", epochs=3)
    newest, before = checkpoints(tmp_path / "run" / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:200])
    weights, _ = small_fit(tmp_path / "run", epochs=3, resume=True)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for path in checkpoints(tmp_path / "run" / "checkpoints"):
        path.write_bytes(b"PK")
    with pytest.raises(InputError, match="no checkpoint in .* can be read"):
        small_fit(tmp_path / "run", epochs=3, resume=True)


def test_run_is_not_lost_by_mistake(tmp_path):
    small_fit(tmp_path / "run")
    with pytest.raises(InputError, match="holds a run already: go on with resume=True"):
        small_fit(tmp_path / "run")
    small_fit(tmp_path / "run", overwrite=True)
    with pytest.raises(InputError, match="is of another model: .*dense.*here"):
        small_fit(tmp_path / "run", units=5, resume=True)
    with pytest.raises(InputError, match="written with the callbacks"):
        small_fit(tmp_path / "run", resume=True, callbacks=[keras.callbacks.EarlyStopping("loss")])
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        small_fit(tmp_path / "file")


def test_second_process_is_refused(tmp_path):
    first = start(tmp_path / "run", "--slow")
    wait_for_batches(first, 1)
    second = start(tmp_path / "run", "--resume")
    _, err = second.communicate(timeout=120)
    assert second.returncode != 0 and "another process is training into" in err
    first.kill()
    first.communicate()


def test_unfinished_run_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no trained model: give a folder"):
        load_run(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="not finished: run the same command with --resume"):
        load_run(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="cannot be read as a Keras model"):
        load_run(tmp_path)
