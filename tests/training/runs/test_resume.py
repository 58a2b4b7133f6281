"""Interrupted against whole: kill -9, Ctrl-C and damaged files, with real processes."""

import json
import random
import signal
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from warm_processes import Process

from tfconv import InputError
from tfconv.data import synthetic_reviews
from tfconv.training import Interrupted, NonFiniteLossError, fit, load_run
from tfconv.training.runs.checkpoint import checkpoints

SCRIPT = Path(__file__).parents[2] / "support" / "resumable.py"


def start(run_dir, *flags):
    return Process([SCRIPT, run_dir, *flags])


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


def test_stopped_in_every_way_it_ends_bit_equal(whole, tmp_path):
    """One run: killed at any moment (in a step, in a write), asked to stop by Ctrl-C and by SIGTERM, and resumed."""
    expected, whole_dir = whole
    rng = random.Random(1)
    run_dir = tmp_path / "run"
    process = start(run_dir, "--slow")
    wait_for_batches(process, 1)
    with pytest.raises(InputError, match="another process is training into"):
        small_fit(run_dir, resume=True)
    wait_for_batches(process, rng.randint(7, 39))
    time.sleep(rng.random() * 0.06)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert checkpoints(run_dir / "checkpoints")
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start(run_dir, "--slow", "--resume")
        wait_for_batches(process, 12)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "go on with resume=True (--resume)" in err
        assert not (run_dir / "model.keras").exists()
    finish(start(run_dir, "--resume"))
    assert json.loads((run_dir / "digest.json").read_text()) == expected
    assert (run_dir / "history.csv").read_text() == (whole_dir / "history.csv").read_text()


def test_run_directory_reads_back(whole):
    expected, run_dir = whole
    run = load_run(run_dir)
    for weight, values in zip(run.model.get_weights(), expected["weights"], strict=True):
        np.testing.assert_array_equal(weight, np.array(values, weight.dtype))
    assert run.class_names == synthetic_reviews(10).class_names
    rows = (run_dir / "history.csv").read_text().splitlines()
    assert rows[0].split(",")[:2] == ["epoch", "accuracy"] and len(rows) == 1 + len(expected["history"]["loss"])
    assert list((run_dir / "logs" / "validation").iterdir())


def small_fit(run_dir, units=4, epochs=2, shuffled=True, known_size=True, **arguments):
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation="tanh"), keras.layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    data = tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32")))
    if shuffled:
        data = data.shuffle(40, seed=4, reshuffle_each_iteration=True)
    if not known_size:
        data = data.filter(lambda x, y: True)
    history = fit(model, data.batch(4), epochs=epochs, run_dir=run_dir, verbose=0, **arguments)
    return model.get_weights(), history.history


def test_any_data_set_resumes(tmp_path):
    expected, history = small_fit(tmp_path / "whole", epochs=4)
    small_fit(tmp_path / "run", epochs=2)
    weights, resumed = small_fit(tmp_path / "run", epochs=4, resume=True)
    assert resumed == history
    newest = checkpoints(tmp_path / "run" / "checkpoints")[0]
    written = newest.stat().st_mtime_ns
    again, found = small_fit(tmp_path / "run", epochs=4, resume=True)  # finished: it is not trained again
    assert found == history and newest.stat().st_mtime_ns == written
    for a, b, c in zip(weights, again, expected, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, c)


class Logs(keras.callbacks.Callback):
    """Put a number an epoch into the logs, or NaN into a weight."""

    def __init__(self, values=(), broken=False):
        super().__init__()
        self._values, self._broken = values, broken

    def on_epoch_end(self, epoch, logs=None):
        if self._values:
            logs["score"] = self._values[epoch]
        if self._broken:
            self.model.layers[0].bias.assign([np.nan] * 4)


def resumed(run_dir, epochs, *callbacks, **arguments):
    """Two trainings, of `epochs` with one of the lists of callbacks each; the last's weights and history."""
    for i, (number, given) in enumerate(zip(epochs, callbacks, strict=True)):
        found = small_fit(run_dir, epochs=number, callbacks=given, resume=i > 0, **arguments)
    return found


def test_logged_nan_and_validation_that_gives_nan_change_nothing(tmp_path):
    x = np.array([[1, 2, 3], [1, np.nan, 1]], "float32")
    held_out = tf.data.Dataset.from_tensor_slices((x, np.zeros(2, "int32"))).batch(1)
    values, found = [np.nan, 1.0, np.inf, 2.0], []
    for name, epochs in (("whole", (4,)), ("run", (2, 4))):
        given = [[Logs(values)] for _ in epochs]
        weights, history = resumed(tmp_path / name, epochs, *given, validation_data=held_out)
        found.append((weights, history, (tmp_path / name / "history.csv").read_text()))
    np.testing.assert_array_equal(found[1][1]["score"], values)
    assert np.isnan(found[1][1]["val_loss"]).all() and np.isfinite(found[1][1]["loss"]).all()
    assert repr(found[1]) == repr(found[0])


def test_a_weight_that_is_no_number_is_named(tmp_path):
    with pytest.raises(
        NonFiniteLossError, match=r"^variable .*/bias holds a value that is NaN .* at step 0 of epoch 2"
    ):
        small_fit(tmp_path / "run", callbacks=[Logs(broken=True)])


def test_settings_of_callbacks_are_those_of_the_resumed_run(tmp_path):
    scores = [0.5, 0.4, 0.8, 0.7, 0.6, 0.5]

    def callbacks(patience, min_delta, folder):
        stopping = keras.callbacks.EarlyStopping("score", patience=patience, min_delta=min_delta, mode="max")
        return [Logs(scores), stopping, keras.callbacks.ModelCheckpoint(str(tmp_path / folder / "{epoch}.keras"))]

    weights, history = small_fit(tmp_path / "whole", epochs=6, callbacks=callbacks(2, 0.2, "all"))
    assert len(history["score"]) == 5
    found, after = resumed(tmp_path / "run", (6, 6), callbacks(0, 0.5, "a"), callbacks(2, 0.2, "b"))
    assert after == history and repr(found) == repr(weights)  # as if the patience had been that from the beginning
    written = [sorted(path.stem for path in (tmp_path / name).iterdir()) for name in ("a", "b")]
    assert written == [["1", "2"], ["3", "4", "5"]]
    again, after = small_fit(tmp_path / "run", epochs=6, callbacks=callbacks(1, 0.2, "c"), resume=True)
    assert after == history and repr(again) == repr(weights)  # less patience takes nothing back, and nothing is trained


class Request(keras.callbacks.Callback):
    """Be asked to stop in the validation of the second epoch."""

    def __init__(self, asked):
        super().__init__()
        self._asked, self._seen = asked, []

    def on_test_batch_end(self, batch, logs=None):
        self._seen.append(batch)
        if len(self._seen) == 8 and self._asked:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("known_size", [True, False])
def test_a_request_in_validation_does_not_wait_for_its_end(known_size, tmp_path):
    x = np.random.default_rng(1).normal(size=(80, 3)).astype("float32")
    held_out = tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32"))).batch(1)
    found, seen = [], []
    for name in ("whole", "run"):
        request = Request(name == "run")
        arguments = {"epochs": 3, "validation_data": held_out, "known_size": known_size}
        if name == "run":
            with pytest.raises(Interrupted, match="stopped at step 10 of epoch 2; saved in"):
                small_fit(tmp_path / name, callbacks=[request], **arguments)
            seen = request._seen
            request = Request(False)
        found.append(small_fit(tmp_path / name, callbacks=[request], resume=name == "run", **arguments))
    assert len(seen) == 8 and len(request._seen) == 2 * 7  # 80 batches in 7 calls
    assert repr(found[1]) == repr(found[0])


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
    with pytest.raises(InputError, match=r"file/run cannot be written .Not a directory.: give a folder"):
        small_fit(tmp_path / "file" / "run")


def test_unfinished_run_says_so(tmp_path):
    with pytest.raises(InputError, match="holds no trained model: give a folder"):
        load_run(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(InputError, match="not finished: run the same command with --resume"):
        load_run(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"not a zip")
    with pytest.raises(InputError, match="model.keras is no Keras model, or cut short: copy it anew"):
        load_run(tmp_path)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(InputError, match="was trained without `preprocess`.*preprocess=data.preprocess"):
        load_run(tmp_path)
    (tmp_path / "preprocess").mkdir()
    (tmp_path / "preprocess" / "text.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read as a Keras model"):
        load_run(tmp_path)
