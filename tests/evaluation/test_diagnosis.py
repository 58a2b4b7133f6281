"""The reading of curves: synthetic ones and what they show, and small real trainings made to go wrong."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import training
from tfconv.evaluation import read_curves

# name -> (loss, val_loss, accuracy, val_accuracy), what is said of it in order, and numbers that must be in it; 2
# classes and 400 validation examples.
CURVES = {
    "good": (
        [0.6, 0.4, 0.3, 0.28, 0.279],
        [0.5, 0.4, 0.35, 0.34, 0.341],
        [0.7, 0.85, 0.9, 0.91, 0.91],
        [0.75, 0.84, 0.88, 0.885, 0.885],
        [],
        [],
    ),
    "over-fitting": (
        [0.6, 0.4, 0.3, 0.15, 0.05],
        [0.55, 0.45, 0.42, 0.5, 0.62],
        [0.7, 0.85, 0.9, 0.95, 0.99],
        [0.72, 0.8, 0.82, 0.81, 0.8],
        ["Over-fitting"],
        ["the best epoch was 3 of 5", "rose by 0.2 (0.42 to 0.62)", "fell from 0.3 to 0.05", "--patience"],
    ),
    "over-confident": (
        [0.6, 0.4, 0.3, 0.15, 0.05],
        [0.55, 0.45, 0.42, 0.5, 0.62],
        [0.7, 0.85, 0.9, 0.95, 0.99],
        [0.72, 0.8, 0.82, 0.82, 0.83],
        ["Over-fitting"],
        ["validation accuracy did not fall (0.82 to 0.83)", "too sure"],
    ),
    "gap": (
        [0.6, 0.3, 0.1, 0.05, 0.05],
        [0.55, 0.45, 0.42, 0.42, 0.43],
        [0.7, 0.9, 0.97, 0.99, 0.99],
        [0.72, 0.8, 0.82, 0.82, 0.82],
        ["The last training accuracy"],
        ["0.99", "0.82", "better by 0.17"],
    ),
    "a spike at the end is not over-fitting": (
        [0.6, 0.4, 0.3, 0.29, 0.289],
        [0.55, 0.45, 0.42, 0.42, 0.6],
        [0.7, 0.85, 0.9, 0.9, 0.9],
        [0.72, 0.85, 0.88, 0.88, 0.88],
        [],
        [],
    ),
    "too few epochs": (
        [0.68, 0.6, 0.5, 0.4],
        [0.67, 0.6, 0.52, 0.45],
        [0.6, 0.7, 0.78, 0.82],
        [0.6, 0.7, 0.76, 0.8],
        ["Too few epochs"],
        ["20%", "0.5 to 0.4", "(0.45)"],
    ),
    "under-fitting": (
        [0.6, 0.52, 0.501, 0.5, 0.5],
        [0.6, 0.53, 0.51, 0.51, 0.51],
        [0.65, 0.72, 0.75, 0.75, 0.75],
        [0.65, 0.72, 0.74, 0.74, 0.74],
        ["Under-fitting"],
        ["levelled off at 0.5 (guessing: 0.693)", "0.75 and 0.74"],
    ),
    "easier validation": (
        [0.6, 0.5, 0.46, 0.455, 0.453],
        [0.4, 0.3, 0.25, 0.22, 0.22],
        [0.65, 0.75, 0.79, 0.8, 0.8],
        [0.8, 0.88, 0.9, 0.91, 0.91],
        ["Validation is better than training"],
        ["0.91 against 0.8", "0.22 against 0.453", "tfconv check"],
    ),
    "nothing": (
        [0.7, 0.694, 0.693],
        [0.694, 0.693, 0.693],
        [0.5, 0.5, 0.51],
        [0.5, 0.5, 0.5],
        ["Nothing was learned"],
        ["after 3 epochs", "0.693", "tfconv check"],
    ),
    "a slow start is no failure": ([0.7, 0.69, 0.68], [0.69, 0.68, 0.67], [0.5, 0.6, 0.7], [0.6, 0.7, 0.72], [], []),
    "diverged": (
        [0.6, 0.4, 0.9, 3.0],
        [0.5, 0.5, 1.0, 4.0],
        [0.6, 0.8, 0.6, 0.5],
        [0.6, 0.8, 0.5, 0.5],
        ["The training loss rose from 0.4 at epoch 2 to 3"],
        ["diverged"],
    ),
    "not finite": (
        [0.6, 0.5],
        [0.5, math.nan],
        [0.6, 0.7],
        [0.6, 0.5],
        ["The validation loss is nan at epoch 2"],
        ["a tenth of the learning rate"],
    ),
    "restless": (
        [0.6, 0.4, 0.55, 0.35, 0.5, 0.33, 0.48, 0.33],
        [0.6, 0.5, 0.5, 0.42, 0.44, 0.42, 0.42, 0.42],
        [0.65, 0.8, 0.72, 0.83, 0.75, 0.84, 0.76, 0.85],
        [0.65, 0.75, 0.75, 0.82, 0.81, 0.82, 0.82, 0.82],
        ["The training loss rose by more than 5 %"],
        ["in 3 of 7 epochs, by up to 45%", "learning rate may be too high"],
    ),
    "tiny losses are at rest": (
        [0.6, 0.01, 0.001, 0.002, 0.001, 0.003, 0.001, 0.002],
        [0.02, 0.002, 0.001, 0.002, 0.001, 0.002, 0.001, 0.003],
        [0.9, 1, 1, 1, 1, 1, 1, 1],
        [0.99, 0.995, 0.995, 0.995, 0.995, 0.995, 0.995, 0.995],
        [],
        [],
    ),
    "one epoch": ([0.6], [0.5], [0.7], [0.72], [], []),
}


def history_of(loss, val_loss, accuracy, val_accuracy):
    return {"loss": loss, "val_loss": val_loss, "accuracy": accuracy, "val_accuracy": val_accuracy}


@pytest.mark.parametrize("name", CURVES)
def test_curves_and_what_they_show(name):
    *curves, beginnings, numbers = CURVES[name]
    found = read_curves(history_of(*curves), validation_examples=400, classes=2)
    noise = [line for line in found if line.startswith("With 400 validation examples")]
    told = [line for line in found if line not in noise]
    assert len(told) == len(beginnings), told
    assert all(line.startswith(start) for line, start in zip(told, beginnings, strict=True))
    assert all(number in told[0] for number in numbers), told
    assert len(noise) == (name not in ("nothing", "diverged", "not finite"))
    assert all(re.search(r"\d", line) for line in found)


def test_the_noise_is_the_binomial_standard_error():
    history = history_of(*CURVES["good"][:4])
    line = read_curves(history, validation_examples=1000)[-1]
    share, error = (float(number) for number in re.findall(r"0\.\d+", line))
    draws = np.random.default_rng(0).binomial(1000, 0.885, 200_000) / 1000
    assert share == 0.885 and error == pytest.approx(draws.std(), rel=0.01)
    assert read_curves(history, validation_examples=1000, task="multi-label") == []


def test_nothing_is_said_that_was_not_measured():
    assert read_curves({"loss": [0.6, 0.4, 0.38, 0.379]}) == []
    assert read_curves({"loss": [0.6, 0.5, 0.4]})[0].startswith("Too few epochs")
    *curves, _, _ = CURVES["gap"]
    assert read_curves(history_of(*curves)) == []  # how many examples? the gap may be chance
    assert "Nothing" in read_curves({"loss": [0.7, 0.692]}, classes=30, task="multi-label")[0]
    assert read_curves({"loss": np.array([0.7, 0.692]), "learning_rate": [1, 1]}) == []


def test_what_is_no_history_is_refused():
    for history in ({}, {"loss": []}, {"val_loss": [1.0]}):
        with pytest.raises(ValueError, match="must hold the loss"):
            read_curves(history)
    with pytest.raises(ValueError, match="equally long"):
        read_curves({"loss": [1.0, 0.9], "val_loss": [1.0]})


def trained(x, y, x_held, y_held, *, units=64, rate=0.01, epochs=30, dropout=0.0):
    """A real training on points of the plane, two classes."""
    model = keras.Sequential(
        [
            keras.layers.Input(x.shape[1:]),
            keras.layers.Dropout(dropout),
            *([keras.layers.Dense(units, "relu")] if units else []),
            keras.layers.Dense(1),
        ]
    )
    pairs = [tf.data.Dataset.from_tensor_slices(pair).batch(32) for pair in ((x, y), (x_held, y_held))]
    history = training.fit(
        model, pairs[0], validation_data=pairs[1], epochs=epochs, optimizer=keras.optimizers.Adam(rate), verbose=0
    )
    return read_curves(history.history, validation_examples=len(y_held), classes=2)


def points(n, seed, noise=0.0):
    """Points of 10 coordinates; the class is whether the first two have one sign, which no plane separates."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0) ^ (rng.random(n) < noise)
    return x, y.astype(np.int32)


def test_a_real_training_that_over_fits():
    found = trained(*points(100, 0, noise=0.2), *points(1000, 1, noise=0.2), units=256, epochs=40)
    assert found[0].startswith("Over-fitting: the best epoch was ")


def test_a_real_training_that_under_fits():
    # a line cannot separate them
    x, y = points(2000, 0)
    tilted = (y | (x[:, 2] > 0.5)).astype(np.int32)
    x_held, y_held = points(1000, 1)
    found = trained(x, tilted, x_held, (y_held | (x_held[:, 2] > 0.5)).astype(np.int32), units=0, epochs=25)
    assert found[0].startswith("Under-fitting: ")


@pytest.mark.parametrize("rate", [1e-6, 0.01])
def test_a_real_training_that_learns_nothing(rate):
    rng = np.random.default_rng(0)
    x, y = np.zeros((512, 4), np.float32), rng.integers(0, 2, 512).astype(np.int32)
    found = trained(x, y, x[:200], y[:200], rate=rate, epochs=3)
    assert len(found) == 1 and found[0].startswith("Nothing was learned: after 3 epochs")


def test_a_real_training_with_dropout_finds_validation_easier():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 10)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(np.int32)
    found = trained(x[:2000], y[:2000], x[2000:], y[2000:], dropout=0.5, epochs=12)
    assert found[0].startswith("Validation is better than training: ")


def test_a_real_training_that_is_sound():
    found = trained(*points(4000, 0), *points(1000, 1), epochs=12, rate=0.003)
    assert [line for line in found if not line.startswith(("With 1,000", "Too few epochs"))] == []
