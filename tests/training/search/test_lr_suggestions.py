"""The learning rates that a sweep suggests, against brute force and a curve that is known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.training.search.lr_finder import LearningRateSweep


@given(st.lists(st.floats(0, 9, allow_subnormal=False), min_size=3, max_size=9))
@settings(max_examples=60, deadline=None)
def test_valley_is_in_the_middle_of_the_longest_fall(values):
    """Every subsequence is tried; the one chosen is the longest that ends first."""
    values = np.array(values)
    falls = [
        (-len(c), c[-1])
        for size in range(1, len(values) + 1)
        for c in itertools.combinations(range(len(values)), size)
        if (np.diff(values[list(c)]) < 0).all()
    ]
    length, end = min(falls)
    third = -length / 3
    rates = 10.0 ** np.arange(len(values))
    sweep = LearningRateSweep(rates, values, values)
    assert sweep.suggestions()["valley"] == rates[max(end + length + int(third) + int(third / 2), 0)]


def test_suggestions_on_a_curve_that_is_known():
    rates = np.geomspace(1e-6, 1, 61)
    u = np.log10(rates)
    loss = np.where(u < -2, 2 - 1.5 / (1 + np.exp(-8 * (u + 3))), 0.5 + (u + 2) ** 2)  # steepest at 1e-3, low to 1e-2
    found = LearningRateSweep(rates, loss, loss).suggestions()
    assert found["steepest"] == pytest.approx(1e-3, rel=0.3) and found["a tenth"] == pytest.approx(1e-3, rel=0.3)
    assert 1e-5 < found["valley"] < 1e-2
    assert LearningRateSweep(rates, loss, loss).learned and not LearningRateSweep(rates, loss, loss * 0 + 1).learned


def test_batches_that_share_a_rate_count_as_one():
    rates = np.geomspace(1e-6, 1, 40)
    loss = np.cos(np.log10(rates))
    one = LearningRateSweep(rates, loss, loss).suggestions()
    assert LearningRateSweep(*(np.repeat(values, 3) for values in (rates, loss, loss))).suggestions() == one


@pytest.mark.parametrize("loss", [[1.0], [1.0, 2.0], [2.0, 1.0], [1.0] * 30, list(range(30))])
def test_suggestions_of_odd_sweeps_are_rates_of_theirs(loss):
    rates = np.geomspace(1e-3, 1, len(loss))
    sweep = LearningRateSweep(rates, np.array(loss), np.array(loss))
    found = sweep.suggestions()
    assert found["valley"] in rates and found["steepest"] in rates and 10 * found["a tenth"] in rates
