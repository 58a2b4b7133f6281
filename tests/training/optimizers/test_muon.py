"""Muon against the singular value decomposition and an update step in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import fit
from tfconv.training.optimizers.muon import Muon


def newton_schulz(x, steps=5):
    """Jordan et al. 2024, the coefficients of the quintic."""
    x = x / np.linalg.norm(x)
    x = x.T if x.shape[0] > x.shape[1] else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


def kernel(shape, path="conv/kernel"):
    variable = keras.Variable(np.random.default_rng(1).normal(size=shape).astype("float32"), name=path.split("/")[-1])
    variable._path = path
    return variable


@pytest.mark.parametrize("shape", [(3, 3, 4, 16), (1, 1, 8, 32), (5, 7, 6), (20, 12), (2, 2, 2, 8)])
@pytest.mark.parametrize("nesterov", [True, False])
def test_equals_numpy(shape, nesterov):
    variable = kernel(shape)
    gradients = np.random.default_rng(0).normal(size=(4, *shape))
    optimizer = Muon(0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    optimizer.build([variable])
    weights, m = variable.numpy().astype("float64"), 0.0
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    for gradient in gradients:
        step(tf.constant(gradient, tf.float32))
        m = 0.9 * m + gradient
        matrix = (gradient + 0.9 * m if nesterov else m).reshape(-1, shape[-1])
        direction = newton_schulz(matrix)
        direction = direction if direction.shape == matrix.shape else direction.T
        factor = 0.2 * np.sqrt(max(matrix.shape))
        weights = weights - 0.1 * 0.01 * weights - 0.1 * factor * direction.reshape(shape)
    np.testing.assert_allclose(variable, weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (2, 3, 4, 24), (30, 30), (200, 5)])
def test_the_step_is_near_the_orthogonal_factor(shape):
    """Equal singular vectors, and singular values near one: those of the gradient span a factor of a hundred."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    rng = np.random.default_rng(2)
    u, _, vt = np.linalg.svd(rng.normal(size=(rows, columns)), full_matrices=False)
    gradient = (u * np.geomspace(1, 0.01, min(rows, columns))) @ vt
    variable = kernel(shape)
    before = variable.numpy()
    optimizer = Muon(1.0, rms_rate=None, weight_decay=None, momentum=0.0)
    optimizer.apply([tf.constant(gradient.reshape(shape), tf.float32)], [variable])
    step = (before - variable.numpy()).reshape(rows, columns)
    in_basis = u.T @ step @ vt.T
    values = np.diagonal(in_basis)
    assert values.min() > 0.65 and values.max() < 1.2
    np.testing.assert_allclose(in_basis - np.diag(values), 0, atol=1e-3)
    assert np.linalg.norm(step - u @ vt) < 0.35 * np.sqrt(len(values))


def test_what_is_no_matrix_gets_adam():
    shapes = {
        "conv/kernel": (3, 3, 2, 4),
        "embedding/kernel_3": (3, 4, 5),  # of a layer that convolves over its own embedding
        "hidden/kernel": (4, 6),
        "embedding/embeddings": (9, 4),
        "depthwise/kernel": (3, 3, 4, 1),
        "logits/kernel": (6, 3),
        "bias": (6,),
        "norm/gamma": (6,),
        "scale": (),
    }
    by_adam = {"embedding/embeddings", "depthwise/kernel", "logits/kernel", "bias", "norm/gamma", "scale"}
    rng = np.random.default_rng(0)
    gradients = {path: rng.normal(size=(3, *shape)).astype("float32") for path, shape in shapes.items()}
    results = []
    for optimizer in (
        Muon(0.05, exclude_layers=["^logits/"], weight_decay=0.1, adam_weight_decay=0.1),
        keras.optimizers.Adam(0.05, weight_decay=0.1),
    ):
        variables = [kernel(shape, path) for path, shape in shapes.items()]
        optimizer.build(variables)
        for t in range(3):
            optimizer.apply([tf.constant(gradients[path][t]) for path in shapes], variables)
        results.append([v.numpy() for v in variables])
    for path, muon, adam in zip(shapes, *results, strict=True):
        assert np.allclose(muon, adam, rtol=1e-5, atol=1e-6) == (path in by_adam), path


def test_rows_named_twice_are_summed_first():
    parts = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([1, 1]), tf.constant([4, 2]))
    results = []
    for gradient in (parts, tf.convert_to_tensor(parts)):
        variable = kernel((4, 2), "embedding/embeddings")
        optimizer = Muon(0.01)
        for _ in range(2):
            optimizer.apply([gradient], [variable])
        results.append(variable.numpy())
    np.testing.assert_array_equal(*results)


def small_net(strategy=None):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(6, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, name="logits"),
        ]
    )


def stripes(n=64):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 8, 8, 1)) * 0.7
    wave = np.where(np.arange(8) % 2, 1.0, -1.0)
    x[y == 0] += wave[:, None, None]
    x[y == 1] += wave[None, :, None]
    return tf.data.Dataset.from_tensor_slices((x.astype("float32"), y)).batch(16)


def test_learns_and_is_saved_with_its_model(tmp_path):
    model = small_net()
    optimizer = Muon(0.02, exclude_layers=["logits"], ns_steps=4, rms_rate=0.3, momentum=0.9)
    assert Muon.from_config(optimizer.get_config()).get_config() == optimizer.get_config()
    history = fit(model, stripes(), epochs=8, optimizer=optimizer, verbose=0)
    assert history.history["accuracy"][-1] > 0.95
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is Muon
    for one in (model, loaded):
        fit(one, stripes(), epochs=1, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_two_replicas_equal_one(two_replicas):
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = small_net()
            model.layers[1].trainable = False  # Keras' own batch norm is not shared over replicas
        fit(model, stripes(), epochs=2, optimizer=Muon(0.02), strategy=strategy, verbose=0)
        results.append(model.get_weights())
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)
