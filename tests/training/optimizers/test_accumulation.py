"""Gradient accumulation: n small batches against one large, with our optimizers and under our loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.training import FusedAdam, fit
from tfconv.training.optimizers.adam import LazyAdam
from tfconv.training.optimizers.muon import Muon
from tfconv.training.optimizers.wrappers import GradientAccumulation, Lookahead

OPTIMIZERS = {
    "fused_adam": lambda **k: FusedAdam(0.02, weight_decay=0.1, **k),
    "sgd": lambda **k: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, **k),
    "muon": lambda **k: Muon(0.02, exclude_layers=["logits"], **k),
    "lookahead": lambda **k: Lookahead(FusedAdam(0.02, **k), k=2),
    "average": lambda **k: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, **k),
    "schedule": lambda **k: FusedAdam(keras.optimizers.schedules.PolynomialDecay(0.1, 8, 0.0), **k),
}


def texts(n=48, batch=24):
    rng = np.random.default_rng(5)
    x = rng.integers(0, 9, (n, 6))
    return tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 4).astype("int32"))).batch(batch)


def net():
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(9, 4),
            keras.layers.Conv1D(5, 3, activation="tanh"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1, name="logits"),
        ]
    )


class Dense(keras.optimizers.SGD):
    """SGD that clips an embedding's gradient by its norm; Keras' takes the norm of its parts."""

    def _clip_gradients(self, grads):
        return super()._clip_gradients([tf.convert_to_tensor(gradient) for gradient in grads])


def compare(one, other, tolerance=1e-6):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=100 * tolerance, atol=tolerance)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_small_batches_equal_a_large_one(name):
    models = []
    for n in (1, 3):
        model, optimizer = net(), OPTIMIZERS[name]()
        optimizer = optimizer if n == 1 else GradientAccumulation(optimizer, n)
        fit(model, texts(batch=24 // n), epochs=4, optimizer=optimizer, verbose=0)
        assert int(optimizer.iterations) == 8
        models.append(model)
    compare(*models, 1e-5 if name == "muon" else 1e-6)  # Newton-Schulz enlarges the rounding of small gradients


@pytest.mark.parametrize("kind", [Dense, LazyAdam])
def test_clips_the_mean_gradient(kind):
    models = []
    for n in (1, 4):
        model, optimizer = net(), kind(0.02, global_clipnorm=0.05)
        optimizer = optimizer if n == 1 else GradientAccumulation(optimizer, n)
        fit(model, texts(batch=24 // n), epochs=4, optimizer=optimizer, verbose=0)
        models.append(model)
    compare(*models)


@pytest.mark.parametrize("name", ["fused_adam", "muon"])
def test_equals_keras_own_on_one_device(name):
    models = []
    for ours in (True, False):
        model = net()
        if ours:
            optimizer = GradientAccumulation(OPTIMIZERS[name](), 3)
        else:
            optimizer = OPTIMIZERS[name](gradient_accumulation_steps=3)
        fit(model, texts(batch=8), epochs=3, optimizer=optimizer, verbose=0)
        models.append(model)
    compare(*models)


def test_a_group_goes_on_over_the_end_of_an_epoch_and_the_last_one_waits():
    gradients = np.array([3.0, 1, 4, 1, 5], "float32")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    data = tf.data.Dataset.from_tensor_slices((gradients[:, None], gradients)).batch(1)
    course = []

    class Course(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            course.append(model.get_weights()[0].item())

    optimizer = GradientAccumulation(keras.optimizers.SGD(0.1), 3)
    model.compile(optimizer, loss=lambda y, p: p, jit_compile=False)
    fit(model, data, epochs=2, callbacks=[Course()], verbose=0)
    two, expected, w = np.tile(gradients, 2), [], 0.0
    for t in range(10):
        if t % 3 == 2:
            w -= 0.1 * two[t - 2 : t + 1].mean()
        expected.append(w)
    np.testing.assert_allclose(course, expected, rtol=1e-5, atol=1e-7)
    assert int(optimizer.iterations) == 3


def test_resumes_to_the_bit_in_the_middle_of_a_group(tmp_path):
    models = []
    for runs in ((4,), (1, 4)):  # three batches an epoch, groups of two
        for i, epochs in enumerate(runs):
            model, optimizer = net(), GradientAccumulation(OPTIMIZERS["lookahead"](global_clipnorm=0.1), 2)
            run_dir = tmp_path / str(len(runs))
            fit(model, texts(batch=16), epochs=epochs, optimizer=optimizer, run_dir=run_dir, resume=i > 0, verbose=0)
        models.append(model)
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "wrap"), [("fused_adam", lambda o: o), ("lookahead", keras.optimizers.LossScaleOptimizer)]
)
def test_two_replicas_equal_one(name, wrap, two_replicas):
    models = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = net()
        optimizer = wrap(GradientAccumulation(OPTIMIZERS[name](), 2))
        fit(model, texts(batch=12), epochs=3, optimizer=optimizer, strategy=strategy, verbose=0)
        models.append(model)
    compare(*models, 1e-5)


def test_variables_without_a_gradient_and_half_precision_ones():
    used, unused = keras.Variable(np.ones(2, "float32")), keras.Variable(np.ones(2, "float32"))
    optimizer = GradientAccumulation(keras.optimizers.SGD(0.5), 2)
    for value in (1.0, 3.0):
        optimizer.apply([tf.fill([2], tf.constant(value, tf.float16)), None], [used, unused])
    np.testing.assert_allclose(used, [0.0, 0.0])
    np.testing.assert_allclose(unused, [1.0, 1.0])


def test_saved_with_its_model(tmp_path):
    model = net()
    fit(model, texts(batch=16), optimizer=GradientAccumulation(FusedAdam(0.03), 2), epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is GradientAccumulation and loaded.optimizer.steps == 2
    for one in (model, loaded):
        fit(one, texts(batch=16), epochs=2, verbose=0)
    compare(model, loaded)


def test_mistakes_name_the_argument():
    for steps in (1, 2.0):
        with pytest.raises(ValueError, match=f"steps must be a whole number of 2 or more, got {steps}"):
            GradientAccumulation(FusedAdam(0.1), steps)
    with pytest.raises(ValueError, match="gradient_accumulation_steps must be None, got 4"):
        GradientAccumulation(FusedAdam(0.1, gradient_accumulation_steps=4), 2)
