"""The dense layer on n-grams, and the blend of logits, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.layers import LogitBlend, NGramDense
from tfconv.training import LazyAdam

IDS = np.array([[1, 4, 5, 0], [2, 4, 6, 7], [0, 0, 0, 0]], "int32")
PRESENT = np.array([np.bincount(row, minlength=9).astype(bool) for row in IDS]).astype("float32")
PRESENT[:, 0] = 0


def layer_with(scale, **settings):
    layer = NGramDense(9, 2, kernel_initializer="normal", **settings)
    layer.build(IDS.shape)
    layer.scale.assign(scale)
    layer.bias.assign([0.1, 0.2])
    return layer


@pytest.mark.parametrize("normalize", [True, False])
def test_value_and_gradient_are_those_of_dense_on_weighted_presence(normalize):
    scale = np.linspace(-1, 2, 9).astype("float32")
    layer = layer_with(scale, normalize=normalize)
    weighted = PRESENT * scale
    if normalize:
        norms = np.linalg.norm(weighted, axis=1, keepdims=True)
        weighted = weighted / np.where(norms > 0, norms, 1)
    upstream = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    with tf.GradientTape() as tape:
        value = layer(IDS)
        loss = tf.reduce_sum(value * upstream)
    np.testing.assert_allclose(value, weighted @ layer.kernel.numpy() + [0.1, 0.2], rtol=1e-5, atol=1e-6)
    gradient = tape.gradient(loss, layer.kernel.value)
    assert isinstance(gradient, tf.IndexedSlices)  # what the batch holds, and no other rows
    np.testing.assert_allclose(tf.convert_to_tensor(gradient), weighted.T @ upstream, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(np.pad(IDS, [(0, 0), (0, 3)])), value, rtol=1e-6)


def test_a_lazy_step_leaves_the_rows_of_other_ngrams_and_of_padding():
    model = keras.Sequential([keras.Input((None,), dtype="int32"), layer_with(np.ones(9))])
    before = model.layers[0].kernel.numpy()
    optimizer = LazyAdam(0.1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(IDS) - 3.0))
    variables = model.trainable_variables
    optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
    moved = np.any(model.layers[0].kernel.numpy() != before, axis=1)
    np.testing.assert_array_equal(moved, PRESENT.any(axis=0))


def test_the_sum_is_float32_under_mixed_precision():
    layer = NGramDense(
        4097, 1, normalize=False, kernel_initializer=keras.initializers.Constant(1.0001), dtype="mixed_float16"
    )
    got = layer(1 + np.arange(4096, dtype="int32")[None])
    assert got.dtype.name == "float16"
    np.testing.assert_array_equal(got, np.array([[4096 * 1.0001]], "float16"))


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(ValueError, match="must be at least 1"):
        NGramDense(*sizes)


def test_a_blend_is_a_weighted_sum_and_in_training_the_last_classifier():
    logits = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("float32")
    blend = LogitBlend()
    np.testing.assert_allclose(blend(logits), logits.sum(axis=1), rtol=1e-5)
    blend.factors.assign([0.5, 0.0, 2.0])
    np.testing.assert_allclose(blend(logits), 0.5 * logits[:, 0] + 2 * logits[:, 2], rtol=1e-5)
    np.testing.assert_array_equal(blend(logits, training=True), logits[:, 2])
    assert not blend.trainable_variables
