"""Epochs of any number of steps against `keras.Model.fit`, and what a resumed training makes of them."""

import csv
import io
import signal
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import InputError
from tfconv.data.batching import row_batches
from tfconv.interpret import curves_figure
from tfconv.training import Interrupted, fit

X = np.random.default_rng(5).normal(size=(56, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")
DATA = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)  # 7 batches
UNKNOWN = DATA.filter(lambda x, y: True)


def make_model():
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dropout(0.3, seed=3), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((6,)), *layers])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["mae"], jit_compile=False)
    return model


class Calls(keras.callbacks.Callback):
    """Note what is called, with its number."""

    def __init__(self):
        super().__init__()
        self._calls = []

    def on_epoch_begin(self, epoch, logs=None):
        self._calls.append(("epoch", epoch, self.params["steps"]))

    def on_train_batch_end(self, batch, logs=None):
        self._calls.append(batch)

    def on_test_end(self, logs=None):
        self._calls.append("test")


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (DATA.repeat(), {"epochs": 3, "steps_per_epoch": 5}),
        (UNKNOWN.repeat(), {"epochs": 2, "steps_per_epoch": 5}),
        (DATA, {"epochs": 4, "steps_per_epoch": 3}),  # the third epoch has one step
        (DATA, {"epochs": 2, "steps_per_epoch": 9}),
        (DATA.repeat(), {"epochs": 5, "initial_epoch": 3, "steps_per_epoch": 2}),
        (DATA, {"epochs": 4, "initial_epoch": 2, "validation_freq": 2}),
        (DATA, {"epochs": 4, "validation_freq": [1, 4], "validation_steps": 2, "validation_data": DATA.repeat()}),
    ],
)
def test_equals_keras(data, arguments):
    arguments = {"validation_data": DATA.skip(2), "verbose": 0, **arguments}
    found = []
    for ours in (False, True):
        model, calls = make_model(), Calls()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            if ours:
                history = fit(model, data, callbacks=[calls], **arguments)
            else:
                history = model.fit(data, shuffle=False, callbacks=[calls], **arguments)
        ended = any("ran out of data" in str(w.message) or "ended before" in str(w.message) for w in warned)
        weights = np.concatenate([weight.ravel() for weight in model.get_weights()])
        found.append((weights, history, calls._calls, ended))
    (weights, history, calls, ended), (our_weights, our_history, our_calls, our_ended) = found
    np.testing.assert_allclose(our_weights, weights, rtol=1e-5, atol=1e-6)
    assert our_history.epoch == history.epoch and our_history.history.keys() == history.history.keys()
    for name, values in history.history.items():
        np.testing.assert_allclose(our_history.history[name], values, rtol=1e-5, err_msg=name)
    assert our_calls == calls and our_ended == ended


def test_data_of_unknown_size_that_ends_with_an_epoch_starts_again():
    data = UNKNOWN.take(6)
    calls = Calls()
    fit(make_model(), data, epochs=3, steps_per_epoch=3, callbacks=[calls], verbose=0)
    assert [call for call in calls._calls if isinstance(call, int)] == [0, 1, 2] * 3


def test_epochs_that_the_data_cuts_short_are_warned_of():
    with pytest.warns(UserWarning, match=r"training data set ended before steps_per_epoch: .*\.repeat\(\)"):
        fit(make_model(), DATA, steps_per_epoch=9, verbose=0)
    with pytest.warns(UserWarning, match="validation data set ended before validation_steps"):
        fit(make_model(), DATA, validation_data=DATA, validation_steps=9, verbose=0)


def shuffled():
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(56, seed=4, reshuffle_each_iteration=True).batch(8)


def by_number():
    return row_batches(56, lambda rows, epoch, step: (tf.gather(X, rows), tf.gather(Y, rows)), batch_size=8, seed=3)


def test_a_later_first_epoch_goes_on_with_the_data_of_that_epoch():
    whole, parts = make_model(), make_model()
    fit(whole, by_number(), epochs=3, verbose=0)
    data = by_number()
    fit(parts, data, epochs=1, verbose=0)
    history = fit(parts, data, epochs=3, initial_epoch=1, verbose=0)
    assert history.epoch == [1, 2]
    whole_steps, part_steps = make_model(), make_model()
    with pytest.warns(UserWarning, match="ended before"):
        fit(whole_steps, by_number(), epochs=5, steps_per_epoch=3, verbose=0)
        fit(part_steps, by_number(), epochs=4, steps_per_epoch=3, verbose=0)
    fit(part_steps, by_number(), epochs=5, initial_epoch=4, steps_per_epoch=3, verbose=0)
    for one, other in ((whole, parts), (whole_steps, part_steps)):
        for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


class Stop(keras.callbacks.Callback):
    """Be asked to stop after so many steps."""

    def __init__(self, after):
        super().__init__()
        self._after, self._seen = after, []

    def on_train_batch_end(self, batch, logs=None):
        self._seen.append(batch)
        if len(self._seen) == self._after:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore:the training data set ended before")
@pytest.mark.parametrize(
    ("make", "after"),
    [
        (shuffled, 4),
        (by_number, 2),  # 2, 5 and 2 steps
        (lambda: shuffled().repeat(), 5),
        (lambda: by_number().repeat(), 11),
        (lambda: by_number().map(lambda x, y: (x * 2, y)), 7),
        (lambda: shuffled().filter(lambda x, y: True), 11),
    ],
    ids=["plain", "by number", "endless", "endless by number", "mapped", "unknown size"],
)
def test_resumes_bit_equal(make, after, tmp_path):
    """Stopped in an epoch, at its end, and where the data ends within one (7 batches in epochs of 5 steps)."""
    arguments = {"epochs": 4, "initial_epoch": 1, "steps_per_epoch": 5, "validation_data": DATA, "validation_steps": 2}
    arguments |= {"validation_freq": 2, "checkpoint_seconds": 0, "verbose": 0}
    whole, parts = make_model(), make_model()
    expected = fit(whole, make(), run_dir=tmp_path / "whole", callbacks=[Stop(0)], **arguments)
    with pytest.raises(Interrupted):
        fit(parts, make(), run_dir=tmp_path / "run", callbacks=[Stop(after)], **arguments)
    parts = make_model()
    history = fit(parts, make(), run_dir=tmp_path / "run", callbacks=[Stop(0)], resume=True, **arguments)
    assert history.history == expected.history and history.epoch == [1, 2, 3]
    for a, b in zip(parts.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    tables = [(tmp_path / name / "history.csv").read_text() for name in ("run", "whole")]
    assert tables[0] == tables[1]


def test_table_of_a_run_that_validates_some_epochs(tmp_path):
    history = fit(
        make_model(), DATA, validation_data=DATA, epochs=4, validation_freq=[2, 3], run_dir=tmp_path, verbose=0
    )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "history.csv").read_text())))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    values = [float(row["val_loss"]) for row in rows]
    np.testing.assert_array_equal(values, [np.nan, *history.history["val_loss"], np.nan])
    assert curves_figure(tmp_path)


def test_a_resumed_run_has_epochs_of_the_same_length(tmp_path):
    fit(make_model(), DATA.repeat(), steps_per_epoch=3, run_dir=tmp_path, verbose=0)
    with pytest.raises(InputError, match="was started with steps_per_epoch=3, now it is 4: resume with the same"):
        fit(make_model(), DATA.repeat(), steps_per_epoch=4, epochs=2, run_dir=tmp_path, resume=True, verbose=0)
