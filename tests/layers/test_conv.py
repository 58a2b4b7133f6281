"""ConvNormAct against stock Keras layers with the same weights, each text alone, and PyTorch's rule of padding."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.geometry.arithmetic import output_size
from tfconv.layers import ConvNormAct1D, ConvNormAct2D

ORDERS = ["-".join(parts) for parts in itertools.permutations(["conv", "norm", "act"])]


def with_random_weights(layer, shape, seed=0):
    """Build a layer and give every weight a number of its own, biases and statistics too."""
    layer.build(shape)
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.2, 1.0, weight.shape) - 0.5 * ("variance" not in weight.path))
    return layer


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize("training", [False, True])
def test_equals_stock_layers_in_every_order(order, normalization, training):
    x = np.random.default_rng(1).normal(size=(4, 7, 6, 5)).astype("float32")
    layer = with_random_weights(ConvNormAct2D(3, 2, order=order, normalization=normalization), x.shape)
    norm = {"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}.get(normalization)
    stock = {
        "conv": keras.layers.Conv2D(3, 2, padding="same", use_bias=layer.conv.use_bias),
        "norm": norm() if norm else keras.layers.Identity(),
        "act": keras.layers.ReLU(),
    }
    model = keras.Sequential([keras.Input(x.shape[1:]), *(stock[part] for part in order.split("-"))])
    stock["conv"].set_weights(layer.conv.get_weights())
    if norm:
        stock["norm"].set_weights(layer.norm.get_weights())
    np.testing.assert_allclose(layer(x, training=training), model(x, training=training), rtol=1e-5, atol=1e-5)


def test_has_a_bias_unless_a_normalization_follows():
    def bias(**arguments):
        return ConvNormAct1D(3, 3, **arguments).conv.use_bias

    assert not bias() and not bias(order="act-conv-norm")
    assert bias(normalization=None) and bias(order="norm-act-conv") and bias(order="conv-act-norm")
    assert bias(use_bias=True) and not bias(normalization=None, use_bias=False)


def convolved(text, kernel, bias, before, after, strides, dilation):
    """One text (steps, channels) by loops: every window's sum of products."""
    padded = np.concatenate([np.zeros((before, text.shape[1])), text, np.zeros((after, text.shape[1]))])
    span = (len(kernel) - 1) * dilation + 1
    return [
        sum(padded[t + k * dilation] @ kernel[k] for k in range(len(kernel))) + bias
        for t in range(0, len(padded) - span + 1, strides)
    ]


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 8), min_size=1, max_size=4).filter(lambda n: max(n) > 0),
    extra=st.integers(0, 4),
    kernel_size=st.integers(1, 4),
    step=st.integers(1, 3),
    dilated=st.booleans(),
    padding=st.sampled_from(["same", "causal", "valid"]),
)
def test_each_text_comes_out_as_if_alone(lengths, extra, kernel_size, step, dilated, padding):
    strides, dilation = (1, step) if dilated else (step, 1)
    around = (kernel_size - 1) * dilation
    steps = max(lengths) + extra
    if padding == "valid" and steps <= around:
        steps = around + 1
    x = np.random.default_rng(0).normal(size=(len(lengths), steps, 3)).astype("float32")
    mask = np.arange(steps)[None, :] < np.array(lengths)[:, None]
    layer = ConvNormAct1D(
        2, kernel_size, strides=strides, dilation_rate=dilation, padding=padding, normalization=None, activation=None
    )
    with_random_weights(layer, x.shape)
    kernel, bias = layer.conv.get_weights()
    got, real = np.asarray(layer(x, mask=mask)), np.asarray(layer.compute_mask(x, mask))
    assert got.shape[1] == output_size(steps, kernel_size, strides=strides, dilation_rate=dilation, padding=padding)
    before = {"same": around // 2, "causal": around, "valid": 0}[padding]
    after = around - before if padding != "valid" else 0
    for b, n in enumerate(lengths):
        expected = convolved(x[b, :n], kernel, bias, before, after, strides, dilation) if n else []
        assert real[b].sum() == len(expected) and not real[b, len(expected) :].any()
        np.testing.assert_allclose(got[b, : len(expected)], np.reshape(expected, (-1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("normalization", ["batch", "layer", None])
def test_padding_does_not_change_training(order, normalization):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    mask = np.array([[True] * 6, [True] * 2 + [False] * 4, [False] * 6])
    longer = np.concatenate([x, rng.normal(size=(3, 9, 4)).astype("float32")], axis=1)
    layer = with_random_weights(ConvNormAct1D(5, 3, order=order, normalization=normalization), x.shape)
    weights = layer.get_weights()
    short = np.asarray(layer(x, training=True, mask=mask))
    after_short = layer.get_weights()
    layer.set_weights(weights)
    long = np.asarray(layer(longer, training=True, mask=np.pad(mask, ((0, 0), (0, 9)))))
    np.testing.assert_allclose(long[:, :6][mask], short[mask], rtol=1e-4, atol=1e-5)
    for a, b in zip(after_short, layer.get_weights(), strict=True):  # moving statistics too
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_stock_keras_agrees_on_whole_texts():
    x = np.random.default_rng(0).normal(size=(2, 9, 4)).astype("float32")
    for padding, dilation in itertools.product(["same", "causal", "valid"], [1, 2]):
        layer = ConvNormAct1D(3, 3, padding=padding, dilation_rate=dilation, normalization=None)
        with_random_weights(layer, x.shape)
        stock = keras.layers.Conv1D(3, 3, padding=padding, dilation_rate=dilation, activation="relu")
        stock.build(x.shape)
        stock.set_weights(layer.get_weights())
        np.testing.assert_allclose(layer(x), stock(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [{"padding": "full"}, {"normalization": "group"}, {"order": "conv-norm"}, {"order": "conv-conv-act"}],
)
def test_impossible_arguments_are_refused(arguments):
    for cls in (ConvNormAct1D, ConvNormAct2D):
        with pytest.raises(ValueError, match="Received"):
            cls(3, 3, **arguments)
    with pytest.raises(ValueError, match="padding"):
        ConvNormAct2D(3, 3, padding="causal")


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
