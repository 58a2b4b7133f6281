"""What `configured` makes of subclasses, arguments by position, objects and functions."""

import inspect

import keras
import numpy as np
import pytest

from tfconv import layers, models
from tfconv.layers.configured import configured


@keras.saving.register_keras_serializable(package="test")
def shifted(x):
    return x - 1.0


@keras.saving.register_keras_serializable(package="test")
def halves(shape, dtype=None):
    return keras.ops.full(shape, 0.5, dtype=dtype)


class Inherited(models.BagOfWordsLinear):
    """A subclass with the constructor of its base."""


@keras.saving.register_keras_serializable(package="test")
class Extended(models.BagOfWordsLinear):
    """A subclass that extends `get_config`, as Keras users write it."""

    def __init__(self, vocabulary_size, note, **kwargs):
        super().__init__(vocabulary_size, **kwargs)
        self.note = note

    def get_config(self):
        return {**super().get_config(), "note": self.note}


@keras.saving.register_keras_serializable(package="test")
@configured
class Decorated(models.BagOfWordsLinear):
    """A subclass with arguments of its own, some of its base's fixed."""

    def __init__(self, vocabulary_size, note="none", *, dtype=None, name=None):
        super().__init__(vocabulary_size, mode="binary", classes=3, dtype=dtype, name=name)


@keras.saving.register_keras_serializable(package="test")
class Pooling(layers.MaskedMaxPooling1D):
    """A layer that extends its base's config."""

    def __init__(self, pool_size, note, **kwargs):
        super().__init__(pool_size, **kwargs)
        self.note = note

    def get_config(self):
        return {**super().get_config(), "note": self.note}


OF_LINEAR = {"vocabulary_size": 9, "classes": 2, "length": 5, "mode": "count", "dtype": "float32", "name": "mine"}


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (lambda: Inherited(9, classes=2, length=5, name="mine"), OF_LINEAR),
        (lambda: Extended(9, "a", classes=2, length=5, name="mine"), {**OF_LINEAR, "note": "a"}),
        (
            lambda: Decorated(9, "a", dtype="float64", name="mine"),
            {"vocabulary_size": 9, "note": "a", "dtype": "float64", "name": "mine"},
        ),
    ],
)
def test_models_subclass_as_any_keras_model(make, config, tmp_path):
    model = make()
    assert model.get_config() == config
    assert all(getattr(model, name) == value for name, value in config.items() if name != "dtype")
    revived = type(model).from_config(config)
    assert revived.get_config() == config and revived.dtype_policy == model.dtype_policy
    if type(model) is not Inherited:  # which is not registered
        model.save(tmp_path / "model.keras")
        assert keras.models.load_model(tmp_path / "model.keras").get_config() == config


def test_layers_subclass_as_any_keras_layer():
    layer = Pooling(3, "a", strides=2, trainable=False, name="mine")
    config = layer.get_config()
    assert {key: config[key] for key in ("name", "trainable", "pool_size", "strides", "note")} == {
        "name": "mine",
        "trainable": False,
        "pool_size": 3,
        "strides": 2,
        "note": "a",
    }
    assert Pooling.from_config(config).get_config() == config


def test_arguments_by_position_and_a_policy_object():
    model = models.ConvNet((20, 21, 2), 3, widths=(4,), dtype=keras.DTypePolicy("mixed_bfloat16"))
    config = model.get_config()
    assert (config["input_shape"], config["classes"], config["dtype"]) == ((20, 21, 2), 3, "mixed_bfloat16")
    assert models.ConvNet.from_config(config).get_layer("convolution_1").compute_dtype == "bfloat16"
    for layer in (layers.DistinctTokens, layers.ResponseNormalization, layers.MaskedGlobalMaxPooling1D):
        config = layer(dtype=keras.DTypePolicy("mixed_bfloat16")).get_config()
        assert layer.from_config(config).compute_dtype == "bfloat16"


def test_functions_of_the_user_are_saved_by_their_registered_names(tmp_path):
    given = keras.Input((6, 4))
    layer = layers.ConvNormAct1D(3, 3, activation=shifted, kernel_initializer=halves)
    model = keras.Model(given, layer(given))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[-1]
    assert (loaded.activation, loaded.kernel_initializer) == (shifted, halves)
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    np.testing.assert_array_equal(loaded(x), layer(x))


def test_the_constructor_keeps_its_signature():
    assert list(inspect.signature(models.TextCNN).parameters)[:2] == ["vocabulary_size", "classes"]
    assert inspect.getfullargspec(models.TextCNN.__init__).args == ["self", "vocabulary_size"]  # what Keras looks at
    with pytest.raises(TypeError, match="unexpected keyword argument 'kernels'"):
        models.TextCNN(9, kernels=3)
