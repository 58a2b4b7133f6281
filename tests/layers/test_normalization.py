"""Batch, ghost batch and response normalisation against Keras' own layer and the formulas in NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.layers import BatchNorm, GhostBatchNorm, ResponseNormalization

SHAPES = [(16, 5), (8, 7, 5), (6, 4, 3, 5)]


def numbers(*shape, seed=3):
    return (np.random.default_rng(seed).normal(size=shape) * 2 + 1).astype("float32")


def pair(shape, **options):
    """Our layer and Keras', with the same random weights."""
    ours, stock = BatchNorm(**options), keras.layers.BatchNormalization(**{"momentum": 0.9, **options})
    for layer in (ours, stock):
        layer.build(shape)
        rng = np.random.default_rng(0)
        for weight in sorted(layer.weights, key=lambda weight: weight.name):
            weight.assign(rng.uniform(0.3, 2.0, weight.shape))
    return ours, stock


def step(layer, x, *, training):
    """Output, gradients of a loss by input and weights, and all weights afterwards."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(tf.sin(y) * numbers(*y.shape, seed=4) + y**3)
    names = [weight.name for weight in layer.trainable_variables]
    gradients = tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_variables)])
    found = {"y": y, "dx": gradients[0], **dict(zip(names, gradients[1:], strict=True))}
    return found | {f"new {weight.name}": weight.value for weight in layer.weights}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"epsilon": 0.1, "momentum": 0.5}])
def test_equals_keras_in_outputs_gradients_and_statistics(shape, training, options):
    ours, stock = pair(shape, **options)
    got, expected = (step(layer, numbers(*shape), training=training) for layer in (ours, stock))
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1.0, float(np.abs(value).max()))
        np.testing.assert_allclose(np.asarray(got[name]) / scale, np.asarray(value) / scale, atol=1e-5, err_msg=name)


def test_equals_the_formula():
    x = numbers(9, 4, 3, 5).astype("float64")
    ours, _ = pair(x.shape)
    before = {weight.name: weight.numpy() for weight in ours.weights}
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    expected = before["gamma"] * (x - mean) / np.sqrt(variance + 1e-3) + before["beta"]
    np.testing.assert_allclose(ours(x.astype("float32"), training=True), expected, atol=2e-5)
    np.testing.assert_allclose(ours.moving_mean, 0.9 * before["moving_mean"] + 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, 0.9 * before["moving_variance"] + 0.1 * variance, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_frozen_layer_keeps_its_statistics(shape):
    ours, _ = pair(shape)
    ours.trainable = False
    before = [weight.numpy() for weight in ours.weights]
    x = numbers(*shape)
    np.testing.assert_array_equal(ours(x, training=True), ours(x, training=False))
    for weight, value in zip(ours.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_masked_steps_take_no_part():
    x, mask = numbers(4, 6, 5), np.arange(6) < np.array([[6], [2], [4], [1]])
    results = [layer(x, training=True, mask=tf.constant(mask)) for layer in pair(x.shape)]
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    real = x[mask]
    ours, _ = pair(x.shape)
    ours(x, training=True, mask=tf.constant(mask))
    expected = 0.9 * pair(x.shape)[0].moving_mean.numpy() + 0.1 * real.mean(0)
    np.testing.assert_allclose(ours.moving_mean, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_its_statistics_in_float32(dtype):
    x = numbers(64, 8, 8, 5) + 300.0  # its squares are beyond float16
    layer = BatchNorm(dtype=dtype, momentum=0.0)
    y = layer(x.astype("float32"), training=True)
    assert y.dtype == layer.compute_dtype and np.all(np.isfinite(tf.cast(y, "float32")))
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    rounded = tf.cast(tf.cast(x, layer.compute_dtype), "float64").numpy()
    np.testing.assert_allclose(layer.moving_mean, rounded.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, rounded.var((0, 1, 2)), rtol=1e-2)


def test_replicas_share_statistics_where_asked(two_replicas):
    x = numbers(8, 3, 3, 5)

    def updated(synchronized):
        with two_replicas.scope():
            layer = BatchNorm(synchronized=synchronized, momentum=0.0)
            layer.build(x.shape)
        values = two_replicas.experimental_distribute_values_from_function(
            lambda context: tf.constant(x[4 * context.replica_id_in_sync_group :][:4])
        )
        outputs = two_replicas.run(tf.function(lambda part: layer(part, training=True)), (values,))
        return np.concatenate([part.numpy() for part in two_replicas.experimental_local_results(outputs)])

    whole = BatchNorm()
    np.testing.assert_allclose(updated(True), whole(x, training=True), atol=1e-5)
    apart = np.concatenate([BatchNorm()(x[:4], training=True), BatchNorm()(x[4:], training=True)])
    np.testing.assert_allclose(updated(False), apart, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 5), (8, 3, 3, 5)])
@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}])
def test_gradients_over_replicas_are_those_of_the_whole_batch(shape, options, two_replicas):
    """A loss of unequal parts, 3 and 5 examples, and a large mean, where sums of squares would cancel."""
    x, weigh = numbers(*shape) + 1000.0, numbers(*shape)[::-1].copy()
    variables = {}

    def gradients(layer, x, weigh, mine):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * weigh)
        variables[mine] = [variable.value for variable in layer.trainable_variables]
        return y, *tape.gradient(loss, [x, *variables[mine]])

    one = BatchNorm(**options)
    expected = gradients(one, tf.constant(x), tf.constant(weigh), "one")
    with two_replicas.scope():
        layer = BatchNorm(**options)
        layer.build(x.shape)

    def part(values):
        cut = [slice(0, 3), slice(3, 8)]
        return two_replicas.experimental_distribute_values_from_function(
            lambda context: tf.constant(values[cut[context.replica_id_in_sync_group]])
        )

    found = two_replicas.run(tf.function(lambda x, w: gradients(layer, x, w, "two")), (part(x), part(weigh)))
    found = [two_replicas.experimental_local_results(value) for value in found]
    for whole, parts in zip(expected[:2], found[:2], strict=True):
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-3)
    for whole, parts in zip(expected[2:], found[2:], strict=True):
        # Of values about 1000 float32 keeps 4 digits of what normalisation leaves.
        np.testing.assert_allclose(sum(parts), whole, atol=1e-3 * float(np.abs(whole).max()))
    np.testing.assert_allclose(layer.moving_mean, one.moving_mean, rtol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, one.moving_variance, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"momentum": 1.0}, "momentum must be from 0 to below 1"), ({"epsilon": 0.0}, "epsilon must be above 0")],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        BatchNorm(**options)


EXAMPLE_SHAPES = [(5,), (3, 4, 5)]


def spread(*shape):
    return np.random.default_rng(3).normal(2.0, 3.0, size=shape).astype("float32")


def with_weights(layer, x):
    layer.build(x.shape)
    layer.gamma.assign([0.5, 1.0, -2.0, 3.0, 0.1])
    layer.beta.assign([1.0, 0.0, -1.0, 2.0, 0.5])
    return layer


@pytest.mark.parametrize("shape", EXAMPLE_SHAPES)
@pytest.mark.parametrize(("batch", "parts"), [(12, [4, 4, 4]), (11, [4, 7]), (14, [4, 4, 6]), (3, [3])])
def test_each_virtual_batch_is_normalised_as_keras_would(shape, batch, parts):
    x = spread(batch, *shape)
    layer = with_weights(GhostBatchNorm(4, momentum=0.8), x)
    y = layer(x, training=True)
    ends = np.cumsum(parts)
    stocks = [with_weights(keras.layers.BatchNormalization(momentum=0.8), x) for _ in parts]
    pieces = [stock(x[end - n : end], training=True) for stock, end, n in zip(stocks, ends, parts, strict=True)]
    np.testing.assert_allclose(y, np.concatenate(pieces), rtol=1e-4, atol=1e-4)
    for name in ("moving_mean", "moving_variance"):
        moved = np.average([np.asarray(getattr(stock, name)) for stock in stocks], axis=0, weights=parts)
        np.testing.assert_allclose(getattr(layer, name), moved, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_keras_on_each_virtual_batch():
    x, target = tf.constant(spread(8, 3, 4, 5)), spread(8, 3, 4, 5)
    layer, stock = (with_weights(make, x) for make in (GhostBatchNorm(4), keras.layers.BatchNormalization()))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True) * target)
        pieces = [stock(x[i : i + 4], training=True) for i in (0, 4)]
        expected = tf.reduce_sum(tf.concat(pieces, 0) * target)
    np.testing.assert_allclose(tape.gradient(loss, x), tape.gradient(expected, x), rtol=1e-3, atol=1e-4)
    for name in ("gamma", "beta"):
        ours, theirs = getattr(layer, name).value, getattr(stock, name).value
        np.testing.assert_allclose(tape.gradient(loss, ours), tape.gradient(expected, theirs), rtol=1e-4, atol=1e-4)


def test_ghost_batch_norm_is_batch_norm_outside_training():
    x = spread(6, 3, 4, 5)
    layer, plain = with_weights(GhostBatchNorm(2), x), with_weights(BatchNorm(), x)
    for _ in range(3):
        layer(x, training=True)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-5, atol=1e-5)
    layer.trainable = False  # frozen statistics, as in Keras
    np.testing.assert_allclose(layer(x, training=True), plain(x), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, plain.moving_mean)


def test_one_virtual_batch_is_batch_norm_in_training_too():
    x = spread(6, 3, 4, 5)
    layer, plain = with_weights(GhostBatchNorm(64), x), with_weights(BatchNorm(), x)
    np.testing.assert_allclose(layer(x, training=True), plain(x, training=True), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, plain.moving_variance, rtol=1e-5)


def test_virtual_batches_of_unknown_batch_sizes_in_a_graph():
    layer = with_weights(GhostBatchNorm(4), spread(1, 3, 4, 5))
    traced = tf.function(
        lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, None, None, 5), tf.float32)]
    )
    for batch in (3, 9):
        x = spread(batch, 3, 4, 5)
        np.testing.assert_allclose(traced(x), layer(x, training=True), rtol=1e-4, atol=1e-4)


def test_ghost_batch_norm_refuses_impossible_arguments_and_masks():
    with pytest.raises(ValueError, match="virtual_batch_size"):
        GhostBatchNorm(0)
    with pytest.raises(ValueError, match="mask"):
        GhostBatchNorm()(spread(2, 3, 5), mask=np.ones((2, 3), bool))


def test_response_normalization():
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32") * 10
    expected = x / np.sqrt(1 + np.sum(x * x, axis=-1, keepdims=True))
    np.testing.assert_allclose(ResponseNormalization()(x), expected, rtol=1e-5)
    half = ResponseNormalization(dtype="float16")(np.full((1, 4), 1000.0, "float16"))  # its square is infinite
    np.testing.assert_allclose(half, np.full((1, 4), 0.5), rtol=1e-3)
