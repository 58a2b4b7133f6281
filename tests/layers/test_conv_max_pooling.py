"""ConvMaxPooling1D against loops in NumPy and against Keras' own convolution and pooling."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers.conv_max_pooling import NON_DECREASING, ConvMaxPooling1D


def brute_force(text: np.ndarray, kernel: np.ndarray, bias: np.ndarray, padding: str) -> np.ndarray:
    """One text (steps, channels) alone, by loops: relu(bias + max over windows)."""
    width, _, filters = kernel.shape
    steps = len(text)
    if steps == 0:
        return np.maximum(bias, 0)
    before = (width - 1) // 2 if padding == "same" else 0
    windows = steps if padding == "same" else max(steps - width + 1, 1)
    padded = np.concatenate([np.zeros((before, text.shape[1])), text, np.zeros((width, text.shape[1]))])
    scores = [[np.sum(padded[t : t + width] * kernel[:, :, f]) for f in range(filters)] for t in range(windows)]
    return np.maximum(np.max(scores, axis=0) + bias, 0)


def with_random_bias(layer: ConvMaxPooling1D, channels: int, rng: np.random.Generator) -> ConvMaxPooling1D:
    layer.build((None, None, channels))
    layer.bias.assign(rng.normal(size=layer.bias.shape))
    return layer


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    extra=st.integers(0, 3),
    width=st.integers(1, 5),
    channels=st.integers(1, 4),
    filters=st.integers(1, 4),
    padding=st.sampled_from(["same", "valid"]),
    at_start=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_equals_each_text_alone_whatever_the_padding(lengths, extra, width, channels, filters, padding, at_start, seed):
    rng = np.random.default_rng(seed)
    steps = max(max(lengths) + extra, 1)
    x = rng.normal(size=(len(lengths), steps, channels)).astype("float32")  # padded steps hold rubbish
    mask = np.arange(steps) < np.array(lengths)[:, None]
    if at_start:
        mask = mask[:, ::-1]
    layer = with_random_bias(ConvMaxPooling1D(filters, width, padding=padding), channels, rng)
    expected = [
        brute_force(text[kept], layer.kernel.numpy(), layer.bias.numpy(), padding)
        for text, kept in zip(x, mask, strict=True)
    ]
    np.testing.assert_allclose(layer(x, mask=mask.copy()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("activation", ["relu", "linear", "tanh", "sigmoid"])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_equals_keras_in_value_and_gradient(padding, activation, width):
    rng = np.random.default_rng(width)
    x = tf.constant(rng.normal(size=(6, 21, 8)), tf.float32)
    weight = tf.constant(rng.normal(size=(6, 10)), tf.float32)
    layer = with_random_bias(ConvMaxPooling1D(10, width, padding=padding, activation=activation), 8, rng)
    convolution = keras.layers.Conv1D(10, width, padding=padding, activation=activation)
    convolution.build(x.shape)
    convolution.set_weights(layer.get_weights())
    pooling = keras.layers.GlobalMaxPooling1D()
    results = []
    for function, source in ((layer, layer), (lambda x: pooling(convolution(x)), convolution)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
            loss = tf.reduce_sum(value * weight)
        gradients = tape.gradient(loss, [x, *[v.value for v in source.trainable_variables]])
        results.append([value, *gradients])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


def test_gradient_stays_inside_the_text_and_is_finite_for_an_empty_one():
    x = tf.random.normal((3, 7, 4))
    mask = tf.sequence_mask([7, 2, 0], 7)
    layer = ConvMaxPooling1D(5, 3, activation="linear", bias_initializer="ones")
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = layer(x, mask=mask)
    gradients = tape.gradient(value, [x, *[v.value for v in layer.trainable_variables]])
    np.testing.assert_array_equal(value[2], np.ones(5))
    np.testing.assert_array_equal(gradients[0].numpy()[~mask.numpy()], 0)
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    np.testing.assert_array_equal(gradients[2], np.full(5, 3.0))


def test_of_equal_windows_the_first_gets_the_gradient():
    x = tf.ones((1, 4, 1))
    layer = ConvMaxPooling1D(1, 1, activation="linear", kernel_initializer="ones")
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = layer(x)
    np.testing.assert_array_equal(tape.gradient(value, x)[0, :, 0], [1, 0, 0, 0])


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_length_shorter_than_the_kernel_and_unknown_length(padding):
    rng = np.random.default_rng(0)
    layer = with_random_bias(ConvMaxPooling1D(3, 5, padding=padding), 2, rng)
    traced = tf.function(layer, input_signature=[tf.TensorSpec([None, None, 2])])
    for steps in (1, 2, 4, 5, 9):
        x = rng.normal(size=(2, steps, 2)).astype("float32")
        expected = [brute_force(text, layer.kernel.numpy(), layer.bias.numpy(), padding) for text in x]
        np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(traced(tf.constant(x)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_float32_weights_and_their_gradients(policy):
    x = tf.random.normal((4, 12, 6))
    mask = tf.sequence_mask([12, 3, 8, 0], 12)
    full = ConvMaxPooling1D(8, 3, dtype="float32")
    mixed = ConvMaxPooling1D(8, 3, dtype=policy)
    results = []
    for layer in (full, mixed):
        layer.build(x.shape)
        layer.set_weights(full.get_weights())
        with tf.GradientTape() as tape:
            value = tf.cast(layer(x, mask=mask), tf.float32)
        results.append([value, tape.gradient(value, layer.kernel.value)])
    assert mixed(x).dtype == policy.removeprefix("mixed_")
    assert mixed.kernel.dtype == "float32" and results[1][1].dtype == tf.float32
    np.testing.assert_allclose(results[1][0], results[0][0], atol=0.05)
    np.testing.assert_allclose(results[1][1], results[0][1], atol=0.2)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_plain_operations_of_other_backends_agree(padding, monkeypatch):
    x = tf.random.normal((4, 6, 3))
    mask = tf.sequence_mask([6, 1, 4, 0], 6)
    layer = with_random_bias(ConvMaxPooling1D(5, 3, padding=padding), 3, np.random.default_rng(0))
    ours = layer(x, mask=mask), layer(x), layer(x[:, :2])
    monkeypatch.setattr(keras.backend, "backend", lambda: "another")
    for one, other in zip(ours, (layer(x, mask=mask), layer(x), layer(x[:, :2])), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_saved_models_answer_alike(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 6, mask_zero=True)(ids)
    x = keras.layers.Concatenate()([ConvMaxPooling1D(4, 3)(x), ConvMaxPooling1D(4, 2, padding="valid")(x)])
    model = keras.Model(ids, x)
    batch = np.array([[3, 4, 5, 0], [7, 0, 0, 0], [0, 0, 0, 0]], "int32")
    expected = model(batch).numpy()
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(batch), expected)
    model.export(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(loaded.serve(batch), expected, rtol=1e-6)
    np.testing.assert_allclose(answer_in_session(tmp_path / "served", batch), expected, rtol=1e-6)


def answer_in_session(directory, batch):
    """Load a SavedModel as TensorFlow Serving does, and run its signature."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(directory))
        signature = meta.signature_def["serving_default"]
        (source,), (target,) = signature.inputs.values(), signature.outputs.values()
        return session.run(target.name, {source.name: batch})


def test_all_listed_activations_are_non_decreasing():
    x = np.linspace(-5, 5, 1001).astype("float32")
    for name in NON_DECREASING:
        assert np.diff(keras.activations.get(name)(x)).min() >= -1e-6, name


@pytest.mark.parametrize("activation", ["gelu", "silu", "softmax", lambda x: x])
def test_refuses_an_activation_that_may_decrease(activation):
    with pytest.raises(ValueError, match="non-decreasing activations.*Received: activation="):
        ConvMaxPooling1D(4, 3, activation=activation)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0, "kernel_size": 3}, "filters must be at least 1. Received: filters=0"),
        ({"filters": 4, "kernel_size": 0}, "kernel_size must be at least 1. Received: kernel_size=0"),
        ({"filters": 4, "kernel_size": 3, "padding": "causal"}, "padding must be 'same' or 'valid'"),
    ],
)
def test_refuses_impossible_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvMaxPooling1D(**arguments)
