"""Rates by layer group against NumPy, against one optimizer a group, and against freezing."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfconv.training import (
    DiscriminativeRates,
    FusedAdam,
    LazyAdam,
    Lookahead,
    Muon,
    decay_kernels_only,
    discriminative,
    fit,
    layer_groups,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 5)).astype("float32")
Y = RNG.normal(size=(12, 2)).astype("float32")
DATA = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


def network():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, activation="tanh", name="one"),
            keras.layers.Dense(3, activation="tanh", name="two"),
            keras.layers.Dense(2, name="three"),
        ]
    )


def trained(optimizer, model, epochs=2, data=DATA, **more):
    fit(model, data, epochs=epochs, optimizer=optimizer, loss="mse", verbose=0, **more)
    return model.get_weights()


def test_sgd_with_momentum_and_decay_is_numpys():
    variables = [keras.Variable(RNG.normal(size=(3, 2)).astype("float32"), name=name) for name in "abc"]
    rates = {variable.path: rate for variable, rate in zip(variables, (0.0, 0.1, 1.0), strict=True)}
    expected, velocity = [variable.numpy().astype("float64") for variable in variables], [0.0, 0.0, 0.0]
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.5, 1, 1.0)
    optimizer = DiscriminativeRates(keras.optimizers.SGD(schedule, momentum=0.9, weight_decay=0.2), rates)
    for step in range(4):
        gradients = RNG.normal(size=(3, 3, 2)).astype("float32")
        optimizer.apply([tf.constant(gradient) for gradient in gradients], variables)
        for i, factor in enumerate((0.0, 0.1, 1.0)):
            rate = 0.5 / (1 + step) * factor
            expected[i] = expected[i] * (1 - rate * 0.2)
            velocity[i] = 0.9 * velocity[i] - rate * gradients[i]
            expected[i] = expected[i] + velocity[i]
    for variable, values in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable, values, rtol=1e-5, atol=1e-6)


OPTIMIZERS = {
    "scheduled momentum": lambda rate, decay: FusedAdam(
        rate, keras.optimizers.schedules.InverseTimeDecay(0.9, 2, 0.2), weight_decay=decay
    ),
    "our muon": lambda rate, decay: Muon(rate, weight_decay=decay, adam_weight_decay=decay),
    "lazy adam": lambda rate, decay: LazyAdam(rate, weight_decay=decay),
    "fused adam": lambda rate, decay: FusedAdam(rate, weight_decay=decay),
    "adamw": lambda rate, decay: keras.optimizers.AdamW(rate, weight_decay=decay),
    "nesterov": lambda rate, decay: keras.optimizers.SGD(rate, 0.9, nesterov=True, weight_decay=decay),
    "rmsprop": lambda rate, decay: keras.optimizers.RMSprop(rate, weight_decay=decay),
    "lion": lambda rate, decay: keras.optimizers.Lion(rate, weight_decay=decay),
    "muon": lambda rate, decay: keras.optimizers.Muon(rate, weight_decay=decay, adam_weight_decay=decay),
    "clipped": lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay, clipnorm=0.01),
    "accumulating": lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay, gradient_accumulation_steps=2),
    "averaging": lambda rate, decay: keras.optimizers.Adam(rate, weight_decay=decay, use_ema=True, ema_momentum=0.5),
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_equals_one_optimizer_a_group(kind):
    make, rates = OPTIMIZERS[kind], (0.01, 0.1, 1.0)
    model = network()
    ours = trained(discriminative(make(0.05, 0.1), layer_groups(model), rates), model)
    model = network()
    apart = {layer.name: make(0.05 * rate, 0.1) for layer, rate in zip(model.layers, rates, strict=True)}
    for layer in model.layers:
        apart[layer.name].build(layer.trainable_variables)
    loss = keras.losses.MeanSquaredError()
    for _ in range(2):
        for x, y in DATA:
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            gradients = tape.gradient(value, [weight.value for weight in model.trainable_variables])
            for i, layer in enumerate(model.layers):
                apart[layer.name].apply(gradients[2 * i : 2 * i + 2], layer.trainable_variables)
    for layer in model.layers:
        apart[layer.name].finalize_variable_values(layer.trainable_variables)
    for one, other in zip(ours, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-5)


def test_a_norm_over_all_gradients_stays_one_norm():
    results = []
    for wrapped in (True, False):
        model = network()
        optimizer = keras.optimizers.SGD(0.1, global_clipnorm=0.05)
        results.append(
            trained(discriminative(optimizer, layer_groups(model), (1.0, 1.0)) if wrapped else optimizer, model)
        )
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_multiplier_0_is_frozen_to_the_bit():
    results = []
    for frozen in (True, False):
        model = network()
        before = model.get_weights()
        if frozen:
            model.layers[0].trainable = False
            optimizer = FusedAdam(0.01, weight_decay=0.1)
        else:
            optimizer = discriminative(FusedAdam(0.01, weight_decay=0.1), layer_groups(model), (0.0, 1.0, 1.0))
        after = trained(optimizer, model)
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])
        results.append(after)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1e3, allow_subnormal=False), st.floats(1e-6, 1e3, allow_subnormal=False), st.integers(3, 12))
def test_two_numbers_are_spread_in_equal_ratios(lowest, highest, number):
    groups = [[keras.layers.Dense(1, name=f"layer_{i}")] for i in range(number)]
    for (layer,) in groups:
        layer.build((None, 1))
    optimizer = discriminative(keras.optimizers.SGD(0.1), groups, (lowest, highest))
    rates = [optimizer.multipliers[layer.kernel.path] for (layer,) in groups]
    assert np.isclose(rates[0], lowest) and np.isclose(rates[-1], highest)
    np.testing.assert_allclose(np.diff(np.log(rates)), np.log(highest / lowest) / (number - 1), atol=1e-9)


@pytest.mark.parametrize("wrong", [(0.0, 1.0), (-1, 1, 1), (1, float("nan"), 1), (0, 0, 0), (1, 1, 1, 1), ()])
def test_refused_multipliers(wrong):
    with pytest.raises(ValueError, match="multipliers must"):
        discriminative(keras.optimizers.SGD(0.1), layer_groups(network()), wrong)


def test_refused_variables():
    groups = layer_groups(network())
    optimizer = discriminative(keras.optimizers.SGD(0.1), groups, (0.1, 1))
    with pytest.raises(ValueError, match="got 0 for elsewhere"):
        optimizer.build([keras.Variable(1.0, name="elsewhere")])
    optimizer = discriminative(keras.optimizers.SGD(0.1), groups, (0, 1, 1))
    with pytest.raises(ValueError, match="got only 0"):
        optimizer.build(groups[0][0].trainable_variables)
    twice = [[keras.layers.Dense(1, name="same")] for _ in range(3)]
    for (layer,) in twice:
        layer.build((None, 1))
    with pytest.raises(ValueError, match="different paths"):
        discriminative(keras.optimizers.SGD(0.1), twice, (0.1, 1))


def test_the_rate_is_read_and_set_as_any_optimizers():
    model = network()
    optimizer = discriminative(keras.optimizers.SGD(0.4), layer_groups(model), (0.1, 1))
    assert float(optimizer.learning_rate) == pytest.approx(0.4)
    model.compile(optimizer, "mse", jit_compile=False)
    halving = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    fit(model, DATA, epochs=3, callbacks=[halving], verbose=0)
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    assert int(optimizer.iterations) == 9


def test_averages_are_swapped_in_by_keras_callback():
    model = network()
    inner = keras.optimizers.SGD(0.1, use_ema=True)
    optimizer = discriminative(inner, layer_groups(model), (0.1, 1))
    callback = keras.callbacks.SwapEMAWeights()
    trained(optimizer, model, validation_data=DATA, callbacks=[callback])
    for weight, average in zip(model.weights, inner._model_variables_moving_average, strict=True):
        np.testing.assert_allclose(weight, average, rtol=1e-6)


@pytest.mark.parametrize("around", [keras.optimizers.LossScaleOptimizer, lambda inner: Lookahead(inner, alpha=1.0)])
def test_other_optimizers_go_around_it(around):
    results = []
    for wrapped in (True, False):
        model = network()
        optimizer = discriminative(keras.optimizers.SGD(0.1), layer_groups(model), (0.1, 1))
        results.append(trained(around(optimizer) if wrapped else optimizer, model))
    with pytest.raises(ValueError, match="wrap the result in it"):
        discriminative(around(keras.optimizers.SGD(0.1)), layer_groups(model), (0.1, 1))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_saved_with_its_model_and_decay_left_out(tmp_path):
    model = network()
    inner = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    decay_kernels_only(inner, model)
    optimizer = discriminative(inner, layer_groups(model), (0.1, 1))
    assert [path.split("/", 1)[1] for path in optimizer.undecayed] == ["one/bias", "two/bias", "three/bias"]
    trained(optimizer, model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is DiscriminativeRates and type(loaded.optimizer.inner_optimizer) is type(inner)
    assert int(loaded.optimizer.iterations) == int(optimizer.iterations) == 6
    for both in (model, loaded):
        fit(both, DATA, epochs=1, verbose=0)
    for one, other in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    bias = keras.Variable(np.ones(3, "float32"), name="bias")
    again = DiscriminativeRates.from_config(
        DiscriminativeRates(keras.optimizers.SGD(0.1, weight_decay=0.5), {bias.path: 1.0}, [bias.path]).get_config()
    )
    again.apply([tf.zeros(3)], [bias])
    np.testing.assert_array_equal(bias, np.ones(3))


def test_resumed_run_ends_as_one_that_was_not_stopped(tmp_path):
    weights = []
    for epochs in ([4], [2, 4]):
        run = tmp_path / str(len(epochs))
        for i, last in enumerate(epochs):
            model = network()
            schedule = keras.optimizers.schedules.CosineDecay(0.1, 12)
            optimizer = discriminative(FusedAdam(schedule, weight_decay=0.1), layer_groups(model), (0.1, 1))
            trained(optimizer, model, epochs=last, run_dir=run, resume=i > 0)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_replicas_equal_one(two_replicas):
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = network()
            inner = keras.optimizers.SGD(0.1, 0.9, weight_decay=0.1)
            decay_kernels_only(inner, model)
            optimizer = discriminative(inner, layer_groups(model), (0.01, 1))
        results.append(trained(optimizer, model, strategy=strategy))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
