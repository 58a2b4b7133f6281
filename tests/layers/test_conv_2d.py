"""Padding in numbers: against PyTorch's rule, written out with NumPy's padding and Keras' unpadded convolution."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers import ConvNormAct2D


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(5, 9), st.integers(5, 9)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_padding_in_numbers_is_zeros_on_every_side(sizes, kernel_size, strides, padding):
    x = np.random.default_rng(0).normal(size=(2, *sizes, 3)).astype("float32")
    layer = ConvNormAct2D(
        4, kernel_size, strides=strides, padding=padding, normalization=None, activation=None, use_bias=False
    )
    y = layer(x)
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    np.testing.assert_allclose(y, keras.ops.conv(padded, layer.conv.kernel, strides), rtol=1e-4, atol=1e-5)
    # floor((n + 2 p - k) / s) + 1
    expected = [(n + 2 * padding - k) // strides + 1 for n, k in zip(sizes, kernel_size, strict=True)]
    assert list(y.shape) == list(layer.compute_output_shape(x.shape)) == [2, *expected, 4]


def test_padding_that_keeps_the_size_costs_no_copy():
    assert ConvNormAct2D(4, 5, padding=2).conv.padding == "same"
    assert ConvNormAct2D(4, 3, padding=2, dilation_rate=2).conv.padding == "same"
    assert ConvNormAct2D(4, (3, 1), padding=1).conv.padding == "valid"


@pytest.mark.parametrize("padding", [-1, True, 1.5, "causal", None])
def test_impossible_padding_is_refused(padding):
    with pytest.raises(ValueError, match="padding must be"):
        ConvNormAct2D(4, 3, padding=padding)
