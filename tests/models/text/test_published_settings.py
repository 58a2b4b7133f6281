"""Models against stock Keras graphs with the same weights, and against the sizes that papers and pages print."""

import keras
import numpy as np
import pytest

from tfconv import geometry, models


def ids(vocabulary_size, *shape):
    return np.random.default_rng(0).integers(1, vocabulary_size, shape).astype("int32")


def with_random_biases(model):
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name == "bias":
            weight.assign(rng.normal(size=weight.shape) * 0.1)
    return model


def test_text_cnn_imdb_is_the_stock_graph():
    stock = keras.Sequential(
        [
            keras.Input((200,)),
            keras.layers.Embedding(5000, 50),
            keras.layers.Dropout(0.2),
            keras.layers.Conv1D(32, 3, padding="same", activation="relu"),
            keras.layers.GlobalMaxPooling1D(),
            keras.layers.Dense(250, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    model = models.text_cnn_imdb()
    assert [w.shape for w in model.weights] == [w.shape for w in stock.weights]
    assert model.count_params() == 250_000 + 4_832 + 8_250 + 251
    with_random_biases(stock)
    model.set_weights(stock.get_weights())
    reviews = ids(5000, 3, 230)  # the stock graph has no masks: whole texts, of which it sees the first 200 words
    np.testing.assert_allclose(model(reviews), stock(reviews[:, :200]), rtol=1e-5, atol=1e-6)


def test_initial_weights_are_drawn_as_by_keras():
    model = models.text_cnn_imdb()
    table = model.get_layer("embedding").embeddings.numpy()
    assert abs(table).max() <= 0.05 and abs(table.std() - 0.05 / np.sqrt(3)) < 1e-3
    limit = np.sqrt(6 / (3 * 50 + 3 * 32))  # Glorot uniform
    kernel = model.get_layer("convolution").kernel.numpy()
    assert 0.98 * limit < abs(kernel).max() <= limit


def test_keras_imdb_cnn_example_has_the_same_size():
    # keras-team/keras, examples/imdb_cnn.py: 5000 words, embedding 50, Conv1D 250 x 3, Dense 250.
    model = models.TextCNN(5000, embedding_dim=50, filters=250, kernel_size=3, padding="valid", hidden_units=250)
    assert model.count_params() == 5000 * 50 + (3 * 50 * 250 + 250) + (250 * 250 + 250) + 251


@pytest.mark.parametrize("classes", [1, 4])
def test_kim_cnn_is_the_stock_graph(classes):
    given = keras.Input((None,))
    x = keras.layers.Embedding(90, 300)(given)
    maxima = [
        keras.layers.GlobalMaxPooling1D()(keras.layers.Conv1D(100, size, padding="same", activation="relu")(x))
        for size in (3, 4, 5)
    ]
    stock = keras.Model(given, keras.layers.Dense(classes)(keras.layers.Concatenate()(maxima)))
    model = models.kim_cnn(vocabulary_size=90, classes=classes)
    with_random_biases(stock)
    model.set_weights(stock.get_weights())
    texts = ids(90, 3, 11)
    np.testing.assert_allclose(model(texts), stock(texts), rtol=1e-5, atol=1e-6)


def test_kim_cnn_keeps_the_norms_and_ranges_of_the_paper():
    model = models.kim_cnn(vocabulary_size=500, classes=3)
    table = model.get_layer("embedding").embeddings.numpy()
    assert 0.24 < abs(table).max() <= 0.25
    model.compile(keras.optimizers.SGD(50.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(ids(500, 8, 6), np.arange(8) % 3)
    norms = np.linalg.norm(model.get_layer("logits").kernel.numpy(), axis=0)
    assert norms.max() <= 3 + 1e-4 and norms.max() > 2.9


def zhang_stock(classes):
    """The published network of 70 characters, from keras.layers alone."""
    layers = [keras.Input((1014, 70))]
    for size, pool in ((7, 3), (7, 3), (3, 1), (3, 1), (3, 1), (3, 3)):
        layers.append(keras.layers.Conv1D(256, size, activation="relu"))
        if pool > 1:
            layers.append(keras.layers.MaxPooling1D(pool))
    layers.append(keras.layers.Flatten())
    for _ in range(2):
        layers += [keras.layers.Dense(1024, activation="relu"), keras.layers.Dropout(0.5)]
    return keras.Sequential([*layers, keras.layers.Dense(classes)])


def test_zhang_char_cnn_is_the_stock_graph():
    stock, model = zhang_stock(4), models.zhang_char_cnn(classes=4)
    model.set_weights(stock.get_weights())
    texts = ids(73, 2, 1014)
    texts[1, 300:] = 0
    one_hot = np.eye(73, dtype="float32")[texts][:, :, 3:]
    np.testing.assert_allclose(model(texts), stock(one_hot), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(texts[1:, :310]), stock(one_hot[1:]), rtol=1e-4, atol=1e-5)


def test_zhang_char_cnn_has_the_sizes_of_the_paper():
    model = models.zhang_char_cnn(classes=4)
    # Section 2.3: the output frame length after the last pooling is (l0 - 96) / 27.
    assert model.get_layer("positions").input.shape[1:] == ((1014 - 96) // 27, 256)
    convolutions = [(7, 70), (7, 256), (3, 256), (3, 256), (3, 256), (3, 256)]
    dense = [(34 * 256, 1024), (1024, 1024), (1024, 4)]
    expected = sum(geometry.parameter_count(size, channels, 256) for size, channels in convolutions)
    expected += sum(geometry.parameter_count(1, channels, units) for channels, units in dense)
    assert model.count_params() == expected == 11_339_780
    assert abs(model.get_layer("hidden_1").kernel.numpy().std() - 0.05) < 1e-3  # N(0, 0.05), section 2.3


def test_char_cnn_sees_as_far_as_it_says():
    window = geometry.Window
    seen = [window(7), window(3, 3), window(7), window(3, 3), window(3), window(3, 3), window(3)]
    assert geometry.receptive_field(seen) == 123
    assert "123 characters" in models.CharCNN.__doc__


def test_dilated_text_cnn_sees_as_far_as_it_says():
    assert models.DilatedTextCNN(9).get_layer("convolutions").receptive_field == 31
    assert "31 words" in models.DilatedTextCNN.__doc__


@pytest.mark.parametrize("blocks", [1, 3])
def test_residual_text_cnn_is_a_pyramid(blocks):
    model = models.ResidualTextCNN(30, blocks=blocks, filters=16, embedding_dim=8, normalization=None)
    region = geometry.parameter_count(3, 8, 16)
    assert model.count_params() == 30 * 8 + region + 2 * blocks * geometry.parameter_count(3, 16, 16) + 17
    assert all(layer.projection is None for layer in model.layers if layer.name.startswith("block"))
    lengths = [model.get_layer(f"block_{i + 1}")(np.zeros((1, -(-40 // 2**i), 16))).shape[1] for i in range(blocks)]
    assert lengths == [40, 20, 10][:blocks]


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.BagOfWordsLinear(9, mode="frequency"),
        lambda: models.MultiWidthTextCNN(9, kernel_sizes=()),
        lambda: models.MultiWidthTextCNN(9, kernel_sizes=(3, 3)),
        lambda: models.CharCNN(9, kernel_sizes=(3, 3), pool_sizes=(3,)),
        lambda: models.CharCNN(9, flatten=True),
        lambda: models.ResidualTextCNN(9, blocks=0),
        lambda: models.DilatedTextCNN(9, dilations=()),
    ],
)
def test_impossible_arguments_are_refused(make):
    with pytest.raises(ValueError, match="Received"):
        make()
