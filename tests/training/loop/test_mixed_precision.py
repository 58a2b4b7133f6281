"""Float16 with loss scaling under the loop: Keras' LossScaleOptimizer, resumed, overflowed, around our optimizers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfconv
from tfconv.training import FusedAdam, fit, in_float32
from tfconv.training.optimizers.adam import LazyAdam
from tfconv.training.optimizers.muon import Muon
from tfconv.training.optimizers.wrappers import GradientAccumulation, Lookahead


def images(n=32, batch=8):
    data = tfconv.data.synthetic_shapes(100, seed=1).prepare(batch_size=batch, drop_remainder=True, seed=3)
    return data.train.at_epoch(0).take(n // batch)


def image_net(dtype="mixed_float16"):
    keras.utils.set_random_seed(1)
    return tfconv.models.WhitenedResNet(
        input_shape=(32, 32, 3), classes=tfconv.data.synthetic_shapes(100).outputs, widths=(4, 8, 8), dtype=dtype
    )


def dense_net():
    keras.utils.set_random_seed(1)
    policy = keras.DTypePolicy("mixed_float16")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh", dtype=policy)])
    model.add(keras.layers.Dense(1, dtype="float32"))
    return model


def points():
    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32"))).batch(8)


def scalar(variable):
    return tf.convert_to_tensor(variable).numpy().item()


def test_the_loss_is_scaled_by_itself_and_weights_are_those_of_float32_up_to_rounding():
    results = []
    for dtype in ("float32", "mixed_float16"):
        model = image_net(dtype)
        history = fit(model, images(), optimizer=keras.optimizers.SGD(0.05), epochs=3, verbose=0).history
        results.append(history["loss"])
    np.testing.assert_allclose(*results, rtol=0.05)
    assert type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    assert type(model.optimizer.inner_optimizer) is keras.optimizers.SGD
    assert all(weight.dtype == "float32" for weight in model.trainable_variables)
    fit(model, images(), epochs=1, verbose=0)  # wrapped once
    assert type(model.optimizer.inner_optimizer) is keras.optimizers.SGD
    assert scalar(model.optimizer.dynamic_scale) == 2.0**15
    kept = in_float32(model)
    x = next(iter(images()))[0]
    np.testing.assert_allclose(kept(x), model(x), atol=0.05, rtol=0.05)


def test_an_overflow_skips_the_update_and_halves_the_scale():
    model = dense_net()
    before = model.get_weights()
    optimizer = keras.optimizers.LossScaleOptimizer(FusedAdam(0.01), initial_scale=2.0**60)
    course = []

    class Course(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            same = all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
            course.append((np.log2(scalar(optimizer.dynamic_scale)), scalar(optimizer.iterations), same))

    fit(model, points(), optimizer=optimizer, epochs=12, callbacks=[Course()], verbose=0)
    skipped = sum(same for _, _, same in course)
    assert 30 < skipped < 47  # a gradient of about a hundredth overflows above about 2^22
    halved = [(60 - t, 0, True) for t in range(1, skipped + 1)]
    assert course == halved + [(60 - skipped, t, False) for t in range(1, 49 - skipped)]


def test_the_scale_grows_after_steps_that_went_well():
    model = dense_net()
    optimizer = keras.optimizers.LossScaleOptimizer(FusedAdam(0.01), initial_scale=8.0, dynamic_growth_steps=3)
    fit(model, points(), optimizer=optimizer, epochs=3, verbose=0)
    assert scalar(optimizer.dynamic_scale) == 8.0 * 2**4  # twelve steps


@pytest.mark.parametrize("wrap", [lambda o: o, lambda o: GradientAccumulation(Lookahead(o), 3)])
def test_resumes_to_the_bit_with_its_scale(tmp_path, wrap):
    results = []
    for runs in ((6,), (2, 6)):
        for i, epochs in enumerate(runs):
            model = dense_net()
            optimizer = keras.optimizers.LossScaleOptimizer(
                wrap(FusedAdam(0.01)), initial_scale=2.0**25, dynamic_growth_steps=5
            )
            run_dir = tmp_path / str(len(runs))
            fit(model, points(), epochs=epochs, optimizer=optimizer, run_dir=run_dir, resume=i > 0, verbose=0)
        results.append(([v.numpy() for v in optimizer.variables], model.get_weights()))
    assert scalar(optimizer.dynamic_scale) != 2.0**25 and int(optimizer.iterations) > 0
    for whole, resumed in zip(*results, strict=True):
        for one, other in zip(whole, resumed, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda: LazyAdam(0.01, global_clipnorm=1.0),
        lambda: Muon(0.01),
        lambda: GradientAccumulation(Lookahead(FusedAdam(0.05, use_ema=True), 2), 2),
    ],
)
def test_text_networks_train_under_it(make_optimizer):
    data = tfconv.data.synthetic_reviews(200, seed=1).prepare(batch_size=16, length=20, seed=2)
    words = len(data.preprocess.vocabulary)
    model = tfconv.models.TextCNN(words, embedding_dim=8, filters=8, hidden_units=8, dtype="mixed_float16")
    history = fit(model, data.train, optimizer=make_optimizer(), epochs=6, verbose=0).history
    assert type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    assert history["loss"][-1] < 0.95 * history["loss"][0]


def test_rows_outside_the_batch_stay_with_lazy_adam():
    table = keras.layers.Embedding(9, 2)
    table.build()
    before = table.embeddings.numpy()
    optimizer = keras.optimizers.LossScaleOptimizer(LazyAdam(0.01))
    optimizer.build([table.embeddings])
    for row in (3, 4):
        parts = tf.IndexedSlices(tf.fill([2, 2], 2.0**15), tf.constant([row, row]), tf.constant([9, 2]))
        optimizer.apply([parts], [table.embeddings])
    after = table.embeddings.numpy()
    assert np.flatnonzero((after != before).any(axis=1)).tolist() == [3, 4]
    np.testing.assert_allclose(before[3] - after[3], 0.01, rtol=1e-3)


def test_two_replicas_equal_one(two_replicas):
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = dense_net()
        optimizer = keras.optimizers.LossScaleOptimizer(FusedAdam(0.01), initial_scale=2.0**25)
        fit(model, points(), epochs=4, optimizer=optimizer, strategy=strategy, verbose=0)
        results.append((model.get_weights(), scalar(model.optimizer.dynamic_scale)))
    assert results[0][1] == results[1][1]
    for one, two in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-2, atol=1e-3)
