"""Layers on token ids against NumPy."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers import BagOfWordsDense, DistinctTokens, FixedLength, IdRange, OneHotTokens

rows = st.integers(1, 9).flatmap(
    lambda steps: st.lists(st.lists(st.integers(0, 7), min_size=steps, max_size=steps), min_size=1, max_size=4)
)


@settings(max_examples=40, deadline=None)
@given(rows, st.integers(1, 12))
def test_fixed_length_cuts_and_pads(ids, length):
    ids = np.array(ids, "int32")
    full = [(list(row) + [0] * length)[:length] for row in ids]
    np.testing.assert_array_equal(FixedLength(length)(ids), full)
    np.testing.assert_array_equal(FixedLength(length, pad=False)(ids), ids[:, :length])


@settings(max_examples=40, deadline=None)
@given(rows)
def test_distinct_tokens_keeps_one_of_each(ids):
    got = np.asarray(DistinctTokens()(np.array(ids, "int32")))
    for row, out in zip(ids, got, strict=True):
        assert sorted(out[out != 0].tolist()) == sorted(set(row) - {0})


@settings(max_examples=40, deadline=None)
@given(rows)
def test_a_range_of_ids_is_numbered_from_one(ids):
    ids = np.asarray(ids)
    expected = np.zeros_like(ids)
    for place in np.argwhere((ids >= 3) & (ids < 5)):
        expected[tuple(place)] = ids[tuple(place)] - 2
    np.testing.assert_array_equal(IdRange(3, 5)(ids), expected)
    np.testing.assert_array_equal(IdRange(1)(ids), ids)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_bag_of_words_dense_is_dense_on_counts(ids):
    ids = np.array(ids, "int32")
    layer = BagOfWordsDense(8, 3, kernel_initializer="normal")
    layer(ids)
    layer.bias.assign([0.1, 0.2, 0.3])
    counts = np.stack([np.bincount(row, minlength=8) for row in ids]).astype("float32")
    presence = np.minimum(counts, 1)
    counts[:, 0] = presence[:, 0] = 0
    np.testing.assert_allclose(layer(ids), counts @ layer.kernel.numpy() + layer.bias.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        layer(DistinctTokens()(ids)), presence @ layer.kernel.numpy() + layer.bias.numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("units", [1, 3])
def test_bag_of_words_dense_has_value_and_gradient_of_dense_on_counts(monkeypatch, units):
    ids = np.array([[1, 1, 5, 0], [0, 5, 7, 2]], "int32")
    counts = np.stack([np.bincount(row, minlength=8) for row in ids]).astype("float32")
    counts[:, 0] = 0
    layer = BagOfWordsDense(8, units, kernel_initializer="normal")
    layer.build(ids.shape)
    upstream = np.random.default_rng(0).normal(size=(2, units)).astype("float32")
    for backend in ("tensorflow", "another"):
        monkeypatch.setattr(keras.backend, "backend", lambda backend=backend: backend)
        with tf.GradientTape() as tape:
            value = layer(ids)
            loss = tf.reduce_sum(value * upstream)
        np.testing.assert_allclose(value, counts @ layer.kernel.numpy(), rtol=1e-5, atol=1e-6)
        gradient = tf.convert_to_tensor(tape.gradient(loss, layer.kernel.value))
        np.testing.assert_allclose(gradient, counts.T @ upstream, rtol=1e-5, atol=1e-6)


def test_bag_of_words_dense_sums_in_float32_under_mixed_precision():
    layer = BagOfWordsDense(3, 1, kernel_initializer=keras.initializers.Constant(1.0001), dtype="mixed_float16")
    got = layer(np.ones((1, 4096), "int32"))
    assert got.dtype.name == "float16"
    np.testing.assert_array_equal(got, np.array([[4096 * 1.0001]], "float16"))


def test_one_hot_tokens():
    ids = np.array([[0, 1, 2, 3, 6]], "int32")
    layer = OneHotTokens(7)
    np.testing.assert_array_equal(layer(ids)[0], np.eye(4)[[0, 0, 0, 0, 3]] * [[0], [0], [0], [1], [1]])
    np.testing.assert_array_equal(layer.compute_mask(ids), [[False, True, True, True, True]])
    assert OneHotTokens(7, mask_zero=False).compute_mask(ids) is None


def test_ids_stay_integers_under_mixed_precision():
    ids = keras.Input((None,), dtype="int32")
    for make in (functools.partial(FixedLength, 4), DistinctTokens, functools.partial(IdRange, 1)):
        layer = make(dtype="mixed_float16")
        assert layer(ids).dtype == "int32"
        big = np.array([[30001, 30002, 30003]], "int32")  # float16 holds neither
        np.testing.assert_array_equal(np.asarray(layer(big))[:, :3], big)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedLength(0),
        lambda: IdRange(0),
        lambda: IdRange(3, 3),
        lambda: OneHotTokens(3),
        lambda: OneHotTokens(5, first=0),
        lambda: BagOfWordsDense(0, 1),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
