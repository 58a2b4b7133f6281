"""Training curves: the lines are the numbers logged, epochs are whole, the best one is the lowest validation loss."""

import csv
import types

import keras
import numpy as np
import pytest
from drawn_texts import check

from tfconv import InputError
from tfconv.interpret import curves_figure

LOGGED = {
    "accuracy": [0.3, 0.5, 0.6, 0.7],
    "loss": [2.0, 1.5, 1.0, 0.5],
    "val_accuracy": [0.3, 0.45, 0.5, 0.55],
    "val_loss": [1.9, 1.4, 1.2, 1.3],
}


def lines(figure):
    """Return the drawn lines by metric and label; the marks have labels of matplotlib's own."""
    return {
        (axes.get_ylabel(), line.get_label().split(":")[0]): line.get_xydata().T
        for axes in figure.axes
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_lines_are_what_was_logged():
    figure = curves_figure(LOGGED, title="runs/$x$")
    found = lines(figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy"]
    for name, label in (("loss", "train"), ("accuracy", "train"), ("val_loss", "validation")):
        epochs, values = found[name.removeprefix("val_"), label]
        assert epochs.tolist() == [1, 2, 3, 4] and values.tolist() == LOGGED[name]
    assert len(found) == 4
    assert r"runs/\$x\$" in check(figure)


def test_best_epoch_is_marked_in_every_part():
    figure = curves_figure(LOGGED)
    assert any(text == "lowest validation loss: epoch 3" for text in check(figure))
    for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
        marked = [tuple(line.get_xydata()[0]) for line in axes.lines if len(line.get_xydata()) == 1]
        assert marked == [(3, LOGGED[name][2]), (3, LOGGED[f"val_{name}"][2])]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == [f"train: {LOGGED[name][2]:.4g}", f"validation: {LOGGED[f'val_{name}'][2]:.4g}"]


def test_a_history_a_file_and_a_run_give_the_same(tmp_path):
    history = keras.callbacks.History()
    history.history, history.epoch = LOGGED, [4, 5, 6, 7]  # a training that went on
    with open(tmp_path / "history.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", *LOGGED])
        rows.writerows([i + 5, *(values[i] for values in LOGGED.values())] for i in range(4))
    expected = lines(curves_figure(history))
    assert expected["loss", "train"][0].tolist() == [5, 6, 7, 8]
    for source in (tmp_path, tmp_path / "history.csv", str(tmp_path)):
        for key, line in lines(curves_figure(source)).items():
            np.testing.assert_array_equal(line, expected[key])


@pytest.mark.parametrize("epochs", [1, 2, 3, 400])
def test_epochs_are_whole_numbers(epochs):
    figure = curves_figure({"loss": list(np.linspace(2, 1, epochs))})
    check(figure)
    low, high = figure.axes[0].get_xlim()
    ticks = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
    assert ticks and all(tick == int(tick) for tick in ticks)
    assert figure.axes[0].get_title(loc="right") == f"lowest training loss: epoch {epochs}"


def test_values_that_are_not_finite_leave_gaps():
    values = {"loss": [1.0, np.inf, 0.5], "val_loss": [np.nan, 2.0, 3.0]}
    figure = curves_figure(values)
    assert "lowest validation loss: epoch 2" in check(figure)
    np.testing.assert_array_equal(lines(figure)["loss", "train"][1], [1, np.nan, 0.5])
    check(curves_figure({"loss": [np.nan, np.nan]}))


def test_every_metric_has_a_part():
    names = ["learning_rate", "top_5", "loss", "auc", "binary_accuracy"]
    figure = curves_figure({name: [0.1, 0.2] for name in names})
    check(figure)
    shown = [axes.get_ylabel() for axes in figure.axes]
    assert shown[:2] == ["loss", "binary accuracy"]
    assert sorted(shown) == sorted(name.replace("_", " ") for name in names)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "is no history"),
        ("epoch,loss\n", "holds no epoch"),
        ("loss\n1.0\n", "is no history"),
        ("epoch,loss\n1,abc\n", "is no history"),
        ("epoch,loss\n1\n", "is no history"),
        ("epoch,loss\ninf,1\n", "is no history"),
        ("epoch\n1\n", "holds no epoch"),
    ],
)
def test_broken_files(tmp_path, content, message):
    if content is not None:
        (tmp_path / "history.csv").write_text(content)
    with pytest.raises(InputError, match=message) as error:
        curves_figure(tmp_path)
    assert "history.csv" in str(error.value)


@pytest.mark.parametrize(
    "history", [{}, {"loss": []}, {"loss": [1.0], "val_loss": []}, 3, types.SimpleNamespace(history=None)]
)
def test_mistakes(history):
    with pytest.raises(InputError):
        curves_figure(history)
