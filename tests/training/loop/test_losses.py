"""The smoothed cross-entropy against Keras' own on rows of a softened target, and against the formula."""

import keras
import numpy as np
import pytest

from tfconv.training import SmoothedCrossentropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("column", [False, True])
def test_equals_keras_on_softened_rows(smoothing, column):
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 5, 40), rng.normal(size=(40, 5)).astype("float32") * 4
    stock = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    given = labels[:, None] if column else labels
    np.testing.assert_allclose(SmoothedCrossentropy(smoothing)(given, logits), stock(np.eye(5)[labels], logits), 1e-5)


def test_equals_the_formula_example_by_example():
    rng = np.random.default_rng(1)
    labels, logits = rng.integers(0, 4, 9), rng.normal(size=(9, 4)) * 3
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = 0.8 * np.eye(4)[labels] + 0.2 / 4
    loss = SmoothedCrossentropy(0.2, reduction="none")(labels, logits.astype("float32"))
    np.testing.assert_allclose(loss, -(target * log_p).sum(1), rtol=1e-5)


def test_survives_its_configuration():
    loss = SmoothedCrossentropy(0.3)
    revived = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(revived) is SmoothedCrossentropy and revived.label_smoothing == 0.3


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_refuses_a_share_out_of_range(smoothing):
    with pytest.raises(ValueError, match="label_smoothing must be from 0 to below 1"):
        SmoothedCrossentropy(smoothing)
