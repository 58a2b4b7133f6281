"""EmbeddingConvMaxPooling1D against the separate layers, which have their own oracles."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.layers.conv_max_pooling import ConvMaxPooling1D, EmbeddingConvMaxPooling1D


def separate_layers(layer: EmbeddingConvMaxPooling1D) -> keras.Model:
    """The same function of the same weights, from Embedding and one ConvMaxPooling1D a width."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(layer.input_dim, layer.output_dim, mask_zero=layer.mask_zero)(ids)
    maxima = [
        ConvMaxPooling1D(layer.filters, width, padding=layer.padding, activation=layer.activation)(x)
        for width in layer.kernel_sizes
    ]
    model = keras.Model(ids, keras.layers.Concatenate()(maxima) if len(maxima) > 1 else maxima[0])
    model.set_weights(layer.get_weights())
    return model


def value_and_gradients(function, variables, ids, weight):
    """The value, and the gradients as dense arrays in the order of the variables."""
    with tf.GradientTape() as tape:
        value = function(ids)
        loss = tf.reduce_sum(value * weight)
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return [value, *(tf.convert_to_tensor(gradient) for gradient in gradients)]


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 4),
    steps=st.integers(1, 9),
    kernel_sizes=st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True),
    padding=st.sampled_from(["same", "valid"]),
    mask_zero=st.booleans(),
    zeros=st.sampled_from(["anywhere", "start", "end"]),
    seed=st.integers(0, 2**16),
)
def test_equals_the_separate_layers_in_value_and_gradient(batch, steps, kernel_sizes, padding, mask_zero, zeros, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0 if zeros == "anywhere" else 1, 12, size=(batch, steps)).astype("int32")
    if zeros != "anywhere":
        empty = np.arange(steps) >= rng.integers(0, steps + 1, size=(batch, 1))
        ids[empty if zeros == "end" else empty[:, ::-1]] = 0
    layer = EmbeddingConvMaxPooling1D(12, 4, 3, kernel_sizes, padding=padding, mask_zero=mask_zero)
    layer.build(ids.shape)
    for bias in layer.biases:
        bias.assign(rng.normal(size=bias.shape))
    model = separate_layers(layer)
    weight = rng.normal(size=(batch, 3 * len(kernel_sizes))).astype("float32")
    ours = value_and_gradients(layer, layer.trainable_variables, ids, weight)
    theirs = value_and_gradients(model, model.trainable_variables, ids, weight)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_agrees_with_keras_layers_on_whole_texts():
    rng = np.random.default_rng(0)
    ids = rng.zipf(1.3, size=(8, 60)).clip(1, 199).astype("int32")
    layer = EmbeddingConvMaxPooling1D(200, 16, 10, (3, 4, 5))
    layer.build(ids.shape)
    convolutions = []
    for width, kernel in zip(layer.kernel_sizes, layer.kernels, strict=True):
        convolution = keras.layers.Conv1D(10, width, padding="same", activation="relu", use_bias=True)
        convolution.build((None, None, 16))
        convolution.set_weights([kernel, np.zeros(10)])
        convolutions.append(convolution)
    embedding = keras.layers.Embedding(200, 16)
    embedding.build()
    embedding.set_weights([layer.embeddings])
    pooling = keras.layers.GlobalMaxPooling1D()

    def stock(ids):
        x = embedding(ids)
        return tf.concat([pooling(convolution(x)) for convolution in convolutions], axis=1)

    weight = rng.normal(size=(8, 30)).astype("float32")
    variables = [v for source in (embedding, *convolutions) for v in source.trainable_variables]
    ours = value_and_gradients(layer, layer.trainable_variables, ids, weight)
    theirs = value_and_gradients(stock, variables, ids, weight)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5 * np.max(np.abs(other)))


def test_padding_does_not_change_the_result():
    layer = EmbeddingConvMaxPooling1D(30, 5, 4, (2, 5), bias_initializer="ones", embeddings_initializer="normal")
    text = np.arange(1, 8, dtype="int32")[None]
    alone = layer(text)
    for padding in ((0, 1), (0, 9), (3, 0)):
        np.testing.assert_allclose(layer(np.pad(text, ((0, 0), padding))), alone, rtol=1e-5)
    np.testing.assert_array_equal(layer(np.zeros((2, 4), "int32")), np.ones((2, 8)))
    np.testing.assert_array_equal(layer(np.zeros((2, 0), "int32")), np.ones((2, 8)))


def test_frozen_word_vectors_get_no_gradient_and_kernels_still_do():
    layer = EmbeddingConvMaxPooling1D(10, 4, 3, (2,), embeddings_trainable=False)
    ids = np.array([[1, 2, 3]], "int32")
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(ids))
    assert [variable.name for variable in layer.trainable_variables] == ["kernel_2", "bias_2"]
    assert tape.gradient(value, layer.kernels[0].value) is not None


def test_word_vectors_get_a_sparse_gradient_of_distinct_rows():
    layer = EmbeddingConvMaxPooling1D(1000, 4, 3, (3,))
    ids = np.tile(np.array([[5, 6, 7, 5, 6, 7, 0]], "int32"), (4, 1))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(layer(ids))
    gradient = tape.gradient(value, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)
    np.testing.assert_array_equal(np.sort(gradient.indices), [0, 5, 6, 7])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_float32_weights(policy):
    ids = np.random.default_rng(0).integers(0, 50, size=(4, 12)).astype("int32")
    full = EmbeddingConvMaxPooling1D(50, 8, 6, dtype="float32")
    mixed = EmbeddingConvMaxPooling1D(50, 8, 6, dtype=policy)
    results = []
    for layer in (full, mixed):
        layer.build(ids.shape)
        layer.set_weights(full.get_weights())
        with tf.GradientTape() as tape:
            value = tf.cast(layer(ids), tf.float32)
        gradient = tape.gradient(value, layer.embeddings.value)
        results.append([value, tf.convert_to_tensor(gradient)])
    assert mixed(ids).dtype == policy.removeprefix("mixed_")
    assert mixed.embeddings.dtype == "float32" and results[1][1].dtype == tf.float32
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=0.05 * np.abs(one).max())


def test_plain_operations_of_other_backends_agree(monkeypatch):
    ids = np.array([[3, 4, 5, 0], [7, 0, 0, 0], [0, 0, 0, 0]], "int32")
    for mask_zero in (False, True):
        layer = EmbeddingConvMaxPooling1D(10, 4, 3, mask_zero=mask_zero, padding="valid")
        ours = layer(ids)
        with monkeypatch.context() as patch:
            patch.setattr(keras.backend, "backend", lambda: "another")
            np.testing.assert_allclose(layer(ids), ours, rtol=1e-5, atol=1e-7)


def test_saved_models_answer_alike(tmp_path):
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, EmbeddingConvMaxPooling1D(20, 6, 4)(ids))
    batch = np.array([[3, 4, 5, 0], [7, 0, 0, 0], [0, 0, 0, 0]], "int32")
    expected = model(batch).numpy()
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(batch), expected)
    model.export(tmp_path / "served", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(loaded.serve(batch), expected, rtol=1e-6)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:  # as TensorFlow Serving loads it
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "served"))
        signature = meta.signature_def["serving_default"]
        (source,), (target,) = signature.inputs.values(), signature.outputs.values()
        np.testing.assert_allclose(session.run(target.name, {source.name: batch}), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_dim": 0}, "input_dim must be at least 1. Received: input_dim=0"),
        ({"kernel_sizes": ()}, "kernel_sizes must be distinct numbers of at least 1"),
        ({"kernel_sizes": (3, 3)}, "kernel_sizes must be distinct numbers of at least 1"),
        ({"padding": "full"}, "padding must be 'same' or 'valid'"),
        ({"activation": "gelu"}, "non-decreasing activations"),
    ],
)
def test_refuses_impossible_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingConvMaxPooling1D(**{"input_dim": 10, "output_dim": 4, "filters": 3, **changes})
