"""The shapes: reproducible, balanced, nothing for a linear model, enough for a convolution."""

import keras
import numpy as np
import pytest

from tfconv import InputError
from tfconv.data import synthetic_shapes


def test_the_same_seed_gives_the_same_pixels():
    data, again, other = synthetic_shapes(300), synthetic_shapes(300), synthetic_shapes(300, 1)
    store = data.examples["train"].store
    np.testing.assert_array_equal(again.examples["train"].store, store)
    np.testing.assert_array_equal(again.examples["train"].rows, data.examples["train"].rows)
    assert (other.examples["train"].store != store).mean() > 0.9
    assert len(np.unique(store.reshape(300, -1), axis=0)) == 300
    assert synthetic_shapes(100, size=20).image_shape == (20, 20, 3)


def test_classes_are_balanced_in_every_split():
    data = synthetic_shapes(1000)
    assert len(set(data.class_names)) == 10 and repr(data).endswith(
        "train: 700, validation: 100, test: 200, 0 skipped)"
    )
    for part, each in (("train", 70), ("validation", 10), ("test", 20)):
        assert data.examples[part].class_counts(10).tolist() == [each] * 10
    rows = np.concatenate([part.rows for part in data.examples.values()])
    assert sorted(rows) == list(range(1000))
    assert list(synthetic_shapes(100, validation=0, test=0).examples) == ["train"]


def test_colours_place_and_size_say_nothing():
    """Averages over a class are those over all, by analysis of variance: no class has a colour of its own."""
    data = synthetic_shapes(3000, validation=0, test=0)
    part = data.examples["train"]
    colours = part.pixels.reshape(3000, -1, 3).mean(1)
    groups = [colours[part.labels == label] for label in range(10)]
    between = sum(len(group) * (group.mean(0) - colours.mean(0)) ** 2 for group in groups) / 9
    within = sum(((group - group.mean(0)) ** 2).sum(0) for group in groups) / 2990
    assert (between / within < 3.5).all()  # F(9, 2990) passes 3.5 once in 4,000 times


def test_a_linear_model_learns_little_and_a_convolution_nearly_all():
    data = synthetic_shapes(3000).prepare(batch_size=64)
    train, test = data.examples["train"], data.examples["test"]

    def features(part):
        return np.c_[part.pixels.reshape(len(part), -1) / 255 - 0.5, np.ones(len(part))]

    inputs, targets = features(train), np.eye(10)[train.labels]
    weights = np.linalg.solve(inputs.T @ inputs + 100 * np.eye(inputs.shape[1]), inputs.T @ targets)
    assert ((features(test) @ weights).argmax(1) == test.labels).mean() < 0.3

    model = keras.Sequential([keras.Input(data.image_shape)])
    for width in (16, 32, 64):
        model.add(keras.layers.Conv2D(width, 3, padding="same", use_bias=False))
        model.add(keras.layers.BatchNormalization(momentum=0.9))
        model.add(keras.layers.ReLU())
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.GlobalMaxPooling2D())
    model.add(keras.layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"], jit_compile=False)
    for _ in range(8):
        model.fit(data.train, verbose=0, shuffle=False)
    assert model.evaluate(data.test, verbose=0)[1] > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 99}, "n must be a whole number from 100"),
        ({"n": 1000.0}, "n must be a whole number from 100"),
        ({"size": 15}, "size must be a whole number from 16"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"test": 1}, "test must be a fraction"),
        ({"validation": 0.5, "test": 0.5}, "validation . test must leave a tenth to train on"),
    ],
)
def test_what_it_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        synthetic_shapes(**arguments)
