"""Filters and maps: the numbers drawn are the layer's own, wherever in the model the layer lies."""

import keras
import numpy as np
import pytest
from drawn_texts import check

from tfconv import InputError
from tfconv.interpret import feature_maps_figure, filters_figure
from tfconv.layers import ConvNormAct2D

L = keras.layers


def small_model(channels=3):
    inner = keras.Sequential([L.Input((8, 8, channels)), L.Conv2D(6, 3, name="deep", activation="relu")], name="stem")
    inputs = keras.Input((8, 8, channels))
    x = ConvNormAct2D(5, 3, name="block")(inner(inputs))
    x = L.Conv2D(2, 1, name="last")(x)
    return keras.Model(inputs, L.Dense(3, name="logits")(L.Flatten()(x)))


def drawn(figure):
    return [np.asarray(axes.images[0].get_array().filled(np.nan)) for axes in figure.axes]


def kernel(model, *path):
    for name in path:
        model = model.get_layer(name) if hasattr(model, "get_layer") else getattr(model, name)
    return np.asarray(model.kernel)


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_of_pixels(channels):
    model = small_model(channels)
    figure = filters_figure(model)
    weights = kernel(model, "stem", "deep")
    for i, array in enumerate(drawn(figure)):
        own = weights[..., i]
        np.testing.assert_allclose(array, np.squeeze(0.5 + own / np.abs(own).max() / 2), atol=1e-6)
        assert max(array.max(), 1 - array.min()) == pytest.approx(1)
    assert len(figure.axes) == 6
    assert check(figure)[0] == f"6 filters of “stem/deep”, 3×3×{channels}"
    assert len(filters_figure(model, count=4).axes) == 4


@pytest.mark.parametrize(
    ("name", "path"), [("block", ("block", "conv")), ("last", ("last",)), ("conv", ("block", "conv"))]
)
def test_filters_of_maps_are_rows_of_channels(name, path):
    model = small_model()
    weights = kernel(model, *path)
    figure = filters_figure(model, name)
    check(figure)
    height, width, channels, filters = weights.shape
    assert len(figure.axes) == filters
    for i, row in enumerate(drawn(figure)):
        tiles = row[:, ~np.isnan(row).all(axis=0)]
        expected = 0.5 + weights[..., i] / np.abs(weights[..., i]).max() / 2
        np.testing.assert_allclose(
            tiles, np.concatenate([expected[..., c] for c in range(channels)], axis=1), atol=1e-6
        )


def test_filters_of_zeros_are_grey():
    model = keras.Sequential([L.Input((8, 8, 3)), L.Conv2D(2, 3, kernel_initializer="zeros")])
    assert all((array == 0.5).all() for array in drawn(filters_figure(model)))


def test_dense_units_on_pixels_are_drawn_as_images():
    model = keras.Sequential([L.Input((4, 5, 3)), L.Flatten(), L.Dense(7, name="hidden"), L.Dense(2)])
    figure = filters_figure(model)
    weights = np.asarray(model.get_layer("hidden").kernel)
    for i, array in enumerate(drawn(figure)):
        own = weights[:, i].reshape(4, 5, 3)
        np.testing.assert_allclose(array, 0.5 + own / np.abs(own).max() / 2, atol=1e-6)


class Halved:
    """Stands for an `ImagePreprocess`."""

    def normalize(self, pixels):
        return pixels / np.float32(510)


@pytest.mark.parametrize("name", [None, "stem/deep", "deep", "block", "block/conv", "last"])
def test_maps_are_what_the_layer_gives(name):
    model = small_model()
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    inputs = Halved().normalize(image[None])
    deep = model.get_layer("stem")(inputs)
    block = model.get_layer("block")
    expected = {"block": block(deep), "block/conv": block.conv(deep)}
    expected["last"] = model.get_layer("last")(expected["block"])
    maps = np.asarray(expected.get(name, deep))[0]
    figure = feature_maps_figure(model, image, name, preprocess=Halved(), count=4)
    *arrays, shown = drawn(figure)
    np.testing.assert_array_equal(shown, image)
    assert len(arrays) == min(4, maps.shape[-1])
    lines = check(figure)[1:]
    for i, (array, line) in enumerate(zip(arrays, lines, strict=True)):
        low, high = maps[..., i].min(), maps[..., i].max()
        np.testing.assert_allclose(array * (high - low) + low, maps[..., i], atol=1e-5)
        assert line == f"{i}: {low:.2g} to {high:.2g}"
    assert "call" not in vars(model.get_layer("stem").get_layer("deep"))  # the model is as it was


def test_a_model_input_is_not_drawn():
    figure = feature_maps_figure(small_model(), np.zeros((8, 8, 3), np.float32), "last")
    assert len(figure.axes) == 2


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda model: filters_figure(model, "blok"), r"no layer called 'blok': did you mean 'block"),
        (lambda model: filters_figure(model, "zzz"), r"no layer called 'zzz': it has "),
        (lambda model: filters_figure(model, "logits"), r"'logits' has no 2-D filters: take one of stem/deep, block"),
        (lambda model: filters_figure(model, count=0), r"count must be from 1 to 400 filters, got 0"),
        (lambda model: feature_maps_figure(model, np.zeros((8, 8, 3)), "logits"), r"'logits' gives \(3,\), .* no maps"),
        (lambda model: feature_maps_figure(model, np.zeros((9, 8, 3))), r"takes inputs of shape \(8, 8, 3\), .*\(9, 8"),
        (lambda model: feature_maps_figure(model, np.full((8, 8, 3), np.nan)), r"NaN or infinite"),
        (lambda model: feature_maps_figure(model, np.zeros((8, 8, 3)), count=401), r"1 to 400 maps, got 401"),
    ],
)
def test_mistakes(draw, message):
    with pytest.raises(InputError, match=message):
        draw(small_model())


def test_a_model_of_texts_has_no_filters():
    model = keras.Sequential([L.Input((5,)), L.Embedding(9, 4), L.Conv1D(3, 2), L.GlobalMaxPooling1D(), L.Dense(1)])
    with pytest.raises(InputError, match="has no 2-D filters: the model has none anywhere"):
        filters_figure(model)
    with pytest.raises(InputError, match="has no convolution"):
        feature_maps_figure(model, np.zeros(5, np.int32))


def test_two_layers_of_one_name_are_told_apart_by_their_paths():
    inputs = keras.Input((8, 8, 3))
    x = ConvNormAct2D(2, 3, name="b")(ConvNormAct2D(2, 3, name="a")(inputs))
    model = keras.Model(inputs, x)
    with pytest.raises(InputError, match="several layers called 'conv': did you mean 'a/conv' or 'b/conv'"):
        filters_figure(model, "conv")
    assert check(filters_figure(model, "b/conv"))[0].startswith("2 filters of “b/conv”")
