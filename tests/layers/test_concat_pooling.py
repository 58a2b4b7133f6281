"""Average and maximum side by side, against NumPy."""

import numpy as np

from tfconv.layers import ConcatPooling2D


def test_concat_pooling_is_mean_and_maximum():
    x = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype("float32")
    y = np.asarray(ConcatPooling2D()(x))
    np.testing.assert_allclose(y[:, :3], x.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(y[:, 3:], x.max(axis=(1, 2)))
