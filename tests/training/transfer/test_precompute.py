"""Features of a frozen body: training the head on them is training through the body; no stale cache."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import models
from tfconv.data import synthetic_reviews, synthetic_shapes
from tfconv.training import fit, freeze_to, precompute, split_head
from tfconv.training.transfer import precompute as features

SHAPES = synthetic_shapes(200, size=16).prepare(batch_size=32, seed=5)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def images(activation="relu"):
    keras.utils.set_random_seed(1)
    return models.WhitenedResNet((16, 16, 3), 10, widths=(4, 8), activation=activation, pooling="concat")


def texts(size):
    keras.utils.set_random_seed(1)
    return models.MultiWidthTextCNN(size, embedding_dim=6, filters=5, hidden_units=7, dropout=0.0)


@pytest.mark.parametrize("kind", ["images", "texts"])
def test_the_head_learns_the_same_as_through_the_frozen_body(kind, tmp_path):
    if kind == "images":
        data, make = SHAPES, images
    else:
        data = synthetic_reviews(200).prepare(batch_size=32, length=30, seed=5)
        size = len(data.preprocess.vocabulary)
        make = lambda: texts(size)  # noqa: E731
    whole, model = make(), make()
    freeze_to(whole, -1)
    settings = {"epochs": 3, "verbose": 0, "metrics": [], "loss": LOSS if kind == "images" else "mse"}
    history = fit(whole, data.train, optimizer=keras.optimizers.Adam(0.01), **settings)
    body, head = split_head(model)
    ready = precompute(body, data.batches("train"), batch_size=32, seed=5, cache=tmp_path)
    again = fit(head, ready, optimizer=keras.optimizers.Adam(0.01), **settings)
    np.testing.assert_allclose(history.history["loss"], again.history["loss"], rtol=1e-4)
    for one, other in zip(whole.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_a_file_is_used_only_for_the_same_body_and_data(tmp_path, monkeypatch):
    passes = []
    computed = features._computed
    monkeypatch.setattr(features, "_computed", lambda *given: passes.append(given) or computed(*given))
    body, _ = split_head(images())
    batches = SHAPES.batches("train")

    def values():
        return [x.numpy() for x, _ in precompute(body, batches, cache=tmp_path)]

    first = values()
    np.testing.assert_array_equal(first[0], values()[0])
    body, _ = split_head(images())  # built anew: the same weights
    values()
    assert len(passes) == 1 and len(list(tmp_path.iterdir())) == 1
    body.weights[-1].assign_add(np.ones(body.weights[-1].shape))
    assert not np.array_equal(first[0], values()[0]) and len(passes) == 2
    batches = synthetic_shapes(200, seed=1, size=16).batches("train")
    values()
    assert len(passes) == 3 and len(list(tmp_path.iterdir())) == 3
    weights = body.get_weights()
    body, _ = split_head(images("elu"))
    body.set_weights(weights)
    values()
    assert len(passes) == 4 and len(list(tmp_path.iterdir())) == 4
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-200])
    values()
    assert len(passes) == 5
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_sample_weights_go_along(tmp_path):
    weigh = lambda x, y: (x, y, tf.cast(y, tf.float32) + 0.5)  # noqa: E731
    body, _ = split_head(images())
    for _ in range(2):  # the second time from the file
        ready = precompute(body, SHAPES.batches("train").map(weigh), batch_size=32, cache=tmp_path)
        for rows, labels, weights in ready:
            assert len(rows) == len(labels)
            np.testing.assert_array_equal(weights, labels.numpy() + 0.5)


def test_batches_that_change_or_have_no_labels_are_refused():
    body, _ = split_head(images())
    with pytest.raises(ValueError, match="a data set of .inputs, labels. is needed"):
        precompute(body, SHAPES.batches("train").map(lambda x, y: x))
    with pytest.raises(ValueError, match="not augmented"):
        precompute(body, SHAPES.train)
    with pytest.raises(ValueError, match="at least one batch"):
        precompute(body, SHAPES.batches("train").take(0))
