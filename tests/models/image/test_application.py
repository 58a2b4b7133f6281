"""Networks of keras.applications: their preprocessing, their new head, and errors when they are unavailable."""

import sys
from urllib.error import URLError

import keras
import numpy as np
import pytest

from tfconv.errors import InputError
from tfconv.models import from_application
from tfconv.models.image import application

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def images():
    return np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3)).astype("float32")


# One for each way of preprocessing: blue first and centred; -1 to 1; as torchvision; inside the network.
@pytest.mark.parametrize(
    "name", ["VGG16", "MobileNetV2", "DenseNet121", "EfficientNetB0", "ResNet50V2", "ConvNeXtTiny"]
)
def test_networks_see_what_their_own_preprocessing_gives(name):
    module = sys.modules[getattr(keras.applications, name).__module__]
    given = keras.Input((8, 9, 3))
    model = keras.Model(given, application.expected_inputs(given, name, MEAN, STD))
    normalised = (images() / 255 - np.float32(MEAN)) / np.float32(STD)
    np.testing.assert_allclose(model(normalised), module.preprocess_input(images()), rtol=1e-4, atol=1e-3)


def test_torchvision_style_networks_need_nothing_for_imagenets_statistics():
    given = keras.Input((8, 9, 3))
    mean, std = application.IMAGENET_MEAN, application.IMAGENET_STD
    assert application.expected_inputs(given, "DenseNet121", mean, std) is given


@pytest.mark.parametrize("name", ["VGG16", "MobileNetV3Small"])
def test_new_head_on_a_backbone(name, tmp_path):
    model = from_application(name, 4, input_shape=(32, 32, 3), mean=MEAN, std=STD, dropout=0.5)
    x = (images()[:, :1, :1] / 255).repeat(32, 1).repeat(32, 2)
    backbone = model.get_layer("backbone")
    features = backbone(application.expected_inputs(x, name, MEAN, STD), training=False)
    kernel, bias = model.get_layer("logits").get_weights()
    expected = np.asarray(features).mean(axis=(1, 2)) @ kernel + bias
    np.testing.assert_allclose(model(x, training=False), expected, rtol=1e-4, atol=1e-5)
    backbone.trainable = False
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel", "logits/bias"]
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


def test_weights_from_a_file(tmp_path):
    network = keras.applications.MobileNet(weights=None, include_top=False, input_shape=(32, 32, 3))
    network.save_weights(tmp_path / "mobile.weights.h5")
    model = from_application("MobileNet", 4, weights=str(tmp_path / "mobile.weights.h5"), input_shape=(32, 32, 3))
    for got, expected in zip(model.get_layer("backbone").get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet5"}, "did you mean ResNet50,"),
        ({"name": "mobilenetv2"}, "did you mean MobileNetV2,"),
        ({"name": "preprocess_input"}, "it has ConvNeXtBase,|did you mean"),
        ({"name": "VGG16", "weights": "nowhere.weights.h5"}, "no file nowhere.weights.h5"),
        ({"name": "VGG16", "input_shape": (16, 16, 3)}, "VGG16 refuses these settings: Input size must be at least"),
        ({"name": "VGG16", "input_shape": (32, 32, 1)}, "3 channels"),
        ({"name": "VGG16", "mean": (0.5,)}, "3 channels"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as raised:
        from_application(**arguments)
    assert "\n" not in str(raised.value)


def test_weights_that_cannot_be_downloaded(monkeypatch, tmp_path):
    from keras.src.utils import file_utils

    def unreachable(*arguments, **settings):
        raise URLError("no route to host")

    monkeypatch.setattr(file_utils, "urlretrieve", unreachable)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(
        InputError, match="weights of MobileNet could not be downloaded .*no route to host.*weights=PATH"
    ):
        from_application("MobileNet", weights="imagenet")
