"""Image models against stock Keras graphs in the published order of layers, with the same weights."""

import keras
import numpy as np
import pytest
from keras import layers

from tfconv import models


def images(n, *shape):
    return np.random.default_rng(1).normal(size=(n, *shape)).astype("float32")


def copied(model, stock):
    """Put random weights, statistics too, into a model, and the same, in order, into a stock graph."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "norm" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name == "bias":
            weight.assign(rng.normal(size=weight.shape) * 0.1)
    assert [tuple(w.shape) for w in model.weights] == [tuple(w.shape) for w in stock.weights]
    stock.set_weights(model.get_weights())


def same_logits(model, stock, x):
    copied(model, stock)
    expected = np.asarray(stock(x, training=False))
    assert np.std(expected) > 1e-4
    np.testing.assert_allclose(model(x, training=False), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_mini_alexnet_is_the_practicals_graph():
    stock = keras.Sequential([keras.Input((32, 32, 3))])
    for i, width in enumerate((48, 128, 192, 192, 128)):
        stock.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        if i in (0, 1, 4):
            stock.add(layers.MaxPooling2D(3))
    stock.add(layers.Flatten())
    for _ in range(2):
        stock.add(layers.Dense(1024, activation="relu"))
        stock.add(layers.Dropout(0.5))
    stock.add(layers.Dense(10))
    same_logits(models.MiniAlexNet(), stock, images(4, 32, 32, 3))


def test_mini_alexnet_starts_as_keras_would():
    kernel = np.asarray(models.MiniAlexNet().get_layer("convolution_3").conv.kernel)
    limit = np.sqrt(6 / (9 * 128 + 9 * 192))  # Glorot uniform
    assert 0.98 * limit < np.abs(kernel).max() <= limit


def test_alexnet_is_torchvisions_graph():
    stock = keras.Sequential([keras.Input((95, 80, 3)), layers.ZeroPadding2D(2)])
    stock.add(layers.Conv2D(8, 11, strides=4, activation="relu"))
    stock.add(layers.MaxPooling2D(3, 2))
    for width, size, pooled in ((12, 5, True), (16, 3, False), (12, 3, False), (12, 3, True)):
        stock.add(layers.Conv2D(width, size, padding="same", activation="relu"))
        if pooled:
            stock.add(layers.MaxPooling2D(3, 2))
    stock.add(layers.Flatten())
    for units in (20, 18):
        stock.add(layers.Dropout(0.5))
        stock.add(layers.Dense(units, activation="relu"))
    stock.add(layers.Dense(7))
    model = models.AlexNet((95, 80, 3), 7, widths=(8, 12, 16, 12, 12), hidden_units=(20, 18))
    same_logits(model, stock, images(2, 95, 80, 3))


def test_vgg16_is_keras_applications_graph():
    stock = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    x = layers.Dense(16, activation="relu")(layers.Flatten()(stock.output))
    stock = keras.Model(stock.input, layers.Dense(7)(x))
    same_logits(models.VGG16((32, 32, 3), 7, hidden_units=(16,)), stock, images(2, 32, 32, 3))


def test_all_conv_net_is_the_papers_graph():
    stock = keras.Sequential([keras.Input((32, 32, 3))])
    for i, width in enumerate((96, 96, 96, 192, 192, 192)):
        strided = i % 3 == 2  # centred as in the authors' framework: Keras' "same" is not where it strides
        if strided:
            stock.add(layers.ZeroPadding2D(1))
        settings = {"strides": 2} if strided else {"padding": "same"}
        stock.add(layers.Conv2D(width, 3, activation="relu", **settings))
    stock.add(layers.Conv2D(192, 3, activation="relu"))
    stock.add(layers.Conv2D(192, 1, activation="relu"))
    stock.add(layers.Conv2D(10, 1))
    assert stock.outputs[0].shape == (None, 6, 6, 10)  # "global averaging over 6 x 6 spatial dimensions"
    stock.add(layers.GlobalAveragePooling2D())
    same_logits(models.AllConvNet(), stock, images(2, 32, 32, 3))


def bn_layer(x, filters, strides=1, size=3):
    """fast.ai's BnLayer."""
    x = layers.ZeroPadding2D(size // 2)(x)
    x = layers.Conv2D(filters, size, strides=strides, use_bias=False, activation="relu")(x)
    return layers.BatchNormalization()(x)


@pytest.mark.parametrize("deep", [False, True])
def test_conv_batch_norm_net_is_the_courses_graph(deep):
    given = keras.Input((32, 32, 3))
    x = layers.Conv2D(10, 5, padding="same")(given)
    for width in (20, 40, 80, 160):
        x = bn_layer(x, width, 2)
        if deep:
            x = bn_layer(x, width)
    stock = keras.Model(given, layers.Dense(10)(layers.GlobalMaxPooling2D()(x)))
    same_logits(models.ConvBatchNormNet(deep=deep), stock, images(2, 32, 32, 3))


def test_lesson_resnet_is_the_courses_graph():
    given = keras.Input((32, 32, 3))
    x = bn_layer(given, 16, size=5)
    for width in (32, 64, 128, 256):
        x = bn_layer(x, width, 2)
        for _ in range(2):
            x = x + bn_layer(x, width)
    stock = keras.Model(given, layers.Dense(10)(layers.GlobalMaxPooling2D()(x)))
    same_logits(models.LessonResNet(), stock, images(2, 32, 32, 3))


def test_resnet_begins_as_torchvision_does():
    model = models.ResNet((37, 40, 3), 5, blocks=(), widths=())
    given = keras.Input((37, 40, 3))
    x = layers.Conv2D(64, 7, strides=2, use_bias=False)(layers.ZeroPadding2D(3)(given))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))  # zeros are below no ReLU: as good as minus infinity
    stock = keras.Model(given, layers.Dense(5)(layers.GlobalAveragePooling2D()(x)))
    same_logits(model, stock, images(2, 37, 40, 3))


def test_resnet50_sizes_are_those_of_the_table():
    model = models.resnet50(input_shape=(224, 224, 3), widths=(8, 16, 32, 64))  # sizes do not depend on widths
    sizes = [model.get_layer(f"block_{i}_1").output.shape[1:] for i in (1, 2, 3, 4)]
    assert sizes == [(56, 56, 8), (28, 28, 16), (14, 14, 32), (7, 7, 64)]
    assert [sum(layer.name.startswith(f"block_{i}_") for layer in model.layers) for i in (1, 2, 3, 4)] == [3, 4, 6, 3]


@pytest.mark.parametrize("depth", [8, 20])
def test_resnet_cifar_has_its_depth(depth):
    model = models.ResNetCIFAR(depth=depth, widths=(4, 8, 16))
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    assert len(kernels) == depth  # option A has none in its shortcuts
    assert model.layers[-3].output.shape == (None, 8, 8, 16)


@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_whitened_resnet_is_the_stock_graph(activation):
    given = keras.Input((32, 32, 3))
    x = layers.Activation(activation)(layers.Conv2D(24, 2)(given))
    for width in (8, 12, 12):
        x = layers.MaxPooling2D(2)(layers.Conv2D(width, 3, padding="same", use_bias=False)(x))
        x = layers.Activation(activation)(layers.BatchNormalization(scale=False, epsilon=1e-3)(x))
        y = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = x + layers.Activation(activation)(layers.BatchNormalization(scale=False, epsilon=1e-3)(y))
    x = layers.Flatten()(layers.MaxPooling2D(3)(x))
    stock = keras.Model(given, layers.Dense(10, use_bias=False)(x))
    model, x = models.WhitenedResNet(widths=(8, 12, 12), activation=activation), images(3, 32, 32, 3)
    model.adapt(x)
    weights = model.get_weights()
    # Keras keeps what is not trained behind what is: our frozen kernel comes after its bias.
    weights[:2] = weights[1::-1]
    stock.set_weights(weights)
    np.testing.assert_allclose(model(x), np.asarray(stock(x)) / 9, rtol=1e-4, atol=1e-5)
