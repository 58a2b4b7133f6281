"""Pooling over real steps only, against loops over each text alone; pooling of images, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers import (
    ConcatPooling2D,
    KMaxPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedMaxPooling1D,
)


def texts(lengths, extra, seed=0, channels=3):
    """Return a padded batch with nonsense at its padded steps, its mask, and each text alone."""
    rng = np.random.default_rng(seed)
    steps = max(lengths) + extra
    batch = rng.normal(size=(len(lengths), steps, channels)).astype("float32")
    mask = np.arange(steps)[None, :] < np.array(lengths)[:, None]
    return batch, mask, [row[:n] for row, n in zip(batch, lengths, strict=True)]


lengths = st.lists(st.integers(0, 8), min_size=1, max_size=4).filter(lambda n: max(n) > 0)


def k_largest(column, k):
    """Return the k largest numbers of a sequence in their order, then zeros."""
    kept = sorted(sorted(range(len(column)), key=lambda t: -column[t])[:k])
    return [column[t] for t in kept] + [0.0] * (k - len(kept))


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(0, 4), st.integers(1, 10), st.integers(0, 99))
def test_k_max_is_the_subsequence_of_the_largest(lengths, extra, k, seed):
    batch, mask, alone = texts(lengths, extra, seed)
    layer = KMaxPooling1D(k)
    expected = [np.transpose([k_largest(text[:, c], k) for c in range(3)]) for text in alone]
    np.testing.assert_array_equal(layer(batch, mask=mask), np.array(expected, "float32"))
    np.testing.assert_array_equal(layer.compute_mask(batch, mask), np.arange(k)[None] < np.minimum(lengths, k)[:, None])


def test_k_max_with_padding_between_words_keeps_real_steps_first():
    batch = np.array([[[5.0], [9.0], [4.0], [9.0], [6.0]]], "float32")
    mask = np.array([[True, False, True, False, True]])
    np.testing.assert_array_equal(KMaxPooling1D(4)(batch, mask=mask)[0, :, 0], [5, 4, 6, 0])


def test_k_max_without_mask():
    batch = np.array([[[3.0], [1.0], [4.0], [1.5], [5.0]]], "float32")
    np.testing.assert_array_equal(KMaxPooling1D(3)(batch)[0, :, 0], [3, 4, 5])
    np.testing.assert_array_equal(KMaxPooling1D(7)(batch)[0, :, 0], [3, 1, 4, 1.5, 5, 0, 0])


def test_k_max_gradient_goes_to_the_kept_steps():
    batch, mask, _ = texts([6, 2, 0], 2)
    weights = np.random.default_rng(1).normal(size=(3, 3, 3)).astype("float32")
    x = tf.constant(batch)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(KMaxPooling1D(3)(x, mask=mask) * weights)
    expected = np.zeros_like(batch)
    for b, n in enumerate([6, 2, 0]):
        for c in range(3):
            kept = sorted(np.argsort(-batch[b, :n, c])[:3])
            expected[b, kept, c] = weights[b, : len(kept), c]
    np.testing.assert_array_equal(tape.gradient(loss, x), expected)


@settings(max_examples=40, deadline=None)
@given(lengths, st.integers(0, 4), st.integers(0, 99))
def test_global_pooling_is_that_of_each_text_alone(lengths, extra, seed):
    batch, mask, alone = texts(lengths, extra, seed)
    zero = np.zeros(3)
    for layer, of_one in (
        (MaskedGlobalMaxPooling1D(), lambda text: text.max(0)),
        (MaskedGlobalAveragePooling1D(), lambda text: text.mean(0)),
        (MaskedGlobalAveragePooling1D(mode="sum"), lambda text: text.sum(0)),
    ):
        expected = [of_one(text) if len(text) else zero for text in alone]
        np.testing.assert_allclose(layer(batch, mask=mask), np.array(expected), rtol=1e-5, atol=1e-6)


def test_global_pooling_without_mask_is_keras():
    batch = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    np.testing.assert_allclose(
        MaskedGlobalAveragePooling1D()(batch), keras.layers.GlobalAveragePooling1D()(batch), rtol=1e-6
    )
    np.testing.assert_array_equal(MaskedGlobalMaxPooling1D()(batch), keras.layers.GlobalMaxPooling1D()(batch))


def test_mean_of_a_long_text_keeps_its_digits_in_half_precision():
    batch = np.full((1, 5000, 1), 1.5, "float16")  # a float16 sum would end at 65504
    mask = np.ones((1, 5000), bool)
    np.testing.assert_array_equal(MaskedGlobalAveragePooling1D(dtype="mixed_float16")(batch, mask=mask), [[1.5]])


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(0, 4), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_max_pooling_is_that_of_each_text_alone(lengths, extra, pool_size, strides, seed):
    batch, mask, alone = texts(lengths, extra, seed)
    layer = MaskedMaxPooling1D(pool_size, strides=strides)
    got, got_mask = np.asarray(layer(batch, mask=mask)), np.asarray(layer.compute_mask(batch, mask))
    for b, text in enumerate(alone):
        expected = [text[t : t + pool_size].max(0) for t in range(0, len(text), strides)]
        assert got_mask[b].sum() == len(expected) and not got_mask[b, len(expected) :].any()
        np.testing.assert_array_equal(got[b, : len(expected)], np.reshape(expected, (-1, 3)))
        assert not got[b, len(expected) :].any()


def test_max_pooling_without_mask_is_keras_where_windows_cover_the_text():
    batch = np.random.default_rng(0).normal(size=(2, 12, 3)).astype("float32")
    np.testing.assert_array_equal(MaskedMaxPooling1D(3)(batch), keras.layers.MaxPooling1D(3)(batch))


@pytest.mark.parametrize("layer", [MaskedGlobalMaxPooling1D(), MaskedGlobalAveragePooling1D(), MaskedMaxPooling1D(2)])
def test_gradient_of_a_text_of_padding_is_zero(layer):
    x = tf.ones((1, 4, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, mask=np.zeros((1, 4), bool)))
    np.testing.assert_array_equal(tape.gradient(loss, x), np.zeros((1, 4, 2)))


def test_concat_pooling_is_mean_and_maximum():
    x = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype("float32")
    y = np.asarray(ConcatPooling2D()(x))
    np.testing.assert_allclose(y[:, :3], x.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(y[:, 3:], x.max(axis=(1, 2)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: KMaxPooling1D(0),
        lambda: MaskedMaxPooling1D(0),
        lambda: MaskedMaxPooling1D(2, strides=0),
        lambda: MaskedGlobalAveragePooling1D(mode="median"),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
