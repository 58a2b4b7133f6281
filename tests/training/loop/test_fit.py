"""The loop against Keras' own `fit`, one device against two, and what callbacks see."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfconv import runtime
from tfconv.training import FusedAdam, NonFiniteLossError, evaluate, fit


def make_model(classes=1, dropout=0.0, l2=0.0):
    keras.utils.set_random_seed(7)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="tanh", kernel_regularizer=regularizer),
            keras.layers.Dropout(dropout, seed=3),
            keras.layers.Dense(classes),
        ]
    )


def make_data(n=50, classes=1, batch=8):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 6)).astype("float32")
    y = (x[:, 0] + 0.3 * rng.normal(size=n) > 0).astype("int32")
    if classes > 1:
        y = np.clip(np.floor(x[:, 0] + 1), 0, classes - 1).astype("int32")
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch)


@pytest.mark.parametrize(
    ("classes", "dropout", "l2", "class_weight"),
    [(1, 0.0, 0.0, None), (1, 0.5, 0.01, None), (3, 0.0, 0.01, {0: 2.0, 2: 0.5}), (1, 0.0, 0.0, {1: 3.0})],
)
def test_equals_keras_fit(classes, dropout, l2, class_weight):
    data, held_out = make_data(classes=classes), make_data(n=21, classes=classes)
    results = []
    for steps_per_execution in (None, "auto", 3):  # the first is Keras' own loop
        model = make_model(classes, dropout, l2)
        loss = (
            keras.losses.BinaryCrossentropy(from_logits=True)
            if classes == 1
            else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0) if classes == 1 else "accuracy"
        model.compile(keras.optimizers.Adam(0.01), loss, metrics=[accuracy], jit_compile=False)
        arguments = {"epochs": 3, "validation_data": held_out, "class_weight": class_weight, "verbose": 0}
        if steps_per_execution:
            history = fit(model, data, steps_per_execution=steps_per_execution, **arguments)
        else:
            history = model.fit(data, shuffle=False, **arguments)
        results.append((model.get_weights(), history.history))
    (keras_weights, keras_history), *ours = results
    for weights, history in ours:
        for expected, actual in zip(keras_weights, weights, strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
        assert history.keys() == keras_history.keys()
        for name, values in keras_history.items():
            np.testing.assert_allclose(history[name], values, rtol=1e-5, err_msg=name)


def test_defaults_fit_the_labels():
    for classes, label_shape in ((1, ()), (4, ()), (4, (4,))):
        y = np.zeros((8, *label_shape), "int32" if not label_shape else "float32")
        data = tf.data.Dataset.from_tensor_slices((np.ones((8, 6), "float32"), y)).batch(4)
        history = fit(make_model(classes), data, verbose=0)
        expected = np.log(2) if classes == 1 or label_shape else np.log(4)
        assert history.history["loss"][0] == pytest.approx(expected, abs=0.6)
        assert "accuracy" in history.history
    with pytest.raises(ValueError, match="labels of shape .*5.*give `loss`"):
        data = tf.data.Dataset.from_tensor_slices((np.ones((8, 6), "float32"), np.ones((8, 5), "float32"))).batch(4)
        fit(make_model(4), data, verbose=0)


def one_a_kind(rate):
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD(rate), {".*bias": keras.optimizers.SGD(3 * rate)})
    )


@pytest.mark.parametrize(
    ("optimizer_class", "l2"),
    [(keras.optimizers.SGD, 0.0), (keras.optimizers.SGD, 0.1), (FusedAdam, 0.1), (one_a_kind, 0.0)],
)
def test_two_devices_equal_one(l2, optimizer_class, two_replicas):
    data, held_out = make_data(n=48), make_data(n=21)
    results = []
    for strategy in (tf.distribute.MirroredStrategy(["CPU:0"]), two_replicas):
        with strategy.scope():
            model = make_model(l2=l2)
        optimizer = optimizer_class(0.01)
        history = fit(
            model, data, validation_data=held_out, epochs=3, optimizer=optimizer, strategy=strategy, verbose=0
        )
        results.append((model.get_weights(), history.history))
    for one, two in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
    for name, values in results[0][1].items():
        np.testing.assert_allclose(results[1][1][name], values, rtol=1e-5, err_msg=name)


def test_a_new_optimizer_keeps_loss_and_metrics():
    model, data = make_model(), make_data()
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    one, other = keras.metrics.AUC(name="auc"), keras.metrics.MeanSquaredError(name="mse")
    model.compile("sgd", loss, loss_weights=[0.01], metrics=[one], weighted_metrics=[other], jit_compile=False)
    expected = model.evaluate(data, verbose=0, return_dict=True)
    history = fit(model, data, optimizer=FusedAdam(1e-9), verbose=0)
    assert {name: values[0] for name, values in history.history.items()} == pytest.approx(expected, rel=1e-4)
    history = fit(model, data, optimizer=FusedAdam(1e-9), loss=loss, verbose=0)  # a new loss has no weight
    assert history.history["loss"][0] == pytest.approx(100 * expected["loss"], rel=1e-4)


def test_evaluate_equals_keras():
    model = make_model()
    data = make_data(n=21)
    with_nan = data.map(lambda x, y: (tf.where(x == tf.reduce_max(x), np.nan, x), y))  # in each batch
    for scored in (data, with_nan):
        ours = evaluate(model, scored)
        assert ours == pytest.approx(model.evaluate(scored, verbose=0, return_dict=True), rel=1e-6, nan_ok=True)
    assert np.isnan(ours["loss"])
    with pytest.raises(ValueError, match="empty"):
        evaluate(model, data.take(0))


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self._calls = []

    def on_train_batch_end(self, batch, logs=None):
        self._calls.append((batch, logs["loss"]))

    def on_epoch_end(self, epoch, logs=None):
        self._calls.append(("epoch", epoch, sorted(logs)))


def test_callbacks_see_every_step_and_may_stop():
    recorder = Recorder()
    fit(make_model(), make_data(), epochs=2, callbacks=[recorder], verbose=0)
    assert [call[0] for call in recorder._calls] == [*range(7), "epoch"] * 2

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    recorder = Recorder()
    fit(make_model(), make_data(), epochs=5, callbacks=[recorder, Stop()], verbose=0)
    assert [call[0] for call in recorder._calls] == [0, 1, 2, "epoch"]

    batches = []  # Keras' own sets its hooks on the instance
    lambdas = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    fit(make_model(), make_data().filter(lambda x, y: True), epochs=2, callbacks=[lambdas], verbose=0)
    assert batches == [*range(7)] * 2  # once a step also where nobody knows which is the last


def test_keras_callbacks_work():
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=10.0)
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=2, min_delta=10.0, restore_best_weights=True)
    model = make_model()
    history = fit(
        model,
        make_data(),
        validation_data=make_data(),
        epochs=20,
        optimizer=keras.optimizers.Adam(0.1),
        callbacks=[plateau, stopping],
        verbose=0,
    )
    assert len(history.epoch) == 3
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.1 * 0.5**2)
    best = min(history.history["val_loss"][:1])
    assert evaluate(model, make_data())["loss"] == pytest.approx(best, rel=1e-5)


def test_unknown_length_is_counted():
    data = make_data()
    unknown = data.filter(lambda x, y: True)
    assert unknown.cardinality() == tf.data.UNKNOWN_CARDINALITY
    known_model, unknown_model = make_model(), make_model()
    known = fit(known_model, data, epochs=2, validation_data=data, verbose=0)
    counted = fit(unknown_model, unknown, epochs=2, validation_data=unknown, verbose=0)
    assert counted.history == known.history


@pytest.mark.parametrize("steps_per_execution", [1, 5, "auto"])
def test_infinite_loss_stops_and_names_the_step(steps_per_execution, tmp_path):
    x = np.ones((40, 6), "float32")
    x[4 * 6 + 1] = np.nan  # in batch 7 of 10
    data = tf.data.Dataset.from_tensor_slices((x, np.ones(40, "int32"))).batch(4)
    model = make_model()
    with pytest.raises(NonFiniteLossError, match=r"loss is nan at step 7 of epoch 1, learning rate 0.01\. Try .*0.001"):
        fit(
            model,
            data,
            optimizer=keras.optimizers.Adam(0.01),
            steps_per_execution=steps_per_execution,
            run_dir=tmp_path / "run",
            checkpoint_seconds=0,
            verbose=0,
        )
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        with np.load(path) as archive:
            assert all(np.isfinite(archive[n]).all() for n in archive.files if n.startswith("variable"))


def test_one_logit_refuses_many_classes():
    with pytest.raises(ValueError, match="labels are not all 0 or 1: a model of one logit"):
        fit(make_model(1), make_data(classes=4), epochs=30, optimizer=keras.optimizers.Adam(0.1), verbose=0)


def test_unbuilt_model_and_one_that_ends_in_softmax():
    results = []
    for built in (False, True):
        keras.utils.set_random_seed(7)
        layers = [keras.layers.Dense(8, activation="tanh"), keras.layers.Dense(3, activation="softmax")]
        model = keras.Sequential([keras.Input((6,)), *layers] if built else layers)
        if built:
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
            results.append(model.fit(make_data(classes=3), shuffle=False, verbose=0).history)
        else:
            results.append(fit(model, make_data(classes=3), verbose=0).history)
    assert results[0] == pytest.approx({name: pytest.approx(values) for name, values in results[1].items()})


def dense(*layers):
    return keras.Sequential([keras.Input((6,)), *layers])


def test_where_probabilities_are_made_does_not_matter():
    """Each of these is softmax of the same logits; the loss must be what Keras' own gives for probabilities."""
    layers, results = keras.layers, []
    inputs = keras.Input((6,))
    endings = [
        lambda: dense(layers.Dense(3, activation="softmax")),
        lambda: dense(layers.Dense(3), layers.Softmax()),
        lambda: dense(layers.Dense(3, activation="softmax"), layers.Activation("linear", dtype="float32")),
        lambda: keras.Model(inputs, keras.ops.softmax(layers.Dense(3)(inputs))),
        lambda: keras.Model(inputs, layers.Reshape((3,))(dense(layers.Dense(3, activation="softmax"))(inputs))),
    ]
    for make in endings:
        keras.utils.set_random_seed(7)
        results.append(fit(make(), make_data(classes=3), verbose=0).history["loss"])
    keras.utils.set_random_seed(7)
    stock = dense(layers.Dense(3))
    stock.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    expected = stock.fit(make_data(classes=3), shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(results, [expected] * len(results), rtol=1e-5)


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_one_hot_labels_are_one_label_each(activation):
    """Rows that add up to one get the loss of the class numbers; others one yes or no a class."""

    def rows(several):
        eye = tf.eye(3) + (tf.eye(3)[::-1] if several else 0.0)
        return make_data(classes=3).map(lambda x, y: (x, tf.minimum(tf.gather(eye, tf.cast(y, tf.int32)), 1.0)))

    losses = []
    for data in (make_data(classes=3), rows(False)):
        keras.utils.set_random_seed(7)
        history = fit(dense(keras.layers.Dense(3, activation=activation)), data, verbose=0).history
        losses.append((history["loss"], history["accuracy"]))
    np.testing.assert_allclose(*losses, rtol=1e-5)
    model = dense(keras.layers.Dense(3))
    fit(model, rows(True), verbose=0)
    assert isinstance(model.loss, keras.losses.BinaryCrossentropy)


def test_losses_that_do_not_go_with_the_outputs_are_refused():
    logits, shares = (lambda: dense(keras.layers.Dense(3))), (lambda: dense(keras.layers.Dense(3, "softmax")))
    of_logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for make, loss, words in (
        (logits, "sparse_categorical_crossentropy", "takes probabilities, and the model ends in logits"),
        (logits, keras.losses.SparseCategoricalCrossentropy(), "takes probabilities"),
        (logits, keras.losses.sparse_categorical_crossentropy, "takes probabilities"),
        (shares, of_logits, "takes logits .*, and the model ends in softmax"),
    ):
        with pytest.raises(ValueError, match=words):
            fit(make(), make_data(classes=3), loss=loss, verbose=0)
        compiled = make()
        compiled.compile("adam", loss)
        with pytest.raises(ValueError, match=words):
            fit(compiled, make_data(classes=3), verbose=0)
    for make, loss in ((logits, of_logits), (shares, "sparse_categorical_crossentropy"), (logits, "mse")):
        data = make_data(classes=3)
        if loss == "mse":
            data = data.map(lambda x, y: (x, tf.one_hot(tf.cast(y, tf.int32), 3)))
        fit(make(), data, loss=loss, verbose=0)


def test_a_subclassed_model_is_asked_for_a_loss():
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(3)

        def build(self, input_shape):
            self.head.build(input_shape)

        def call(self, inputs):
            return self.head(inputs)

    with pytest.raises(ValueError, match="give `loss`: a subclassed model"):
        fit(Network(), make_data(classes=3), verbose=0)


def test_one_line_an_epoch(capsys):
    fit(make_model(), make_data(), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert "loss" in lines[0] and "accuracy" in lines[0]


def test_seed_out_of_range():
    with pytest.raises(ValueError, match="seed must be from 0"):
        runtime.set_seed(-1)
