"""Averaged weights: against Keras' callback, against averaging by hand, and resumed in the middle."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv.layers import BatchNorm
from tfconv.training import FusedAdam, fit
from tfconv.training.optimizers.averaging import EMAWeights, StochasticWeightAveraging
from tfconv.training.optimizers.wrappers import Lookahead


def points(n=48, batch=8, seed=5):
    x = np.random.default_rng(seed).normal(size=(n, 6)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, (x[:, 0] > 0).astype("int32"))).batch(batch)


def net(batch_norm=False, dropout=0.0, seed=1):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((6,)), keras.layers.Dense(5, "tanh")]
    layers += [BatchNorm(momentum=0.7)] if batch_norm else []
    layers += [keras.layers.Dropout(dropout, seed=3)] if dropout else []
    return keras.Sequential([*layers, keras.layers.Dense(1)])


def averaging():
    return FusedAdam(0.05, use_ema=True, ema_momentum=0.8)


class Weights(keras.callbacks.Callback):
    """What the model holds at the end of each epoch, and when the next one begins."""

    def __init__(self):
        super().__init__()
        self._ends, self._begins = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self._begins.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self._ends.append(self.model.get_weights())


def assert_equal(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_average_scores_as_with_keras_callback_and_keras_fit():
    results = []
    for train, callback in ((True, EMAWeights()), (True, keras.callbacks.SwapEMAWeights()), (False, EMAWeights())):
        model = net()
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
        model.compile(averaging(), loss, metrics=[accuracy], jit_compile=False)
        arguments = {"epochs": 4, "validation_data": points(seed=6), "callbacks": [callback], "verbose": 0}
        history = fit(model, points(), **arguments) if train else model.fit(points(), shuffle=False, **arguments)
        results.append((model.get_weights(), history.history))
    plain = net()
    without = fit(plain, points(), epochs=4, optimizer=averaging(), validation_data=points(seed=6), verbose=0).history
    for weights, history in results:
        for a, b in zip(weights, results[0][0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        for name, values in results[0][1].items():
            np.testing.assert_allclose(history[name], values, rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(history["loss"], without["loss"], rtol=1e-4)
        assert not np.allclose(history["val_loss"], without["val_loss"], rtol=1e-3)
    assert_equal(results[0][0], plain.get_weights())  # the last state is the average, swapped meanwhile or not


def test_average_is_numpys_and_the_raw_weights_come_back_bit_for_bit():
    class Steps(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self._all = []

        def on_train_batch_end(self, batch, logs=None):
            self._all.append(self.model.get_weights())

    steps, seen, model = Steps(), Weights(), net()
    callbacks = [steps, EMAWeights(), seen]
    fit(model, points(), epochs=3, optimizer=averaging(), callbacks=callbacks, verbose=0)
    average = [w.astype("float64") for w in steps._all[0]]
    for t, weights in enumerate(steps._all):
        average = [0.8 * a + 0.2 * w for a, w in zip(average, weights, strict=True)]
        if t % 6 == 5:
            for a, b in zip(seen._ends[t // 6], average, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert_equal(seen._begins[1], steps._all[5])
    assert_equal(seen._begins[2], steps._all[11])
    assert_equal(model.get_weights(), seen._ends[-1])


@pytest.mark.parametrize("wrap", [lambda o: o, lambda o: keras.optimizers.LossScaleOptimizer(Lookahead(o))])
def test_average_resumes_to_the_bit(tmp_path, wrap):
    results = []
    for runs in ((3,), (1, 3)):
        for i, epochs in enumerate(runs):
            model, optimizer = net(), wrap(averaging())
            history = fit(
                model,
                points(),
                epochs=epochs,
                optimizer=optimizer,
                validation_data=points(seed=6),
                callbacks=[EMAWeights()],
                run_dir=tmp_path / str(len(runs)),
                resume=i > 0,
                verbose=0,
            )
        results.append((model.get_weights(), history.history))
    assert results[0][1] == results[1][1]
    assert_equal(results[0][0], results[1][0])


def test_early_stopping_keeps_the_average_of_the_best_epoch():
    seen, model = Weights(), net()
    rising = keras.callbacks.EarlyStopping("val_loss", mode="max", patience=1, restore_best_weights=True)
    history = fit(
        model,
        points(),
        epochs=9,
        optimizer=averaging(),
        validation_data=points(seed=6),
        callbacks=[EMAWeights(), seen, rising],
        verbose=0,
    )
    assert len(history.history["loss"]) == 2  # the loss falls, so the first epoch is the best
    assert_equal(model.get_weights(), seen._ends[0])
    score = model.evaluate(points(seed=6), verbose=0)[0]
    assert score == pytest.approx(history.history["val_loss"][0], rel=1e-5)


def test_average_needs_an_optimizer_that_keeps_one():
    with pytest.raises(ValueError, match="give it use_ema=True, got False"):
        fit(net(), points(), optimizer=FusedAdam(0.1), callbacks=[EMAWeights()], verbose=0)


def test_swa_is_the_mean_of_the_last_epochs_to_the_bit():
    seen, model = Weights(), net()
    fit(
        model,
        points(),
        epochs=5,
        optimizer=FusedAdam(0.05),
        callbacks=[seen, StochasticWeightAveraging(points(), start_epoch=2)],
        verbose=0,
    )
    for i, weight in enumerate(model.get_weights()):
        total = sum(weights[i].astype("float64") for weights in seen._ends[2:])
        np.testing.assert_array_equal(weight, (total / 3).astype("float32"))
    short, before = net(), Weights()
    swa = StochasticWeightAveraging(points(), start_epoch=9)
    fit(short, points(), epochs=2, optimizer=FusedAdam(0.05), callbacks=[before, swa], verbose=0)
    assert_equal(short.get_weights(), before._ends[-1])


@pytest.mark.parametrize("layer", [BatchNorm, keras.layers.BatchNormalization])
def test_swa_takes_batch_norm_statistics_anew(layer):
    keras.utils.set_random_seed(2)
    inner = keras.Sequential([keras.Input((5,)), layer(momentum=0.6), keras.layers.Dropout(0.0)])
    frozen = BatchNorm(trainable=False)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5), inner, frozen, keras.layers.Dense(1)])
    data = points(n=44)  # the last batch is half a batch
    swa = StochasticWeightAveraging(data, start_epoch=1)
    fit(model, data, epochs=3, optimizer=keras.optimizers.SGD(0.3), callbacks=[swa], verbose=0)
    dense, norm = model.layers[0], inner.layers[0]
    outputs = [dense(x).numpy().astype("float64") for x, _ in data]
    sizes = [len(x) for x in outputs]
    mean = sum(n * x.mean(axis=0) for n, x in zip(sizes, outputs, strict=True)) / 44
    variance = sum(n * x.var(axis=0) for n, x in zip(sizes, outputs, strict=True)) / 44
    np.testing.assert_allclose(norm.moving_mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, variance, rtol=1e-4)
    assert norm.momentum == 0.6
    np.testing.assert_array_equal(frozen.moving_mean, np.zeros(5))


def test_swa_resumes_to_the_bit(tmp_path):
    results = []
    for runs in ((4,), (3, 4)):  # resumed with a sum of one epoch
        for i, epochs in enumerate(runs):
            model, data = net(batch_norm=True, dropout=0.2), points()
            run_dir, swa = tmp_path / str(len(runs)), StochasticWeightAveraging(data, start_epoch=2)
            optimizer = FusedAdam(0.05)
            fit(
                model,
                data,
                epochs=epochs,
                optimizer=optimizer,
                callbacks=[swa],
                run_dir=run_dir,
                resume=i > 0,
                verbose=0,
            )
        assert swa.count == 2
        results.append(model.get_weights())
    assert_equal(*results)
    with pytest.raises(ValueError, match="start_epoch must be 0 or more, got -1"):
        StochasticWeightAveraging(data, start_epoch=-1)


def test_swa_of_other_epochs_than_before(tmp_path):
    def weights(epochs, start_epoch, **arguments):
        model, swa = net(), StochasticWeightAveraging(points(), start_epoch)
        arguments |= {"optimizer": FusedAdam(0.05), "callbacks": [swa], "verbose": 0}
        fit(model, points(), epochs=epochs, **arguments)
        return model.get_weights()

    weights(2, 1, run_dir=tmp_path / "run")
    assert_equal(weights(4, 2, run_dir=tmp_path / "run", resume=True), weights(4, 2))
    with pytest.raises(ValueError, match="start_epoch must be as before to go on at epoch 4 with 2 .*: 2, got 3"):
        weights(5, 3, run_dir=tmp_path / "run", resume=True)


def test_two_replicas_average_as_one(two_replicas):
    """The scores are those of the moving average, the last weights the mean of what the epochs ended with."""
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = net(batch_norm=True)
        optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
        callbacks = [EMAWeights(), StochasticWeightAveraging(points(), 1)]
        arguments = {"optimizer": optimizer, "callbacks": callbacks, "strategy": strategy, "verbose": 0}
        history = fit(model, points(), epochs=3, validation_data=points(seed=6), **arguments).history
        results.append((model.get_weights(), history))
    (one, history), (two, other) = results
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for name, values in history.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-4, err_msg=name)
