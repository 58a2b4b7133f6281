"""The one-batch check: sound models pass, broken ones are told apart by what breaks them, and none is changed by it."""

import math

import keras
import numpy as np
import pytest

from tfconv import models
from tfconv.data.image.augment import Augmentation
from tfconv.training import overfit_one_batch

L = keras.layers


def batch(classes=2, n=24, width=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)).astype(np.float32), (np.arange(n) % classes).astype(np.int32)


def dense(outputs=1, *layers, width=6):
    return keras.Sequential([L.Input((width,)), *(layers or [L.Dense(32, "relu")]), L.Dense(outputs, name="logits")])


@pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (2, 2), (5, 5)])
def test_a_sound_model_passes_and_starts_where_guessing_does(outputs, classes):
    found = overfit_one_batch(dense(outputs), batch(classes))
    assert found.passed and found.accuracy == 1 and found.loss <= 0.05 and found.no_gradient == ()
    assert found.expected == pytest.approx(math.log(classes)) and abs(found.start - found.expected) < 0.6
    assert all(fine for fine, _ in found.findings())
    assert "loss at the start" in found.findings()[0][1] and "accuracy 1" in found.findings()[-1][1]


def test_several_labels_an_example():
    x, _ = batch()
    labels = (np.random.default_rng(1).random((24, 3)) < 0.4).astype(np.float32)
    found = overfit_one_batch(dense(3), (x, labels))
    assert found.passed and found.expected == pytest.approx(math.log(2))


def test_the_start_is_the_loss_of_the_model_as_it_is():
    model, (x, y) = dense(3), batch(3)
    logits = model(x).numpy().astype(np.float64)
    expected = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(24), y])
    assert overfit_one_batch(model, (x, y), steps=1).start == pytest.approx(expected, rel=1e-5)


def test_the_model_is_left_as_it_was():
    x, y = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype(np.float32), np.arange(16) % 2
    model = keras.Sequential(
        [L.Input((8, 8, 3)), L.Conv2D(4, 3), L.BatchNormalization(), L.Dropout(0.5), L.Flatten(), L.Dense(1)]
    )
    model.compile("sgd", "mse")
    optimizer, loss = model.optimizer, model.loss
    model.fit(x, y, verbose=0, epochs=1)
    before = [np.array(v) for v in [*model.variables, *optimizer.variables]]
    drawn = keras.random.SeedGenerator(0), model(x).numpy()
    found = overfit_one_batch(model, (x, y))
    assert found.passed and found.switched_off == ("dropout",) and found.steps > 1
    for variable, old in zip([*model.variables, *optimizer.variables], before, strict=True):
        np.testing.assert_array_equal(np.array(variable), old)
    np.testing.assert_array_equal(model(x).numpy(), drawn[1])
    assert model.optimizer is optimizer and model.loss is loss
    assert (model(x, training=True).numpy() != model(x).numpy()).any()  # dropout draws again


def test_dropout_noise_and_augmentation_do_not_hinder_it():
    model = dense(1, L.GaussianNoise(1.0), L.Dropout(0.95), L.Dense(32, "relu"), L.Dropout(0.95))
    found = overfit_one_batch(model, batch())
    assert found.passed and len(found.switched_off) == 3
    shifted = keras.Sequential(
        [L.Input((8, 8, 3)), Augmentation("random_flip_translate"), L.RandomFlip(), L.Flatten(), L.Dense(1)]
    )
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.float32) / 128
    found = overfit_one_batch(shifted, (images, np.arange(16) % 2))
    assert found.passed and len(found.switched_off) == 2
    mask = overfit_one_batch(dense(1, L.Dense(32, "relu", kernel_regularizer=keras.regularizers.L2(100.0))), batch())
    assert mask.passed  # a penalty on weights is no part of the loss that must reach 0


def test_inputs_that_say_nothing_fail():
    x, y = batch()
    found = overfit_one_batch(dense(), (np.zeros_like(x), y), steps=40)
    assert not found.passed and found.loss == pytest.approx(math.log(2), abs=0.05) and not found.same_outputs
    assert found.findings()[-1] == (False, found.findings()[-1][1])
    assert found.findings()[-1][1].endswith("a model that cannot overfit one batch does not learn")


def test_a_model_that_does_not_see_its_inputs_fails():
    model = dense(1, L.Dense(8), L.Rescaling(0.0))
    found = overfit_one_batch(model, batch(), steps=30)
    assert not found.passed and found.same_outputs
    assert set(found.no_gradient) == {v.path for v in model.layers[0].trainable_variables} | {
        model.get_layer("logits").kernel.path
    }
    told = [line for fine, line in found.findings() if not fine]
    assert any("no gradient reaches" in line for line in told) and any("the same output" in line for line in told)


def test_weights_apart_from_the_loss_are_named():
    inputs = L.Input((6,))
    used = L.Dense(16, "relu", name="used")(inputs)
    cut = L.Lambda(keras.ops.stop_gradient)(L.Dense(4, name="cut")(inputs))
    model = keras.Model(inputs, L.Dense(1, name="logits")(L.Concatenate()([used, cut])))
    found = overfit_one_batch(model, batch())
    assert found.passed and found.no_gradient == ("cut/kernel", "cut/bias")
    assert any(not fine and "cut/kernel, cut/bias" in line for fine, line in found.findings())


def test_a_wild_initialisation_is_told():
    wild = L.Dense(32, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=30.0))
    found = overfit_one_batch(dense(1, wild), batch())
    fine, line = found.findings()[0]
    assert not fine and "expected of an untrained model about 0.693: check the initialisation or the labels" in line


def test_equal_inputs_with_other_labels_cannot_be_learned():
    x, y = batch()
    x[1] = x[0]  # labels 0 and 1
    found = overfit_one_batch(dense(), (x, y), steps=100)
    # the best is a half for each of the two: 2 log 2 / 24
    assert not found.passed and found.loss > 2 * math.log(2) / 24 - 1e-3 and found.accuracy < 1


def test_a_slow_model_gets_a_second_learning_rate():
    x, y = batch(n=4, width=50)
    found = overfit_one_batch(dense(1, L.Rescaling(0.12), width=50), (x, y), steps=400)
    assert found.passed and found.learning_rate == 0.01
    assert not overfit_one_batch(dense(1, L.Rescaling(0.12), width=50), (x, y), steps=40, learning_rate=1e-6).passed


def test_a_loss_of_the_callers():
    x, _ = batch()
    y = x.sum(axis=1, keepdims=True)
    found = overfit_one_batch(dense(), (x, y), loss="mean_squared_error", target=0.01, steps=500)
    assert found.passed and found.expected is None and found.accuracy is None and len(found.findings()) == 2


def test_not_finite_inputs_stop_it_at_once():
    x, y = batch()
    x[3, 2] = np.nan
    model = dense(1, L.Dense(8, "tanh"))  # a ReLU would hide it
    before = model.get_weights()
    found = overfit_one_batch(model, (x, y))
    assert not found.passed and found.steps == 1 and math.isnan(found.loss)
    assert all(map(np.array_equal, before, model.get_weights()))


@pytest.mark.parametrize("change", [{"steps": 0}, {"target": 0.0}, {"target": float("nan")}])
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ValueError, match="steps must be 1 or more and target above 0"):
        overfit_one_batch(dense(), batch(), **change)


def test_models_of_texts_and_images_pass():
    ids = np.random.default_rng(0).integers(3, 40, (16, 20)).astype(np.int32)
    labels = (np.arange(16) % 2).astype(np.int32)
    text = models.TextCNN(40, embedding_dim=8, filters=8, hidden_units=8)
    assert overfit_one_batch(text, (ids, labels)).passed
    images = np.random.default_rng(0).normal(size=(16, 16, 16, 3)).astype(np.float32)
    assert overfit_one_batch(models.SimpleNet(input_shape=(16, 16, 3), classes=2), (images, labels)).passed
