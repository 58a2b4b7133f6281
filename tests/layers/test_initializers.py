"""Kernels that pass their input on."""

import keras
import numpy as np
import pytest

from tfconv.layers import Dirac


@pytest.mark.parametrize(("channels", "filters"), [(3, 8), (8, 3), (4, 4)])
def test_dirac_passes_the_first_channels_on(channels, filters):
    x = np.random.default_rng(0).normal(size=(2, 6, 7, channels)).astype("float32")
    layer = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=Dirac())
    kept = min(channels, filters)
    y = np.asarray(layer(x))
    np.testing.assert_array_equal(y[..., :kept], x[..., :kept])
    others = np.asarray(layer.kernel)[..., kept:]
    bound = 1 / np.sqrt(9 * channels)
    assert np.all(np.abs(others) <= bound)
    if others.size:
        assert abs(others.std() - bound / np.sqrt(3)) < 0.15 * bound


def test_dirac_is_drawn_from_its_seed():
    a, b, c = (np.asarray(Dirac(seed)((3, 3, 2, 5))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.any(a != c)
    revived = keras.initializers.deserialize(keras.initializers.serialize(Dirac(1)))
    np.testing.assert_array_equal(np.asarray(revived((3, 3, 2, 5))), a)
    with pytest.raises(ValueError, match="Received"):
        Dirac()((3, 4))
