"""Learning-rate schedules against the papers' formulas in NumPy, and at the end of cycles."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.training import FusedAdam, fit, schedules
from tfconv.training.optimizers import schedule_names
from tfconv.training.optimizers.schedules import CycleEnd, OneCycle, Triangle

SEVEN = schedule_names.NAMES


def rates(lowest, highest):
    """Numbers that float32 arithmetic holds: it may flush those below 1.2e-38 to zero."""
    bounds = [float(np.float32(bound)) for bound in (lowest, highest)]
    return st.floats(*bounds, width=32, allow_subnormal=False)


def course(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


@given(rates(1e-6, 1), rates(1e-6, 1), rates(0, 1), st.integers(2, 300), st.data())
@settings(max_examples=40, deadline=None)
def test_one_cycle_is_two_half_cosines(start, peak, end, steps, data):
    warmup = data.draw(st.integers(1, steps - 1))
    t = np.arange(steps + 3)
    up = start + (peak - start) * (1 - np.cos(np.pi * t / warmup)) / 2
    down = peak + (end - peak) * (1 - np.cos(np.pi * (np.minimum(t, steps) - warmup) / (steps - warmup))) / 2
    values = OneCycle(start, peak, end, steps, warmup)(t)
    np.testing.assert_allclose(values, np.where(t < warmup, up, down), rtol=1e-4, atol=1e-6 * max(start, peak, end))
    assert np.min(values) >= min(start, peak, end) * 0.999 and np.max(values) <= max(start, peak, end) * 1.001


@given(rates(1e-6, 1), rates(1.1, 100), st.integers(1, 50), st.sampled_from([1.0, 0.5]))
@settings(max_examples=40, deadline=None)
def test_triangle_is_smiths(lowest, times, step_size, decay):
    highest = lowest * times
    t = np.arange(7 * step_size)
    cycle = np.floor(1 + t / (2 * step_size))  # the code in section 3.2 of the paper, and its triangular2
    x = np.abs(t / step_size - 2 * cycle + 1)
    expected = lowest + (highest - lowest) * np.maximum(0, 1 - x) * decay ** (cycle - 1)
    np.testing.assert_allclose(Triangle(lowest, highest, step_size, decay)(t), expected, rtol=1e-4)


@pytest.mark.parametrize(("steps", "warmup"), [(100, 0.2), (101, 0.2), (7, 0.2), (2, 0.2), (50, 0.0), (50, 0.9)])
def test_cosine_with_warmup(steps, warmup):
    t = np.arange(steps + 2)
    rising = max(int(steps * warmup), 1)
    fall = 0.5 * (1 + np.cos(np.pi * (np.minimum(t, steps) - rising) / (steps - rising)))
    expected = np.where(t < rising, 0.03 + 0.27 * t / rising, 0.3 * fall)
    made = schedules.schedule("cosine", 0.3, steps, steps_per_epoch=10, warmup=warmup)
    np.testing.assert_allclose(course(made, t), expected, atol=1e-7)


def test_one_cycle_and_its_momentum():
    rate = schedules.schedule("one-cycle", 0.5, 100, steps_per_epoch=10, warmup=0.3)
    np.testing.assert_allclose(course(rate, [0, 15, 30, 65, 100]), [0.02, 0.26, 0.5, 0.250001, 2e-6], rtol=1e-5)
    against = schedules.momentum("one-cycle", 100, warmup=0.3)
    np.testing.assert_allclose(course(against, [0, 15, 30, 65, 100]), [0.95, 0.9, 0.85, 0.9, 0.95], rtol=1e-6)
    assert schedules.momentum("cosine", 100) == 0.9


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_sgdr_restarts_where_cycle_end_says(multiplier):
    per_epoch, epochs = 5, 13
    rate = schedules.schedule("sgdr", 0.1, 65, steps_per_epoch=per_epoch, cycle_epochs=1, cycle_multiplier=multiplier)
    ends = []
    callback = CycleEnd(lambda cycle, model: ends.append((cycle, epoch + 1)), 1, multiplier)
    for epoch in range(epochs):
        callback.on_epoch_end(epoch)
    lengths = np.array([multiplier**k for k in range(len(ends))])
    assert ends == list(zip(range(1, len(ends) + 1), np.cumsum(lengths), strict=True))
    start = 0
    for length in lengths * per_epoch:  # Loshchilov & Hutter, equation 5, with a lowest rate of 0
        t = np.arange(length)
        expected = 0.05 * (1 + np.cos(np.pi * t / length))
        np.testing.assert_allclose(course(rate, start + t), expected, atol=2e-6)
        start += length


def test_flat_then_cosine():
    rate = schedules.schedule("flat-cosine", 0.2, 100, steps_per_epoch=10)
    t = np.arange(101)
    expected = np.where(t < 72, 0.2, 0.1 * (1 + np.cos(np.pi * (t - 72) / 28)))
    np.testing.assert_allclose(course(rate, t), expected, atol=1e-7)


@pytest.mark.parametrize("steps", [2, 3, 8, 100])
def test_step_divides_by_ten_at_half_and_three_quarters(steps):
    rate = schedules.schedule("step", 1.0, steps, steps_per_epoch=10)
    half, three_quarters = steps // 2, max(steps * 3 // 4, steps // 2 + 1)
    expected = [1.0 if t < half else 0.1 if t < three_quarters else 0.01 for t in range(steps + 1)]
    np.testing.assert_allclose(course(rate, range(steps + 1)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", SEVEN)
@pytest.mark.parametrize("steps", [1, 2, 37])
def test_every_course_stays_within_its_bounds_and_survives_saving(name, steps):
    rate = schedules.schedule(name, 0.01, steps, steps_per_epoch=3)
    optimizer = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(FusedAdam(rate)))
    before = []
    for step in range(steps + 1):
        optimizer.iterations.assign(step)
        before.append(float(optimizer.learning_rate))
    assert 0 <= min(before) and 0.009 < max(before) <= 0.010001 or steps <= 2
    assert before == (
        [np.float32(0.01)] * (steps + 1) if name == "constant" else course(rate, range(steps + 1)).tolist()
    )


def test_fit_follows_a_course_and_calls_at_cycle_ends():
    kept = {}
    callback = CycleEnd(lambda cycle, model: kept.update({cycle: float(model.optimizer.iterations)}))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    rate = schedules.schedule("one-cycle", 0.5, 28, steps_per_epoch=4)
    start = model.get_weights()[0]
    batches = tf.data.Dataset.from_tensors((tf.ones((3, 2)), tf.zeros((3, 1)))).repeat(4)
    constant = lambda y, logits: tf.reduce_sum(logits)  # gradient 3 for each weight, whatever they are  # noqa: E731
    fit(
        model, batches, epochs=7, optimizer=keras.optimizers.SGD(rate), loss=constant, metrics=[], callbacks=[callback],
        verbose=0,
    )  # fmt: skip
    moved = 3 * course(rate, range(28)).sum()
    np.testing.assert_allclose(model.get_weights()[0], start - moved, rtol=1e-4)
    assert kept == {1: 4, 2: 12, 3: 28}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.schedule("linear", 0.1, 9, steps_per_epoch=3), "name must be one of constant, .*'linear'"),
        (lambda: schedules.schedule("cosine", 0.0, 9, steps_per_epoch=3), "learning_rate must be a number above 0"),
        (lambda: schedules.schedule("cosine", float("nan"), 9, steps_per_epoch=3), "learning_rate must be"),
        (lambda: schedules.schedule("cosine", 0.1, 0, steps_per_epoch=3), "steps must be 1 or more, got 0"),
        (lambda: schedules.schedule("sgdr", 0.1, 9, steps_per_epoch=0), "steps_per_epoch must be 1 or more"),
        (lambda: schedules.schedule("cosine", 0.1, 9, steps_per_epoch=3, warmup=1.0), "warmup must be from 0"),
        (lambda: schedules.schedule("sgdr", 0.1, 9, steps_per_epoch=3, cycle_epochs=0), "cycle_epochs must be 1"),
        (lambda: schedules.schedule("sgdr", 0.1, 9, steps_per_epoch=3, cycle_multiplier=0.5), "cycle_multiplier must"),
        (lambda: schedules.momentum("one-cycle", 9, highest=1.0), "lowest and highest must be from 0"),
        (lambda: OneCycle(0, 1, 0, 9, 9), "warmup_steps must be from 1 to steps - 1 = 8, got 9"),
        (lambda: Triangle(0, 1, 0), "step_size must be 1 or more, got 0"),
        (lambda: Triangle(0, 1, 3, decay=0.0), "decay must be above 0 and at most 1, got 0.0"),
        (lambda: CycleEnd(print, 1, 1.5), "cycle_multiplier must be a whole number of 1 or more, got 1.5"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(ValueError, match=message):
        call()
