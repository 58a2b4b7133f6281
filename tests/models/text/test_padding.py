"""No model's logits depend on how far a batch was padded; short texts and texts of padding only have logits."""

import keras
import numpy as np
import pytest

from tfconv import models

MODELS = {
    "linear": lambda **more: models.BagOfWordsLinear(50, **more),
    "linear, presence": lambda **more: models.BagOfWordsLinear(50, mode="binary", **more),
    "n-grams": lambda **more: models.NGramLinear(50, **more),
    "wide and deep": lambda **more: models.WideDeepTextCNN(20, 31, **more),
    "mlp": lambda **more: models.BagOfWordsMLP(50, **more),
    "text cnn": lambda **more: models.TextCNN(50, **more),
    "text cnn, valid": lambda **more: models.TextCNN(50, kernel_size=5, padding="valid", **more),
    "text cnn imdb": lambda **more: models.text_cnn_imdb(vocabulary_size=50, **more),
    "kim": lambda **more: models.kim_cnn(vocabulary_size=50, **more),
    "char cnn": lambda **more: models.CharCNN(50, **more),
    "char cnn, one-hot": lambda **more: models.CharCNN(50, embedding_dim=None, normalization="layer", **more),
    "char cnn, flat": lambda **more: models.CharCNN(50, flatten=True, **{"length": 120, **more}),
    "residual": lambda **more: models.ResidualTextCNN(50, **more),
    "residual, no norm": lambda **more: models.ResidualTextCNN(50, normalization=None, kernel_size=4, **more),
    "dilated": lambda **more: models.DilatedTextCNN(50, **more),
    "dilated, causal": lambda **more: models.DilatedTextCNN(50, padding="causal", normalization="batch", **more),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def with_random_weights(model):
    """Give every weight a number of its own, biases and statistics too, that leave logits of a size near 1."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        fan_in = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 4
        spread = rng.normal(size=weight.shape) / np.sqrt(fan_in)
        weight.assign(np.abs(spread) + 0.5 if "variance" in weight.path else spread)
    return model


def padded(texts, steps):
    return np.array([text + [0] * (steps - len(text)) for text in texts], "int32")


def texts():
    rng = np.random.default_rng(1)
    return [rng.integers(1, 50, n).tolist() for n in (1, 2, 5, 17, 30)] + [[]]


@pytest.mark.parametrize(
    ("make", "classes"),
    [pytest.param(make, 1 + 2 * (number % 2), id=name) for number, (name, make) in enumerate(MODELS.items())],
)
def test_logits_do_not_depend_on_padding(make, classes):
    model = with_random_weights(make(classes=classes))
    short = np.asarray(model(padded(texts(), 30), training=False))
    long = np.asarray(model(padded(texts(), 67), training=False))
    assert short.shape == (6, classes) and short.dtype == np.float32
    assert np.all(np.isfinite(short)) and np.ptp(short[:5], axis=0).min() > 1e-4
    np.testing.assert_allclose(long, short, atol=1e-5)
    alone = [np.asarray(model(padded([text], max(len(text), 1)), training=False)[0]) for text in texts()]
    np.testing.assert_allclose(alone, short, atol=1e-5)


@pytest.mark.parametrize(
    "name", sorted(MODELS.keys() - {"char cnn, flat", "n-grams", "wide and deep"})
)  # no first tokens
def test_only_the_first_tokens_count_with_length(name):
    make = MODELS[name]
    model, cut = with_random_weights(make(length=None)), make(length=8)
    cut.set_weights(model.get_weights())
    ids = padded(texts(), 30)
    np.testing.assert_allclose(cut(ids), model(ids[:, :8]), atol=1e-6)


@pytest.mark.parametrize("normalization", ["batch", "layer", None])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: models.ResidualTextCNN(50, normalization=n, embedding_dropout=0, dropout=0),
        lambda n: models.CharCNN(50, normalization=n, dropout=0),
        lambda n: models.DilatedTextCNN(50, normalization=n, embedding_dropout=0, convolution_dropout=0, dropout=0),
    ],
    ids=["residual", "char", "dilated"],
)
def test_training_does_not_depend_on_padding(make, normalization):
    model = with_random_weights(make(normalization))
    short = np.asarray(model(padded(texts(), 30), training=True))
    np.testing.assert_allclose(model(padded(texts(), 67), training=True), short, atol=1e-4)


@every_model
def test_mixed_precision_gives_float32_logits_near_the_float32_ones(make):
    exact = with_random_weights(make())
    mixed = make(dtype="mixed_float16")
    mixed.set_weights(exact.get_weights())
    ids = padded(texts(), 30)
    assert mixed.compute_dtype == "float16" and mixed.outputs[0].dtype == "float32"
    np.testing.assert_allclose(mixed(ids), exact(ids), atol=0.03)


def test_precision_of_a_model_is_that_of_its_making():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        config = models.TextCNN(50).get_config()
    finally:
        keras.config.set_dtype_policy("float32")
    assert models.TextCNN.from_config(config).get_layer("convolution").compute_dtype == "float16"
