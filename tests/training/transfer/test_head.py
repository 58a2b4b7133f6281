"""The same network with another head or for images of another size: weights, class, files."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import IMAGE_MODELS as MODELS
from warm_processes import run

from tfconv import models
from tfconv.training import resized_batches, split_head, with_input_shape, with_new_head
from tfconv.training.transfer.layer_groups import layer_groups

RNG = np.random.default_rng(0)
TEXTS = {
    "BagOfWordsLinear": {},
    "BagOfWordsMLP": {},
    "CharCNN": {},
    "DilatedTextCNN": {},
    "MultiWidthTextCNN": {"hidden_units": 7},
    "NGramLinear": {},
    "ResidualTextCNN": {},
    "TextCNN": {"length": 30},
}


def functional():
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(4, 3, name="conv")(x))
    x = keras.layers.Dropout(0.5)(keras.layers.Dense(6, activation="relu")(x))
    return keras.Model(inputs, keras.layers.Activation("softmax")(keras.layers.Dense(5, name="top")(x)))


def sequential():
    body = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D()])
    return keras.Sequential([keras.Input((8, 8, 3)), body, keras.layers.Dense(5)])


def built(name):
    if name in MODELS:
        return getattr(models, name)(classes=5, **MODELS[name][1])
    if name in TEXTS:
        return getattr(models, name)(40, classes=5, **TEXTS[name])
    others = {"functional": functional, "sequential": sequential}
    if name in others:
        return others[name]()
    return models.from_application("MobileNetV2", 5, input_shape=(32, 32, 3))


def example(model):
    shape = [side or 20 for side in model.input_shape[1:]]
    if model.inputs[0].dtype == "int32":
        return RNG.integers(1, 40, (3, *shape)).astype("int32")
    return RNG.normal(size=(3, *shape)).astype("float32")


def stirred(model):
    """Weights that no initialiser gives."""
    for weight in model.weights:
        weight.assign(np.abs(weight.numpy()) + RNG.uniform(0.1, 0.2, weight.shape))
    return model


EVERY = [*MODELS, *TEXTS, "functional", "sequential", "application"]


@pytest.mark.parametrize("name", EVERY)
def test_a_new_head_on_the_same_body(name):
    model = stirred(built(name))
    before = model.get_weights()
    twin = with_new_head(model, 2)
    assert type(twin) is type(model) and twin.output_shape == (None, 2) and model.output_shape == (None, 5)
    inputs = example(model)
    (body, head), (twin_body, twin_head) = split_head(model), split_head(twin)
    np.testing.assert_array_equal(twin_body(inputs), body(inputs))
    np.testing.assert_allclose(head(body(inputs)), model(inputs), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(twin_head(twin_body(inputs)), twin(inputs), rtol=1e-5, atol=1e-5)
    assert {id(weight) for weight in model.weights}.isdisjoint(id(weight) for weight in twin.weights)
    kernel = (
        layer_groups(twin)[-1][0].weights[0].numpy()
        if name not in ("BagOfWordsLinear", "NGramLinear")
        else np.arange(2)
    )
    assert len(np.unique(kernel)) > 1  # drawn, not copied
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_same_number_of_classes_gets_a_new_head_too():
    model = models.SimpleNet((8, 8, 3), 4)
    twin = with_new_head(model, 4)
    assert not np.array_equal(model.layers[-1].kernel, twin.layers[-1].kernel)
    np.testing.assert_array_equal(model.get_layer("hidden_1").kernel, twin.get_layer("hidden_1").kernel)


def test_arguments_that_leave_the_weights_alone_may_change():
    twin = with_new_head(models.MiniAlexNet((32, 32, 3), 5), 3, dropout=0.9, dtype="mixed_bfloat16")
    assert twin.dropout == 0.9 and twin.dtype_policy.name == "mixed_bfloat16"
    with pytest.raises(ValueError, match="would have to be"):
        with_new_head(models.SimpleNet((8, 8, 3)), 3, hidden_units=(9,))
    with pytest.raises(ValueError, match="arguments of one of tfconv.models"):
        with_new_head(functional(), 3, dropout=0.1)


def test_refused():
    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.top = keras.layers.Dense(2)

        def call(self, x):
            return self.top(x)

        def get_config(self):
            raise NotImplementedError

    model = Plain()
    model(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="get_config"):
        with_new_head(model, 3)
    with pytest.raises(ValueError, match="must be a graph"):
        split_head(model)
    with pytest.raises(ValueError, match="classes must be 1 or more"):
        with_new_head(functional(), 0)
    inputs = keras.Input((4,))
    branch = keras.layers.Dense(4)(inputs)
    with pytest.raises(ValueError, match="beside a branch"):
        split_head(keras.Model(inputs, keras.layers.Add()([keras.layers.Dense(4)(branch), branch])))


def test_a_saved_model_is_read_in_a_fresh_process(tmp_path):
    twin = with_new_head(models.WhitenedResNet((16, 16, 3), 5, widths=(4, 4)), 3)
    twin.save(tmp_path / "model.keras")
    np.save(tmp_path / "inputs.npy", example(twin))
    code = (
        "import sys, json, keras, numpy as np, tfconv.models, tfconv.layers; folder = sys.argv[1]\n"
        "model = keras.saving.load_model(folder + '/model.keras', compile=False)\n"
        "print(json.dumps([type(model).__name__, model(np.load(folder + '/inputs.npy')).numpy().tolist()]))"
    )
    done = run(["-c", code, tmp_path])
    kind, outputs = json.loads(done.stdout.splitlines()[-1])
    assert kind == "WhitenedResNet"
    np.testing.assert_allclose(outputs, twin(np.load(tmp_path / "inputs.npy")), rtol=1e-4, atol=1e-5)


SIZE_FREE = {
    "AllConvNet",
    "ConvBatchNormNet",
    "ConvNet",
    "LessonResNet",
    "ResNet",
    "ResNetCIFAR",
    "WhitenedResNet",
    "application",
}


@pytest.mark.parametrize("name", [*MODELS, "functional", "application"])
def test_another_size_where_no_weight_belongs_to_a_place(name):
    model = stirred(built(name))
    height, width, channels = model.input_shape[1:]
    if name not in SIZE_FREE:
        with pytest.raises(ValueError, match="^input_shape must be one that") as caught:
            with_input_shape(model, (height + 40, width + 40, channels))
        assert "\n" not in str(caught.value)
        return
    larger = with_input_shape(model, (height + 32, width + 16, channels))
    assert type(larger) is type(model) and larger.input_shape == (None, height + 32, width + 16, channels)
    for one, other in zip(model.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert larger(example(larger)).shape == (3, 5)
    back = with_input_shape(larger, (height, width, channels))
    inputs = example(model)
    np.testing.assert_allclose(back(inputs), model(inputs), rtol=1e-5)


def test_docstring_names_the_size_free_models():
    text = with_input_shape.__doc__
    assert {name for name in MODELS if f"`{name}`" in text} == SIZE_FREE - {"application"}


def test_too_small_is_one_line():
    with pytest.raises(ValueError, match="at least 9 x 9") as caught:
        with_input_shape(models.WhitenedResNet(), (4, 4, 3))
    assert "\n" not in str(caught.value)


def test_batches_are_resized_and_keep_their_order():
    from tfconv.data import synthetic_shapes

    data = synthetic_shapes(100).prepare(batch_size=16, seed=3)
    small = resized_batches(data.train, (16, 16))
    for epoch in (0, 5):
        whole, halved = (next(iter(each.at_epoch(epoch))) for each in (data.train, small))
        np.testing.assert_array_equal(whole[1], halved[1])
        assert halved[0].shape == (16, 16, 16, 3)
        np.testing.assert_allclose(tf.image.resize(whole[0], (16, 16), antialias=True), halved[0])
    assert int(small.cardinality()) == int(data.train.cardinality())
    flat = tf.data.Dataset.from_tensors((tf.ones((2, 8, 8, 1)), tf.zeros(2)))
    np.testing.assert_allclose(next(iter(resized_batches(flat, (4, 4))))[0], np.ones((2, 4, 4, 1)), rtol=1e-6)
    with pytest.raises(ValueError, match="at least 1"):
        resized_batches(flat, (0, 4))
