"""Bags of words against NumPy, and word vectors in an embedding."""

import numpy as np
import pytest

from tfconv import InputError, models


def bag(ids, vocabulary_size, presence):
    counts = np.stack([np.bincount(row, minlength=vocabulary_size) for row in ids]).astype("float32")
    counts[:, 0] = 0
    return np.minimum(counts, 1) if presence else counts


@pytest.mark.parametrize("mode", ["count", "binary"])
@pytest.mark.parametrize("classes", [1, 3])
def test_linear_model_is_a_product_with_counts(mode, classes):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 20, (6, 40)).astype("int32")
    model = models.BagOfWordsLinear(20, classes=classes, mode=mode)
    kernel, bias = rng.normal(size=(20, classes)), rng.normal(size=classes)
    model.set_weights([kernel, bias])
    np.testing.assert_allclose(model(ids), bag(ids, 20, mode == "binary") @ kernel + bias, rtol=1e-4, atol=1e-4)


def test_linear_model_starts_undecided():
    assert not np.any(models.BagOfWordsLinear(20)(np.ones((2, 5), "int32")))


def test_order_of_words_does_not_matter():
    ids = np.random.default_rng(0).integers(1, 20, (1, 9)).astype("int32")
    for model in (models.BagOfWordsLinear(20), models.BagOfWordsLinear(20, mode="binary"), models.BagOfWordsMLP(20)):
        model.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in model.weights])
        np.testing.assert_allclose(model(ids), model(ids[:, ::-1]), rtol=1e-4)


def test_mlp_is_a_dense_network_on_the_mean_vector():
    rng = np.random.default_rng(0)
    ids = np.array([[3, 4, 4, 0, 0], [7, 0, 0, 0, 0], [0, 0, 0, 0, 0]], "int32")
    model = models.BagOfWordsMLP(9, classes=2)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    table, hidden, hidden_bias, out, out_bias = model.get_weights()
    mean = np.stack([(table[3] + 2 * table[4]) / 3, table[7], np.zeros(50)])
    expected = np.maximum(mean @ hidden + hidden_bias, 0) @ out + out_bias
    np.testing.assert_allclose(model(ids), expected, rtol=1e-4, atol=1e-4)


def test_word_vectors_are_loaded_and_stay_frozen():
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    model = models.TextCNN(9, embedding_dim=4, embedding_trainable=False)
    models.load_word_vectors(model, vectors)
    model.compile("adam", "mse", jit_compile=False)
    model.train_on_batch(np.arange(8, dtype="int32")[None], np.ones((1, 1)))
    np.testing.assert_array_equal(model.get_layer("embedding").embeddings, vectors)
    trained = models.TextCNN(9, embedding_dim=4)
    models.load_word_vectors(trained, vectors)
    trained.compile("adam", "mse")  # as Keras does by default: by XLA
    trained.train_on_batch(np.arange(8, dtype="int32")[None], np.ones((1, 1)))
    assert np.any(trained.get_layer("embedding").embeddings.numpy() != vectors)


def test_saved_word_vectors_are_in_the_weights_and_not_in_the_config(tmp_path):
    import keras

    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype("float32")
    model = models.MultiWidthTextCNN(9, embedding_dim=4, embedding_trainable=False)
    models.load_word_vectors(model, vectors)
    assert len(str(model.get_config())) < 1000
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.get_layer("embedding").embeddings, vectors)
    assert not loaded.get_layer("embedding").embeddings.trainable


@pytest.mark.parametrize(
    ("model", "vectors", "says"),
    [
        (lambda: models.TextCNN(9, embedding_dim=4), np.zeros((9, 5)), r"\(9, 5\).*\(9, 4\)"),
        (lambda: models.TextCNN(9, embedding_dim=4), np.full((9, 4), np.nan), "NaN"),
        (lambda: models.BagOfWordsLinear(9), np.zeros((9, 1)), "no layer named 'embedding'"),
    ],
)
def test_word_vectors_that_do_not_fit_are_refused_in_one_line(model, vectors, says):
    with pytest.raises(InputError, match=says) as error:
        models.load_word_vectors(model(), vectors)
    assert "\n" not in str(error.value)
