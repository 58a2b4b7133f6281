"""Convolution arithmetic against Keras' own layers and against counting."""

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.geometry.arithmetic import Window, layers_needed, output_size, parameter_count, receptive_field

windows = st.builds(Window, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(1, 4), st.sampled_from(["valid", "same"]))
def test_output_size_is_what_keras_computes(size, kernel_size, strides, dilation_rate, padding):
    if strides > 1 and dilation_rate > 1:
        strides = 1  # Keras refuses both at once
    layer = keras.layers.Conv1D(3, kernel_size, strides=strides, dilation_rate=dilation_rate, padding=padding)
    if padding == "valid" and size < Window(kernel_size, strides, dilation_rate).span:
        with pytest.raises(ValueError, match="span"):
            output_size(size, kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate)
        return
    expected = layer.compute_output_shape((None, size, 2))[1]
    assert output_size(size, kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate) == expected
    assert output_size(None, kernel_size, strides=strides, padding=padding, dilation_rate=dilation_rate) is None


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4))
def test_output_size_of_causal_convolution(size, kernel_size, strides):
    layer = keras.layers.Conv1D(3, kernel_size, strides=strides, padding="causal")
    assert (
        output_size(size, kernel_size, strides=strides, padding="causal")
        == layer.compute_output_shape((None, size, 2))[1]
    )


def inputs_of_one_output(stack):
    """Return the input positions that output 0 of a stack reads, counted back layer by layer."""
    positions = {0}
    for window in reversed(stack):
        positions = {
            p * window.strides + k * window.dilation_rate for p in positions for k in range(window.kernel_size)
        }
    return positions


@given(st.lists(windows, max_size=4))
def test_receptive_field_is_the_extent_of_what_is_read(stack):
    read = inputs_of_one_output(stack)
    assert receptive_field(stack) == max(read) - min(read) + 1


@given(st.integers(1, 200), st.integers(2, 5), st.integers(1, 3), st.booleans())
def test_layers_needed_is_the_smallest_number(field, kernel_size, growth, strided):
    strides, growth = (growth, 1) if strided else (1, growth)
    n = layers_needed(field, kernel_size, strides=strides, dilation_growth=growth)
    stack = [Window(kernel_size, strides, growth**i) for i in range(n)]
    assert receptive_field(stack) >= field
    assert n == 0 or receptive_field(stack[:-1]) < field


def test_layers_needed_of_dilated_stack():
    assert layers_needed(31, 3, dilation_growth=2) == 4  # 1 + 2 (1 + 2 + 4 + 8)
    assert layers_needed(32, 3, dilation_growth=2) == 5


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.booleans())
def test_parameter_count_is_what_keras_builds(rows, columns, channels, filters, groups, use_bias):
    channels, filters = channels * groups, filters * groups
    layer = keras.layers.Conv2D(filters, (rows, columns), groups=groups, use_bias=use_bias)
    layer.build((None, 9, 9, channels))
    assert parameter_count((rows, columns), channels, filters, groups=groups, use_bias=use_bias) == layer.count_params()
    line = keras.layers.Conv1D(filters, rows, groups=groups, use_bias=use_bias)
    line.build((None, 9, channels))
    assert parameter_count(rows, channels, filters, groups=groups, use_bias=use_bias) == line.count_params()


@pytest.mark.parametrize(
    "call",
    [
        lambda: output_size(0, 3),
        lambda: output_size(9, 0),
        lambda: output_size(9, 3, padding="full"),
        lambda: layers_needed(0, 3),
        lambda: layers_needed(9, 1),
        lambda: layers_needed(9, 3, strides=2, dilation_growth=2),
        lambda: parameter_count(3, 0, 4),
        lambda: parameter_count(3, 3, 4, groups=2),
        lambda: Window(3, 0),
    ],
)
def test_impossible_arguments_are_refused(call):
    with pytest.raises(ValueError, match="Received|padding"):
        call()
