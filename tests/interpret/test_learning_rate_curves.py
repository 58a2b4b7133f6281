"""Figures of learning rates: the lines are the numbers given, every text can be read."""

import numpy as np
import pytest
from drawn_texts import check

from tfconv.interpret import lr_find_figure, schedules_figure
from tfconv.training import LearningRateSweep

EPOCHS = np.arange(40) / 10


def sweep(explodes=True):
    rates = np.geomspace(1e-7, 10, 80)
    smoothed = 2.0 - 1.2 / (1 + (1e-3 / rates) ** 2)
    if explodes:
        smoothed[-6:] = 10.0 ** np.arange(6)
    noise = np.random.default_rng(0).normal(size=80) * 0.05
    return LearningRateSweep(rates, smoothed + noise, smoothed)


def test_schedules_are_drawn_as_they_are():
    rates = {"$one-cycle$": np.sin(EPOCHS) ** 2, "constant": np.full(40, 0.5)}
    figure = schedules_figure(EPOCHS, rates, {"$one-cycle$": 1 - EPOCHS / 10}, title="two of them")
    above, below = figure.axes
    for line, values in zip(above.lines, rates.values(), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.stack([EPOCHS, values], 1))
    np.testing.assert_array_equal(below.lines[0].get_ydata(), 1 - EPOCHS / 10)
    assert below.lines[0].get_color() == above.lines[0].get_color() != above.lines[1].get_color()
    assert {"two of them", "learning rate", "momentum", "epoch", "constant", r"\$one-cycle\$"} <= set(check(figure))
    assert above.get_ylim()[0] == 0 and above.get_xlim() == (0, 4)
    assert len(schedules_figure(EPOCHS, rates).axes) == 1


def test_many_schedules_can_be_told_apart():
    figure = schedules_figure(EPOCHS, {f"number {i}": EPOCHS * i for i in range(7)})
    assert len({(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}) == 7
    check(figure)


@pytest.mark.parametrize("explodes", [True, False])
def test_sweep_with_its_suggestions(explodes):
    found = sweep(explodes)
    figure = lr_find_figure(found, title="photos, resnet20")
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlim() == pytest.approx((1e-7, 10))
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["loss of a step"].get_ydata(), found.losses)
    np.testing.assert_array_equal(lines["smoothed"].get_ydata(), found.smoothed)
    for name, rate in found.suggestions().items():
        x, y = lines[f"{name}: {rate:.2g}"].get_xydata()[0]
        assert x == rate and axes.get_ylim()[0] < y < axes.get_ylim()[1]
    low, high = axes.get_ylim()
    assert low < 0.8 and 2.0 < high < 3.0  # the fall fills the figure
    check(figure)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_short_sweeps(n):
    flat = np.ones(n)
    check(lr_find_figure(LearningRateSweep(np.geomspace(1e-5, 1, n), flat, flat)))


def test_mistakes():
    with pytest.raises(ValueError, match="rates must name one learning rate or more, got none"):
        schedules_figure(EPOCHS, {})
    with pytest.raises(ValueError, match="momenta must be of names in rates, got 'b'"):
        schedules_figure(EPOCHS, {"a": EPOCHS}, {"b": EPOCHS})
