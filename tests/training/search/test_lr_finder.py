"""The learning-rate finder: losses against NumPy, and a model left as it was."""

import itertools
import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfconv
from tfconv.training import FusedAdam, NonFiniteLossError, discriminative, layer_groups, optimizers
from tfconv.training.loop.model_state import fresh_optimizer
from tfconv.training.search import lr_finder
from tfconv.training.search.lr_finder import lr_find

L = keras.layers


def regression(batches=3):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batches, 8, 2)).astype("float32"), rng.normal(size=(batches, 8, 1)).astype("float32")
    return x, y, tf.data.Dataset.from_tensor_slices((x, y))


def linear_model(weights=((0.5,), (-0.3,))):
    model = keras.Sequential([keras.Input((2,)), L.Dense(1, use_bias=False)])
    model.set_weights([np.array(weights, "float32")])
    return model


def trained():
    """A model with everything that a step changes: statistics, dropout's seeds, Adam's moments, metrics."""
    keras.utils.set_random_seed(1)
    data = tfconv.data.synthetic_reviews(80).prepare(length=12, vocabulary_size=40, batch_size=16, bucket=True)
    inner = [L.Embedding(40, 4), L.GlobalAveragePooling1D(), L.Dense(6), L.BatchNormalization(), L.Dropout(0.5)]
    model = keras.Sequential([keras.Input((None,)), *inner, L.Dense(1)])
    optimizer = FusedAdam(0.01, weight_decay=0.01, use_ema=True)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    model.fit(data.train, epochs=2, shuffle=False, verbose=0)
    model.stop_training = True
    return model, data


def everything(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    assert any("seed" in variable.path for variable in variables)
    return [variable.numpy().tobytes() for variable in variables]


@pytest.fixture(scope="module")
def left_alone():
    """One model for every test that finds it as it was."""
    return trained()


@pytest.mark.parametrize("ending", ["all steps", "diverged", "not a number", "error", "Ctrl-C"])
def test_the_model_is_left_as_it_was(ending, left_alone, monkeypatch):
    model, data = left_alone
    before, attributes, object_before = everything(model), dict(vars(model)), model.optimizer
    states = random.getstate(), np.random.get_state()[1].tolist()
    if ending == "all steps":
        assert len(lr_find(model, data.train, steps=20, rates=(1e-7, 1e-3)).rates) == 20
    elif ending == "diverged":
        assert len(lr_find(model, data.train, optimizer="sgd", steps=60, rates=(1e-7, 1e6), smoothing=0.5).rates) < 60
    elif ending == "not a number":
        result = lr_find(model, data.train, optimizer="sgd", loss="mse", steps=20, rates=(1e-7, 1e22), smoothing=0.99)
        assert len(result.rates) < 20 and np.isfinite(result.losses).all()
    else:
        error = {"error": tf.errors.ResourceExhaustedError(None, None, ""), "Ctrl-C": KeyboardInterrupt()}[ending]
        make, calls = lr_finder.make_runner, itertools.count()

        def failing(*args, **kwargs):
            run = make(*args, **kwargs)

            def step(iterator, count):
                if next(calls) == 5:
                    raise error
                return run(iterator, count)

            return step

        monkeypatch.setattr(lr_finder, "make_runner", failing)
        with pytest.raises(type(error)):
            lr_find(model, data.train)
        assert next(calls) == 6
    assert model.optimizer is object_before and everything(model) == before
    assert vars(model).keys() == attributes.keys()
    assert all(vars(model)[name] is value for name, value in attributes.items())
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


def test_training_goes_on_as_if_nothing_had_been():
    results = []
    for swept in (False, True):
        model, data = trained()
        if swept:
            lr_find(model, data.train, steps=10)
        history = model.fit(data.train, epochs=2, shuffle=False, verbose=0)
        results.append([*model.get_weights(), np.array(history.history["loss"])])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_that_was_not_compiled_is_not_afterwards():
    model, (x, _, data) = linear_model(), regression()
    lr_find(model, data, loss="mse", steps=5)
    assert not model.compiled and model.loss is None and not hasattr(model, "optimizer")
    unbuilt = keras.Sequential([L.Dense(1)])
    lr_find(unbuilt, data, loss="mse", steps=5)
    assert unbuilt.built and unbuilt(x[0]).shape == (8, 1)


@pytest.mark.parametrize("decay", [None, 0.3])
def test_losses_are_those_of_the_steps(decay):
    """Seven steps over three batches: gradient descent on a mean square written down."""
    x, y, data = regression(3)
    optimizer = keras.optimizers.SGD(5.0, weight_decay=decay)
    sweep = lr_find(linear_model(), data, optimizer=optimizer, loss="mse", rates=(1e-3, 0.5), steps=7, smoothing=0.8)
    weights = np.array([[0.5], [-0.3]])
    losses = []
    for step, rate in enumerate(1e-3 * 500 ** (np.arange(7) / 6)):
        inputs, targets = x[step % 3], y[step % 3]
        residual = inputs @ weights - targets
        losses.append(np.mean(residual**2))
        weights = weights * (1 - rate * (decay or 0)) - rate * 2 * inputs.T @ residual / 8
        assert sweep.rates[step] == pytest.approx(rate, rel=1e-5)
    np.testing.assert_allclose(sweep.losses, losses, rtol=1e-5)
    for step in range(7):  # the average written out: each loss weighs 0.8 times as much as the one after
        shares = 0.8 ** np.arange(step, -1, -1)
        assert sweep.smoothed[step] == pytest.approx(np.sum(shares * losses[: step + 1]) / np.sum(shares), rel=1e-5)


@pytest.mark.parametrize("wrap", ["accumulate", "lookahead", "loss scale", "discriminative", "lazy-adam", "muon"])
def test_every_optimizer_is_swept(wrap):
    data = regression(3)[2]
    model = keras.Sequential([keras.Input((2,)), L.Dense(3, name="body"), L.Dense(1, name="logits")])
    name = wrap if wrap in ("lazy-adam", "muon") else "sgd"
    optimizer = optimizers.make(name, 0.1, accumulate=2 if wrap == "accumulate" else 1, lookahead=wrap == "lookahead")
    if wrap == "loss scale":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0)
    if wrap == "discriminative":
        optimizer = discriminative(optimizer, layer_groups(model, 2), [0.1, 1.0])
    before = model.get_weights()
    sweep = lr_find(model, data, optimizer=optimizer, loss="mse", rates=(1e-4, 1e-2), steps=7)
    rates = np.geomspace(1e-4, 1e-2, 7)
    np.testing.assert_allclose(sweep.rates, np.repeat(rates, 2) if wrap == "accumulate" else rates, rtol=1e-5)
    assert sweep.losses[-1] < sweep.losses[(len(sweep.losses) - 1) % 3] or wrap == "muon"
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_stops_at_four_times_the_lowest():
    data = regression()[2]
    sweep = lr_find(linear_model(), data, optimizer="sgd", loss="mse", rates=(1e-3, 1e3), steps=60, smoothing=0.5)
    assert len(sweep.rates) < 60
    lowest = np.minimum.accumulate(sweep.smoothed)
    assert (sweep.smoothed[:-1] <= 4 * lowest[:-1]).all() and sweep.smoothed[-1] > 4 * lowest[-1]


def test_class_weights_weigh():
    x = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")
    data = tf.data.Dataset.from_tensors((x, np.array([0, 1])))
    losses = [
        lr_find(linear_model(), data, class_weight=weight, steps=2).losses[0] for weight in (None, {0: 2.0, 1: 0.0})
    ]
    logits = x @ np.array([0.5, -0.3])
    each = np.log1p(np.exp(np.where([True, False], logits, -logits)))
    np.testing.assert_allclose(losses, [each.mean(), each[0]], rtol=1e-5)
    with pytest.raises(ValueError, match="got batches with sample weights of their own"):
        lr_find(linear_model(), data.map(lambda x, y: (x, y, y)), class_weight={0: 2.0}, steps=2)


def test_loss_weights_weigh():
    model, (x, y, data) = linear_model(), regression()
    model.compile("sgd", "mse", loss_weights=[0.01], jit_compile=False)
    expected = 0.01 * np.mean((x[0] @ [[0.5], [-0.3]] - y[0]) ** 2)
    assert lr_find(model, data, steps=2).losses[0] == pytest.approx(expected, rel=1e-5)


def test_two_replicas_equal_one(two_replicas):
    losses = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = linear_model()
            model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
            before = model.get_weights()[0]
            losses.append(lr_find(model, regression()[2], rates=(1e-3, 0.1), steps=8).losses)
        np.testing.assert_array_equal(model.get_weights()[0], before)
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_weights_excluded_from_decay_stay_excluded():
    kernel, bias = keras.Variable(np.ones(2), name="kernel"), keras.Variable(np.ones(2), name="bias")
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    by_path = keras.optimizers.OptimizerMap(keras.optimizers.SGD(), {".*": optimizer})
    for source in (
        optimizer,
        keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0),
        keras.optimizers.MultiOptimizer(by_path),
    ):
        kernel.assign([1, 1])
        fresh_optimizer(source).apply([tf.zeros(2), tf.zeros(2)], [kernel, bias])
        np.testing.assert_allclose(kernel, 0.95)
        np.testing.assert_array_equal(bias, 1)
    assert not optimizer.built


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": (0.0, 10.0)}, r"rates must be two numbers above 0, the second one greater, got \(0.0, 10.0\)"),
        ({"rates": (1.0, 0.1)}, r"rates must be two numbers above 0, the second one greater, got \(1.0, 0.1\)"),
        ({"rates": (1e-7, float("nan"))}, "rates must be two numbers"),
        ({"rates": (1e-7, 1e38)}, "the second of rates must be at most 1e30 times the first, got .1e-07, 1e.38"),
        ({"steps": 1}, "steps must be 2 or more, got 1"),
        ({"smoothing": 1.0}, "smoothing must be from 0 to below 1, got 1.0"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(ValueError, match=message):
        lr_find(linear_model(), regression()[2], loss="mse", **options)


def test_data_that_cannot_be_learned_from():
    x, y, data = regression()
    with pytest.raises(ValueError, match="the training data set is empty"):
        lr_find(linear_model(), data.take(0), loss="mse")
    with pytest.raises(NonFiniteLossError, match="NaN or infinite at the lowest learning rate, 1e-07: look for NaN"):
        lr_find(linear_model(), tf.data.Dataset.from_tensors((x[0] * np.nan, y[0])), loss="mse")
